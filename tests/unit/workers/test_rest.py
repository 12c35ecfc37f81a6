"""Rest: a worker naps in a flood, never for long, and not while it has enough to send."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fanout.shm.layout import Layout
from fanout.shm.slots import sleeper_byte, worker_slot
from tests.helpers.log import Log
from workers import rest as rests
from workers.rest import NAP, NAP_MAX, NAPS_MAX, NS, SEND_BYTES, Rest

if TYPE_CHECKING:
    from collections.abc import Iterator

TURN_NS = 1_000_000  # from one turn's begin to the next one's


class Clock:
    """Time that passes in naps only."""

    def __init__(self) -> None:
        self.now = NS
        self.slept: list[float] = []

    def monotonic_ns(self) -> int:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)


class Sleeper:
    """A worker's rest, with a log of its own and a clock."""

    def __init__(self, clock: Clock) -> None:
        self.log = Log(Layout.for_options(16 << 20, 1))
        self.clock = clock
        segment = self.log.segment
        self.rest = Rest(worker_slot(segment, 0), sleeper_byte(segment, 0))
        self.front = 0

    def turn(
        self,
        arrived: int,
        *,
        size: int = 100,
        work_ns: int = 0,
        waiting: int = 0,
        share: float = 1.0,
    ) -> float:
        """Send what arrived since the last turn, and rest; returns how long it napped.

        Args:
            waiting: bytes of a further message that has arrived meanwhile.
        """
        assert self.log.writer.head == self.front, "a turn sends all there is"
        for _ in range(arrived):
            self.log.publish(b"A", bytes(size))
        self.front += arrived
        self.clock.now += TURN_NS
        began = self.clock.now
        self.clock.now += work_ns
        if waiting:
            self.log.publish(b"A", bytes(waiting))
        before = len(self.clock.slept)
        napped = self.rest.nap(self.log.reader, self.front, began, share)
        self.clock.now = began
        assert napped == (len(self.clock.slept) > before)
        return self.clock.slept[-1] if napped else 0.0


@pytest.fixture
def sleeper(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sleeper]:
    clock = Clock()
    monkeypatch.setattr(rests, "time", clock)
    sleeper = Sleeper(clock)
    sleeper.turn(1)  # the first one knows no rate yet
    yield sleeper
    sleeper.log.segment.close()


def test_below_a_flood_nobody_naps(sleeper: Sleeper) -> None:
    assert sleeper.turn(50) == 0


def test_naps_grow_with_the_rate(sleeper: Sleeper) -> None:
    assert sleeper.turn(51) == pytest.approx(NAP)
    assert sleeper.turn(300) == pytest.approx(3 * NAP)
    assert sleeper.turn(2_000, size=0) == pytest.approx(NAPS_MAX * NAP)


def test_who_works_much_naps_twice_as_long_but_not_for_ever(sleeper: Sleeper) -> None:
    assert sleeper.turn(60, work_ns=900_000) == pytest.approx(0.0018)
    assert sleeper.turn(60, work_ns=50_000_000) == NAP_MAX


def test_a_nap_ends_when_there_is_enough_to_send(sleeper: Sleeper) -> None:
    at_once = sleeper.turn(60, size=2 * SEND_BYTES // 60, work_ns=NS)

    assert at_once == pytest.approx(0.0005, rel=0.01), "half a millisecond brings 256 KiB"


def test_who_has_enough_to_send_does_not_nap(sleeper: Sleeper) -> None:
    assert sleeper.turn(60, waiting=SEND_BYTES) == 0


def test_where_a_send_carries_little_of_the_log_more_may_accumulate(sleeper: Sleeper) -> None:
    assert sleeper.turn(60, waiting=SEND_BYTES, share=0.01) == pytest.approx(NAP)
