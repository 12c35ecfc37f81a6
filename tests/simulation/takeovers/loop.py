"""What a worker of a takeover has in place of asyncio's loop, of the clock and of naps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fanout.workers.naps import Naps

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.simulation.takeovers.world import TakeoverWorld

LONG_NS = 1_000_000_000  # more than any part of a turn may take


class Loop:
    """Remembers the turn that was asked for."""

    def __init__(self) -> None:
        self.is_asked = False

    def call_soon(self, _callback: Callable[[], None]) -> None:
        self.is_asked = True

    def call_later(self, _delay: float, _callback: Callable[[], None]) -> None:
        """The world says when there is a tick."""

    add_reader = remove_reader = add_writer = remove_writer = lambda *_: None


class Clock:
    """One for parts of turns: between two looks there passes nothing, or all the time there is."""

    def __init__(self, world: TakeoverWorld) -> None:
        self._world = world
        self._now = 0

    def __call__(self) -> int:
        world = self._world
        if not world.is_calm and world.rng.random() < world.haste:
            self._now += LONG_NS
        return self._now


class NoNaps(Naps):
    """Messages never accumulate."""

    def learn(self, *_what: Any) -> bool:
        return True

    def pause(self, *_what: Any) -> float:
        return 0.0
