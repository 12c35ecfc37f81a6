"""Self-service: what subscribers say of themselves is understood and reported. Pure.

What a subscriber says is not acted upon here. The coordinator is told, decides which policy it has
by that, and says it: there is one place where that is decided.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from fanout.control.messages import Chose, Declined
from fanout.workers.connections.reserved import Reserved, Wishes

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fanout.options import Options
    from fanout.zmtp import ReservedSubscription

_NOT_HERE = "no subscriber chooses for itself here (self_service=False)"


class Outlet(Protocol):
    """A channel to the coordinator."""

    def post(self, message: Chose | Declined, /) -> None: ...


class SelfService:
    """Takes the reserved subscriptions of all peers of a worker.

    Its mutable state: those of each peer that has any, and what was reported of them last.

    Args:
        outlet: where reports go.
        allowed: whether they count for anything.
        may_block: whether a subscriber may choose the action `block`.
    """

    def __init__(self, outlet: Outlet, *, allowed: bool, may_block: bool) -> None:
        self._outlet = outlet
        self._allowed = allowed
        self._may_block = may_block
        self._said: dict[int, Reserved] = {}
        self._reported: dict[int, Wishes] = {}

    def take(self, subscriber: int, said: Iterable[ReservedSubscription]) -> int:
        """It says this; returns how many reports that makes."""
        reserved = self._said.get(subscriber)
        if reserved is None:
            reserved = self._said[subscriber] = Reserved(may_block=self._may_block)
            if not self._allowed:
                self._outlet.post(Declined(subscriber, _NOT_HERE))
                return 1
        if not self._allowed:
            return 0
        reasons = [_apply(reserved, event) for event in said]
        declined = [reason for reason in reasons if reason]
        for reason in declined:
            self._outlet.post(Declined(subscriber, reason))
        wishes = reserved.wishes
        if wishes == self._reported.get(subscriber, Wishes()):
            return len(declined)
        self._reported[subscriber] = wishes
        self._outlet.post(Chose(subscriber, wishes.name, wishes.settings))
        return len(declined) + 1

    def forget(self, subscriber: int) -> None:
        """It is gone."""
        self._said.pop(subscriber, None)
        self._reported.pop(subscriber, None)


def self_service_for(options: Options, outlet: Outlet) -> SelfService:
    """What these options allow."""
    may_block = options.self_service_bound.action == "block"
    return SelfService(outlet, allowed=options.self_service, may_block=may_block)


def _apply(reserved: Reserved, event: ReservedSubscription) -> str:
    if event.wanted:
        return reserved.add(event.prefix)
    reserved.cancel(event.prefix)
    return ""
