"""Rest: a worker naps in a flood, unless somebody waits for it; who is behind may interrupt."""

from __future__ import annotations

import os
import select
from typing import TYPE_CHECKING

import pytest

from fanout.shm.layout import Layout
from fanout.shm.slots import sleeper_byte, worker_slot
from tests.helpers.log import Log
from workers import rest as rests
from workers.naps import NAP, NS, WINDOW_NS
from workers.rest import Rest

if TYPE_CHECKING:
    from collections.abc import Iterator

NAP_SECONDS = 2 * WINDOW_NS / NS  # twice the work of the turn, which is what a window takes here


class Clock:
    """Time that stands still until somebody sleeps; naps are noted."""

    def __init__(self) -> None:
        self.now = NS
        self.slept: list[float] = []

    def monotonic_ns(self) -> int:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += int(seconds * NS)


class Resting:
    """A worker's rest, a flood of messages, and a socket that may have room."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.log = Log(Layout.for_options(1 << 20, 1))
        self.socket = os.eventfd(0)
        self.write_set = select.epoll()
        self.write_set.register(self.socket, select.EPOLLIN)
        segment = self.log.segment
        slot, sleeper = worker_slot(segment, 0), sleeper_byte(segment, 0)
        self.rest = Rest(slot, sleeper, self.log.reader, self.write_set)

    def nap(self, front: int, *, began: int, hurry: bool = False, blocked: bool = False) -> bool:
        return self.rest.nap(front, began, 1.0, hurry=hurry, blocked=blocked)

    def flood(self) -> None:
        """The rate of a flood: 1,000 messages in one window."""
        assert not self.nap(0, began=NS - 2 * WINDOW_NS)
        for _ in range(1_000):
            self.log.publish(b"A", b"flood")

    def close(self) -> None:
        self.write_set.close()
        os.close(self.socket)
        self.log.segment.close()


@pytest.fixture
def resting(monkeypatch: pytest.MonkeyPatch) -> Iterator[Resting]:
    clock = Clock()
    monkeypatch.setattr(rests, "time", clock)
    resting = Resting(clock)
    yield resting
    resting.close()


@pytest.mark.parametrize("hurry", [False, True])
def test_in_a_flood_it_naps_unless_it_is_in_a_hurry(resting: Resting, hurry: bool) -> None:
    resting.flood()

    napped = resting.nap(1_000, began=NS - WINDOW_NS, hurry=hurry)

    slept = resting.clock.slept
    assert napped is not hurry
    assert slept == ([] if hurry else [pytest.approx(NAP_SECONDS, rel=1)])
    assert all(seconds >= NAP for seconds in slept)
    assert not resting.rest.is_napping(resting.clock.now)


def test_a_socket_with_room_interrupts_a_nap_and_does_not_end_it(resting: Resting) -> None:
    resting.flood()
    os.eventfd_write(resting.socket, 1)

    assert resting.nap(1_000, began=NS - WINDOW_NS, blocked=True)

    assert resting.clock.slept == []
    assert resting.rest.is_napping(resting.clock.now)
    resting.clock.now += WINDOW_NS // 10
    assert resting.nap(1_000, began=resting.clock.now, blocked=False), "what is left of it"
    assert not resting.rest.is_napping(resting.clock.now)
    assert resting.clock.now - NS == pytest.approx(NAP_SECONDS * NS, rel=1)


def test_a_nap_that_is_over_when_its_interruption_is_dealt_with_is_not_followed_by_another(
    resting: Resting,
) -> None:
    """New messages have waited for as long as they shall."""
    resting.flood()
    os.eventfd_write(resting.socket, 1)
    assert resting.nap(1_000, began=NS - WINDOW_NS, blocked=True)
    began = resting.clock.now
    resting.clock.now += 3 * WINDOW_NS

    assert not resting.nap(1_000, began=began, blocked=True)


def test_a_hurry_ends_a_nap_that_was_interrupted(resting: Resting) -> None:
    resting.flood()
    os.eventfd_write(resting.socket, 1)
    assert resting.nap(1_000, began=NS - WINDOW_NS, blocked=True)

    assert not resting.nap(1_000, began=resting.clock.now, hurry=True)

    assert not resting.rest.is_napping(resting.clock.now)


def test_nobody_blocked_sleeps_through_whatever_the_sockets_say(resting: Resting) -> None:
    resting.flood()
    os.eventfd_write(resting.socket, 1)

    assert resting.nap(1_000, began=NS - WINDOW_NS)

    assert len(resting.clock.slept) == 1
