"""A world of two publishers that send the same, and a program that merges them by `identity`.

Each has its own log, workers, policies and epoch, and is up to where it likes; message by message
both publish the same. The program has lines to both, each of which asks for what it has missed by
itself, and gets each message once, in the order of their keys, or is told. In some runs there are
messages that are too large for it.
"""

from __future__ import annotations

import math
from random import Random
from typing import TYPE_CHECKING, Any

from fanout.subscriber.parsing import MESSAGE_BYTES_MAX
from tests.simulation.shown.deaths import CALM_TURNS
from tests.simulation.shown.limited import BYTES_MAX, is_too_large
from tests.simulation.shown.publishing import EPOCH, LIMITED_TWINS_FROM, TOPICS
from tests.simulation.shown.reader import Reader
from tests.simulation.shown.reading import ReadingWorld
from tests.simulation.shown.world import STEPS
from tests.simulation.violated import Violated, require

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from contextlib import ExitStack

    from fanout.subscriber.message import Message
    from tests.simulation.shown.dying import DyingSocket
    from tests.simulation.shown.feed import Feed

WANTS = ({b""}, {b"x"}, {b"xv", b"yk"}, {b"y"})
SIZES = (0, 9, 9, 300)  # of payloads, where some messages are too large
MORE = 24  # messages at the end, with which all is told that is missing
AT_ONCE = 8  # of these
CALM_BEGINNING = 20  # turns, after which all lines are up


def key_of(message: Message) -> int:
    """The place of a message in the order of all: both publishers say it in what they send."""
    return int(message.payload.rpartition(b"#")[2].partition(b":")[0])


class MergingReader(Reader):
    """A program with lines to both.

    Attributes:
        first: what it wants from the beginning.
        too_large: numbers of messages that are, for it.
    """

    def __init__(self, wants: set[bytes], lines: int, rng: Random, most: int) -> None:
        super().__init__(wants, lines, rng, last=False, identity=key_of, most=most)
        self.first = {*wants}
        self.too_large: frozenset[int] = frozenset()
        self._begun: dict[tuple[int, bytes], int] = {}  # where each line has begun with each
        # What a line has brought that was asking for what is missing, by the key of each; and the
        # newest of that by the message with which all else is newer.
        self.asking: dict[int, tuple[int, int]] = {}
        self.passed: dict[int, int] = {}

    def read(self, number: int, size: int, now: float) -> None:
        line, stream, before = self.core.lines[number], self.core.streams[number], len(self.got)
        was_asking, connections = stream.is_unordered, line.connections
        super().read(number, size, now)
        which = number, line.connections
        if line.connections != connections:
            was_asking = bool(line.asked) and (was_asking or b"" not in self.core.wants)
        if not was_asking:
            return
        for message in self.got[before:]:
            if message.epoch == EPOCH + number % 2:  # else another line was held back
                self.asking[key_of(message)] = which
        if not stream.is_unordered:
            own = [key for key, brought_by in self.asking.items() if brought_by == which]
            self.passed[len(self.got)] = max(own, default=-1)

    def begin(self, prefixes: Iterable[bytes], sequence: int, sock: DyingSocket) -> None:
        """It is owed all that is published once all lines have begun with all that it wants.

        What one brings that is up to less than another one is a double, or comes too late.
        """
        number = self.line_of(sock)
        self._anew = max(self._anew, sequence)
        if number is not None:
            for prefix in {*prefixes} & self.first:
                self._begun.setdefault((number, prefix), sequence)
        if not self.owed and len(self._begun) == len(self.core.lines) * len(self.first):
            self.owed = dict.fromkeys(self.first, max(self._begun.values()))

    def _numbers(self, feed: Feed) -> list[int]:
        numbers = [key_of(message) for message in self.got]
        require(len({*numbers}) == len(numbers), "a message came twice")
        given = self.too_large.intersection(numbers)
        require(not given, f"{sorted(given)[:5]} are too large, and came")
        for number, message in zip(numbers, self.got, strict=True):
            require(message.topic == feed.messages[number].topic, f"{number} is {message.topic!r}")
        return numbers

    def _require_order(self, numbers: list[int], told: list[bool]) -> None:
        """In the order of their keys, but for what a line brings while it asks for what is missing.

        That is in the order of each topic, and all else is newer as soon as it has got all of it.
        What others bring meanwhile is in the order of their keys, and is not lost for that, though
        it may be older.
        """
        newest, of = -1, dict[object, int]()
        for at, (number, message) in enumerate(zip(numbers, self.got, strict=True)):
            newest = max(newest, self.passed.get(at, -1))
            line = self.asking.get(number)
            if line is None:
                require(number > newest, f"{number} after {newest}")
                newest = number
                continue
            before = of.get((line, message.topic), -1)
            require(number > before, f"{message.topic!r}: {number} after {before}, from {line}")
            of[line, message.topic] = number


