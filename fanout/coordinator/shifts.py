"""Shifts: whatever has connections go from one worker to another one. Shell."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from fanout.control.takeover import Resumed
from fanout.coordinator.handing_on import HandingOn
from fanout.coordinator.moving import Moving
from fanout.coordinator.rebalancing import Rebalancing
from fanout.coordinator.succession import Succession

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fanout.control.takeover import Released
    from fanout.coordinator.actions import Action
    from fanout.coordinator.handing_on import Say
    from fanout.coordinator.links import WorkerLink
    from fanout.coordinator.state import State
    from fanout.coordinator.surroundings import Surroundings
    from fanout.coordinator.wrecks import Wrecks
    from fanout.shm.segment import Segment


class Shifts:
    """On the coordinator's thread; owns its parts, of which each knows those before it.

    Args:
        wrecks: ends those with whom nobody can go on.
        say: as `Pool.say`.
        links: of the workers; others append to them.
        handshake_timeout: see `Succession`.
        rebalance: whether to have all workers do about as much.

    Attributes:
        handing_on: what workers leave or give up goes to others.
        moving: has workers that serve give connections up.
    """

    def __init__(
        self,
        segment: Segment,
        state: State,
        wrecks: Wrecks,
        say: Say,
        links: Sequence[WorkerLink],
        surroundings: Surroundings,
        *,
        handshake_timeout: float,
        rebalance: bool,
    ) -> None:
        now = surroundings.now
        self.handing_on = HandingOn(segment, state, wrecks, say, now, partial(_hold, links))
        self.moving = Moving(state, self.handing_on, now)
        self._succession = Succession(state, self.moving, now, handshake_timeout)
        self._rebalancing: Rebalancing | None = None
        if rebalance:
            look = surroundings.read_condition
            self._rebalancing = Rebalancing(segment, state, self.moving, links, look, now)

    @property
    def may_wait(self) -> float:
        """Seconds after which there is something to do, if nothing happens before."""
        return min(self.handing_on.may_wait, self.moving.may_wait, self._succession.may_wait)

    def go_on(self) -> list[Action]:
        """Do, for a slice, what there is to do."""
        if self._rebalancing is not None:
            self._rebalancing.go_on()
        return self._succession.go_on() + self.moving.go_on() + self.handing_on.go_on()

    def heard(self, worker: int, message: Resumed | Released) -> list[Action]:
        """A worker has said what has become of one that it was to get, or to give up."""
        if isinstance(message, Resumed):
            if not message.ok:
                self.moving.refused(worker, message)
            return self.handing_on.heard(worker, message)
        return self.moving.heard(message)

    def abandon(self) -> list[Action]:
        """There is no worker any more."""
        return self.handing_on.abandon() + self.moving.abandon()


def _hold(links: Sequence[WorkerLink]) -> None:
    """Have the publisher look at the credit before it publishes more."""
    links[0].bell.hold()
