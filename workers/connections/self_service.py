"""Self-service: what subscribers say of themselves is understood and reported. Pure.

What a subscriber says is not acted upon here. The coordinator is told, decides which policy it has
by that, and says it: there is one place where that is decided.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from fanout.control.messages import Chose, Declined
from fanout.workers.connections.reserved import Reserved, Wishes

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fanout.options import Options
    from fanout.workers.connections.since import Since
    from fanout.zmtp import ReservedSubscription


_NOTHING = Wishes()


class ChoiceOutlet(Protocol):
    """A channel to the coordinator."""

    def post(self, message: Chose | Declined, /) -> None: ...


class Heard(NamedTuple):
    """What has become of what a subscriber has said."""

    reports: int  # that were made of it
    gaps: int  # see `Wishes`


class SelfService:
    """Takes the reserved subscriptions of all peers of a worker.

    Its mutable state: those of each peer that has any, and what was reported of them last.

    Args:
        outlet: where reports go.
        allowed: whether they may choose anything.
        may_block: whether a subscriber may choose the action `block`.
        may_replay: whether a subscriber may have what it has missed.
    """

    def __init__(
        self, outlet: ChoiceOutlet, *, allowed: bool, may_block: bool, may_replay: bool = True
    ) -> None:
        self._outlet = outlet
        self._allowed = allowed
        self._may_block = may_block
        self._may_replay = may_replay
        self._said: dict[int, Reserved] = {}
        self._reported: dict[int, tuple[str, dict[str, Any]] | None] = {}  # None = nobody knows

    def take(self, subscriber: int, said: Iterable[ReservedSubscription]) -> Heard:
        """It says this; what it chooses by that is reported."""
        reserved = self._said.get(subscriber)
        if reserved is None:
            reserved = self._said[subscriber] = self._new()
        reasons = [_apply(reserved, event) for event in said]
        declined = [reason for reason in reasons if reason]
        for reason in declined:
            self._outlet.post(Declined(subscriber, reason))
        wishes = reserved.wishes
        chosen = wishes.name, wishes.settings
        if chosen == self._reported.get(subscriber, ("", {})):
            return Heard(len(declined), wishes.gaps)
        self._reported[subscriber] = chosen
        self._outlet.post(Chose(subscriber, *chosen))
        return Heard(len(declined) + 1, wishes.gaps)

    def said(self, subscriber: int) -> tuple[bytes, ...]:
        """The reserved subscriptions that it has, in the order in which they count."""
        reserved = self._said.get(subscriber)
        return () if reserved is None else reserved.said

    def since(self, subscriber: int) -> Since | None:
        """From where on it wants what it has missed of what it subscribes to."""
        reserved = self._said.get(subscriber)
        return None if reserved is None else reserved.wishes.since

    def wishes(self, subscriber: int) -> Wishes:
        """What it says, all in all."""
        reserved = self._said.get(subscriber)
        return _NOTHING if reserved is None else reserved.wishes

    def go_on(self, subscriber: int, said: Iterable[bytes], *, chose: bool = False) -> None:
        """Another worker has heard this of it; nobody knows whether what it chose was reported.

        What it cannot have was told of by that one, once.

        Args:
            chose: something was, so that it has taken it back has to be, too.
        """
        if chose:
            self._reported[subscriber] = None
        reserved = self._said[subscriber] = self._new()
        for prefix in said:
            reserved.add(prefix)
        self.take(subscriber, ())

    def _new(self) -> Reserved:
        return Reserved(
            may_choose=self._allowed, may_block=self._may_block, may_replay=self._may_replay
        )

    def forget(self, subscriber: int) -> None:
        """It is gone."""
        self._said.pop(subscriber, None)
        self._reported.pop(subscriber, None)


def self_service_for(options: Options, outlet: ChoiceOutlet) -> SelfService:
    """What these options allow."""
    may_block = options.self_service_bound.action == "block"
    may_replay = options.replay_limit > 0
    return SelfService(
        outlet, allowed=options.self_service, may_block=may_block, may_replay=may_replay
    )


def _apply(reserved: Reserved, event: ReservedSubscription) -> str:
    if event.wanted:
        return reserved.add(event.prefix)
    reserved.cancel(event.prefix)
    return ""