class OneOfTwo(ReadingWorld):
    """One of the publishers, with its workers.

    Args:
        which: of the two.
        readers: of both.

    Attributes:
        large_until: what is published from this message on is not too large for anybody.
    """

    def __init__(self, seed: int, which: int, readers: Sequence[Reader]) -> None:
        self.epoch = EPOCH + which
        self._is_limited, self.large_until = seed >= LIMITED_TWINS_FROM, math.inf
        super().__init__(seed)
        self._seed, self._which = seed, which
        self.readers = [*readers]

    def _reader(self, lines: int) -> Reader:
        most = BYTES_MAX if self._is_limited else MESSAGE_BYTES_MAX
        return MergingReader({*self.rng.choice(WANTS)}, 2 * lines, self.rng, most)

    def _publish_one(self, topic: bytes, *, is_keyframe: bool = False) -> bool:
        """Whatever it is asked for: what is the next for both."""
        chance = Random(f"{self._seed}, {self.writer.head}")
        topic = chance.choice(TOPICS)
        if self._is_limited:
            sizes = SIZES if self.writer.head < self.large_until else (0,)
            self._sizes = (chance.choice(sizes),)
        return super()._publish_one(topic)

    def _is_value(self, number: int) -> bool:
        return number % 19 > 0

    def _due(self, reader: Reader) -> list[int]:
        return reader.due(self.seconds, range(self._which, len(reader.core.lines), 2))

    def _observe(self, stack: ExitStack) -> None:
        """Of what workers say that they do nothing is noted: what comes in the end counts."""


class TwinWorld(OneOfTwo):
    """Both of them: what is done with the first one is done with the other one as often."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed, 0, ())
        self.readers = [self._reader(self.rng.choice((1, 1, 2)))]
        self.other = OneOfTwo(seed, 1, self.readers)
        self._line = self.other._line = 0, self.readers[0]

    def run(self, steps: int = STEPS) -> TwinWorld:
        super().run(2 * steps)
        self.resumed += self.other.resumed
        return self

    def close(self) -> None:
        self.other.close()
        super().close()

    def _begin(self) -> None:
        super()._begin()
        self.other._begin()
        self._be_calm(is_calm=True)
        for _ in range(self.rng.choice((0, CALM_BEGINNING, CALM_BEGINNING))):
            self._go_on(0.02)
        self._be_calm(is_calm=False)

    def _be_calm(self, *, is_calm: bool) -> None:
        for one in (self, self.other):
            one.is_calm = one.settling = is_calm

    def _actions(self) -> list[tuple[Any, int]]:
        mine, others = super()._actions(), self.other._actions()
        which, weights = zip(*others, strict=True)

        def beside() -> None:
            self.other.now = self.now
            (action,) = self.rng.choices(which, weights)
            action()
            self.now = max(self.now, self.other.now)

        return [*mine, (beside, sum(weights))]

    def _go_on(self, seconds: float) -> None:
        super()._go_on(seconds)
        self.other.now = self.now
        for worker in [*self.other.workers]:
            worker.real.idling.end_nap()
            worker.run(worker.real.tick)
        self.other._go_on(0.0)

    def _catch_up(self) -> None:
        both = self, self.other
        self._be_calm(is_calm=True)
        for one in both:
            for worker in one.workers:
                worker.fate.spare()  # type: ignore[attr-defined]
        for _ in range(CALM_TURNS):
            self._go_on(0.02)
            if all(one.coordinator.is_settled for one in both):
                break
        else:
            raise Violated("nobody goes on with those that are left")
        self._settle_all()
        head = max(one.writer.head for one in both)
        self.large_until = self.other.large_until = head
        for more in range(0, MORE + 1, AT_ONCE):
            for one in both:
                self._publish_up_to(one, head + more)
            self._settle_all()
        self._check({})

    def _check(self, newest: dict[bytes, int]) -> None:
        numbered = enumerate(self.history.messages) if self._is_limited else ()
        too_large = frozenset(number for number, one in numbered if is_too_large(one))
        for reader in self.readers:
            assert isinstance(reader, MergingReader)
            reader.too_large = too_large
        super()._check(newest)

    def _publish_up_to(self, one: ReadingWorld, head: int) -> None:
        one._rude = 0.0
        while one.writer.head < head:
            if not one._publish_one(b""):
                self._go_on(0.02)
