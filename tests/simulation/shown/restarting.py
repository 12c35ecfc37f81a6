"""A world in which the publisher is started anew; programs with a Subscriber go on with it.

The second run of it has another epoch and knows nothing of the first. Who has got something of that
is told of it, once, by the first message of the other, of which it is owed all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.simulation.shown.publishing import EPOCH
from tests.simulation.shown.reading import ReadingWorld
from tests.simulation.shown.world import STEPS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.simulation.shown.reader import Reader


class RestartedWorld(ReadingWorld):
    """The second run of the publisher.

    Args:
        readers: of the first one.
        now: when it begins, in nanoseconds.
    """

    epoch = EPOCH + 1

    def __init__(self, seed: int, readers: Sequence[Reader], now: int) -> None:
        super().__init__(seed)
        self.readers = [*readers]
        self._line = 0, self.readers[0]
        self.now = now


class RestartingWorld(ReadingWorld):
    """Both of them.

    Attributes:
        unsent: what the first one has not sent to somebody who was owed it.
    """

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self._seed = seed
        self.unsent = 0

    def run(self, steps: int = STEPS) -> RestartingWorld:
        super().run(steps // 2)
        second = RestartedWorld(self._seed, self.readers, self.now)
        second.run(steps // 2)
        self.shown += second.shown
        self.missing += second.missing
        self.resumed += second.resumed
        return self

    def _catch_up(self) -> None:
        """Nobody does: the publisher is gone."""
        for reader in self.readers:
            for number in [*reader.socks]:
                self._break(reader, number)
            self.unsent += reader.restart(self.feed, self.seconds)
            self.shown += len(reader.former)
