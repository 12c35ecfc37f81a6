"""Rest: a worker naps in a flood, unless somebody waits for it; who is behind may interrupt."""

from __future__ import annotations

import os
import select
from typing import TYPE_CHECKING

import pytest

from fanout._units import NS
from fanout.shm.layout import Layout
from fanout.workers.naps import WINDOW_NS
from fanout.workers.rest import GATHER, Rest
from tests.helpers.around import Around

if TYPE_CHECKING:
    from collections.abc import Iterator

WORK_NS = 1_000_000  # of a turn: it naps twice as long, so that it is a third of the time at work
NAP_SECONDS = 0.002


class Resting:
    """A worker's rest, a flood of messages, and a socket that may have room."""

    def __init__(self) -> None:
        self.clock = Around(Layout.for_options(1 << 20, 1))
        self.log = self.clock.written
        self.socket = os.eventfd(0)
        self.write_set = select.epoll()
        self.write_set.register(self.socket, select.EPOLLIN)
        self.rest = Rest(self.clock, self.write_set)

    def flood(self) -> None:
        """Naps are due from now on: 1,000 messages came in one window."""
        self.rest.nap(0, NS - WINDOW_NS, 1.0, hurry=False, blocked=False)
        for _ in range(1_000):
            self.log.publish(b"A", b"flood")
        self.rest.nap(1_000, NS, 1.0, hurry=True, blocked=False)
        assert self.clock.slept == []

    def nap(self, *, hurry: bool = False, blocked: bool = False) -> bool:
        """At the end of a turn that took WORK_NS."""
        began = self.clock.time - WORK_NS
        return self.rest.nap(1_000, began, 1.0, hurry=hurry, blocked=blocked)

    def interrupted(self) -> None:
        """Nap, and be interrupted as soon as that is possible."""
        os.eventfd_write(self.socket, 1)
        assert self.nap(blocked=True)
        assert self.clock.slept == [GATHER]
        os.eventfd_read(self.socket)

    def close(self) -> None:
        self.write_set.close()
        os.close(self.socket)
        self.clock.close()


@pytest.fixture
def resting() -> Iterator[Resting]:
    resting = Resting()
    yield resting
    resting.close()


@pytest.mark.parametrize("blocked", [False, True])
def test_in_a_flood_it_naps(resting: Resting, blocked: bool) -> None:
    resting.flood()

    assert resting.nap(blocked=blocked)

    assert sum(resting.clock.slept) == pytest.approx(NAP_SECONDS)
    assert not resting.rest.is_napping(resting.clock.now())


def test_a_nap_after_the_last_turn_of_a_round_is_as_long_as_the_whole_round_demands(
    resting: Resting,
) -> None:
    resting.flood()
    resting.rest.put_off(resting.clock.time - 2 * WORK_NS)
    resting.rest.put_off(resting.clock.time - 3 * WORK_NS // 2)

    assert resting.nap()
    long = sum(resting.clock.slept)
    resting.clock.slept.clear()
    assert resting.nap(), "after a round that took one turn"

    assert (long, sum(resting.clock.slept)) == pytest.approx((2 * NAP_SECONDS, NAP_SECONDS))


def test_without_a_flood_or_in_a_hurry_it_does_not(resting: Resting) -> None:
    calm = resting.nap()
    resting.flood()

    assert (calm, resting.nap(hurry=True)) == (False, False)
    assert resting.clock.slept == []


def test_a_socket_with_room_interrupts_a_nap_and_does_not_end_it(resting: Resting) -> None:
    resting.flood()
    resting.interrupted()

    assert resting.rest.is_napping(resting.clock.now())
    assert resting.nap()
    assert sum(resting.clock.slept) == pytest.approx(NAP_SECONDS)
    assert not resting.rest.is_napping(resting.clock.now())


def test_a_nap_that_is_over_when_its_interruption_is_dealt_with_is_not_followed_by_another(
    resting: Resting,
) -> None:
    """New messages have waited for as long as they shall."""
    resting.flood()
    resting.interrupted()
    resting.clock.time += round(NAP_SECONDS * NS)

    assert not resting.nap(blocked=True)
    assert resting.nap(blocked=True), "after a turn that sent them"


def test_new_messages_or_a_hurry_end_a_nap_that_was_interrupted(resting: Resting) -> None:
    resting.flood()
    resting.interrupted()
    resting.rest.end_nap()
    by_messages = resting.rest.is_napping(resting.clock.now())
    resting.clock.slept.clear()
    resting.interrupted()

    assert not resting.nap(hurry=True)
    assert (by_messages, resting.rest.is_napping(resting.clock.now())) == (False, False)


def test_nobody_blocked_sleeps_through_whatever_the_sockets_say(resting: Resting) -> None:
    resting.flood()
    os.eventfd_write(resting.socket, 1)

    assert resting.nap()

    assert resting.clock.slept == [pytest.approx(NAP_SECONDS)]
