"""A world in which some messages are too large for the programs with a `fanout.Subscriber`.

Such a message is passed over: the program does not get it, is told of it, and gets all behind it.
Nobody asks for it again, whatever is lost meanwhile.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.simulation.shown.publishing import LEAVES_FROM, PAST_FROM, READS_FROM, SEVERAL_FROM
from tests.simulation.shown.reader import Reader
from tests.simulation.shown.reading import ReadingWorld
from tests.simulation.violated import require

if TYPE_CHECKING:
    from random import Random

    from fanout.subscriber.message import Gap
    from fanout.subscriber.since import Position
    from tests.simulation.published import Published
    from tests.simulation.shown.feed import Feed

BYTES_MAX = 400  # of a message, see `max_message_bytes`: most have some 220
FRAME_COST = 64
SIZES = ((0, 9, 300), (0, 0, 0, 0, 9, 1_500), (0, 3_000))  # of payloads
LONG = 500  # bytes of a topic that is too large by itself
LIKE = (READS_FROM, LEAVES_FROM, PAST_FROM, SEVERAL_FROM)


def is_too_large(message: Published) -> bool:
    """Whether the programs pass over it."""
    return sum(len(frame) + FRAME_COST for frame in message.frames) > BYTES_MAX


class LimitedReader(Reader):
    """A program that takes no message above `BYTES_MAX`.

    Attributes:
        too_large: numbers of those that are.
    """

    def __init__(
        self, wants: set[bytes], lines: int, rng: Random, *, last: bool, since: Position | None
    ) -> None:
        super().__init__(wants, lines, rng, last=last, since=since, most=BYTES_MAX)
        self.too_large: frozenset[int] = frozenset()

    def _numbers(self, feed: Feed) -> list[int]:
        numbers = super()._numbers(feed)
        given = self.too_large.intersection(numbers)
        require(not given, f"{sorted(given)[:5]} are too large, and came")
        return numbers

    def _is_unplaced(self, gap: Gap) -> bool:
        """A last value that is too large has no place, and is counted."""
        return super()._is_unplaced(gap) or (self._last and gap.first is None)


class LimitedWorld(ReadingWorld):
    """One run.

    Attributes:
        passed: how many messages were passed over.
    """

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self._sizes = self.rng.choice(SIZES)
        self._longs = self.rng.choice((0.0, 0.5))  # of topics of their own
        self.passed = 0

    def _like(self, seed: int) -> int:
        return LIKE[seed % len(LIKE)]

    def _made_reader(
        self, wants: set[bytes], lines: int, *, last: bool, since: Position | None
    ) -> Reader:
        return LimitedReader(wants, lines, self.rng, last=last, since=since)

    def _alone(self, topic: bytes, number: int) -> bytes:
        alone = super()._alone(topic, number)
        return alone.ljust(LONG, b".") if self.rng.random() < self._longs else alone

    def _newest_kept(self) -> dict[bytes, int]:
        """From here on nothing is too large: what was is told by what comes."""
        self._sizes, self._longs = (0,), 0.0
        return super()._newest_kept()

    def _check(self, newest: dict[bytes, int]) -> None:
        messages = self.history.messages
        too_large = frozenset(n for n, one in enumerate(messages) if is_too_large(one))
        for reader in self.readers:
            assert isinstance(reader, LimitedReader)
            reader.too_large = too_large
            self.passed += sum(stream.too_large for stream in reader.core.streams)
        super()._check(newest)
