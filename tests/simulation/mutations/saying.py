"""Ways to break what subscribers say of themselves."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from fanout.coordinator import choosing
from fanout.coordinator.choosing import Choices
from fanout.terms.slow_policy import SlowPolicy
from fanout.workers import worker
from fanout.workers.connections import reserved
from fanout.workers.connections.reserved import Reserved
from fanout.workers.connections.self_service import SelfService
from fanout.zmtp import Session
from tests.simulation.mutations.known import replaces


@replaces(Session, "_subscribe")
def match_by_what_is_reserved(original: Any, self: Session, prefix: bytes, events: Any) -> None:
    limits, self._limits = self._limits, replace(self._limits, reserved=b"\xff")
    original(self, prefix, events)
    self._limits = limits


@replaces(Reserved, "cancel")
def take_nothing_back(_original: Any, _self: Reserved, _prefix: bytes) -> None:
    return


@replaces(Reserved, "cancel")
def take_everything_back(_original: Any, self: Reserved, _prefix: bytes) -> None:
    self._said.clear()


@replaces(Reserved, "add")
def let_the_first_one_count(original: Any, self: Reserved, prefix: bytes) -> str:
    said = dict(self._said)
    reason: str = original(self, prefix)
    if prefix in self._said:
        self._said = {prefix: self._said.pop(prefix), **said}
    return reason


@replaces(reserved, "understood")
def take_what_is_bad_for_a_name(original: Any, prefix: bytes) -> tuple[str, Any]:
    try:
        understood: tuple[str, Any] = original(prefix)
    except reserved.UnknownError:
        return "name", "unknown"
    return understood


@replaces(choosing, "chosen_on")
def let_everybody_choose_anything(original: Any, base: Any, settings: Any, _most: Any) -> Any:
    return original(base, settings, SlowPolicy("block"))


@replaces(worker, "self_service_for")
def let_everybody_choose(_original: Any, _options: Any, outlet: Any) -> SelfService:
    return SelfService(outlet, allowed=True, may_block=True)


@replaces(SelfService, "take")
def report_what_was_reported(original: Any, self: SelfService, *said: Any) -> Any:
    self._reported.clear()
    return original(self, *said)


@replaces(Choices, "call")
def let_it_choose_although_it_was_called(
    original: Any, self: Choices, connection: Any, policy: Any
) -> Any:
    known = self._known.get(connection.subscriber)
    return [] if known is not None and known.settings else original(self, connection, policy)
