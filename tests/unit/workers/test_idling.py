"""Idling: a worker naps in a flood, unless somebody waits for it; who is behind may interrupt."""

from __future__ import annotations

import os
import select
from functools import partial
from typing import TYPE_CHECKING

import pytest

from fanout.basics.units import NS
from fanout.shm.layout import W_SLEEPING, Layout
from fanout.shm.worker_slot import HOLDS, sleeper_byte
from fanout.workers.idling import GATHER, Idling
from fanout.workers.naps import WINDOW_NS
from tests.helpers.around import Around

if TYPE_CHECKING:
    from collections.abc import Iterator

WORK_NS = 1_000_000  # of a turn: it naps twice as long, so that it is a third of the time at work
NAP_SECONDS = 0.002


class Idle:
    """A worker that idles, a flood of messages, and a socket that may have room."""

    def __init__(self) -> None:
        self.clock = Around(Layout.for_options(1 << 20, 1))
        self.log = self.clock.written
        self.socket = os.eventfd(0)
        self.write_set = select.epoll()
        self.write_set.register(self.socket, select.EPOLLIN)
        self.idling = Idling(self.clock, self.write_set)

    def flood(self) -> None:
        """Naps are due from now on: 1,000 messages came in one window."""
        self.idling.nap(0, NS - WINDOW_NS, 1.0, hurry=False, blocked=False)
        for _ in range(1_000):
            self.log.publish(b"A", b"flood")
        self.idling.nap(1_000, NS, 1.0, hurry=True, blocked=False)
        assert self.clock.slept == []

    def nap(self, *, hurry: bool = False, blocked: bool = False) -> bool:
        """At the end of a turn that took WORK_NS."""
        began = self.clock.time - WORK_NS
        return self.idling.nap(1_000, began, 1.0, hurry=hurry, blocked=blocked)

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
def idle() -> Iterator[Idle]:
    idle = Idle()
    yield idle
    idle.close()


@pytest.mark.parametrize("blocked", [False, True])
def test_in_a_flood_it_naps(idle: Idle, blocked: bool) -> None:
    idle.flood()

    assert idle.nap(blocked=blocked)

    assert sum(idle.clock.slept) == pytest.approx(NAP_SECONDS)
    assert not idle.idling.is_napping(idle.clock.now())


def test_a_nap_after_the_last_turn_of_a_round_is_as_long_as_the_whole_round_demands(
    idle: Idle,
) -> None:
    idle.flood()
    idle.idling.put_off(idle.clock.time - 2 * WORK_NS)
    idle.idling.put_off(idle.clock.time - 3 * WORK_NS // 2)

    assert idle.nap()
    long = sum(idle.clock.slept)
    idle.clock.slept.clear()
    assert idle.nap(), "after a round that took one turn"

    assert (long, sum(idle.clock.slept)) == pytest.approx((2 * NAP_SECONDS, NAP_SECONDS))


def test_without_a_flood_or_in_a_hurry_it_does_not(idle: Idle) -> None:
    calm = idle.nap()
    idle.flood()

    assert (calm, idle.nap(hurry=True)) == (False, False)
    assert idle.clock.slept == []


def test_a_socket_with_room_interrupts_a_nap_and_does_not_end_it(idle: Idle) -> None:
    idle.flood()
    idle.interrupted()

    assert idle.idling.is_napping(idle.clock.now())
    assert idle.nap()
    assert sum(idle.clock.slept) == pytest.approx(NAP_SECONDS)
    assert not idle.idling.is_napping(idle.clock.now())


def test_a_nap_that_is_over_when_its_interruption_is_dealt_with_is_not_followed_by_another(
    idle: Idle,
) -> None:
    """New messages have waited for as long as they shall."""
    idle.flood()
    idle.interrupted()
    idle.clock.time += round(NAP_SECONDS * NS)

    assert not idle.nap(blocked=True)
    assert idle.nap(blocked=True), "after a turn that sent them"


def test_new_messages_or_a_hurry_end_a_nap_that_was_interrupted(idle: Idle) -> None:
    idle.flood()
    idle.interrupted()
    idle.idling.end_nap()
    by_messages = idle.idling.is_napping(idle.clock.now())
    idle.clock.slept.clear()
    idle.interrupted()

    assert not idle.nap(hurry=True)
    assert (by_messages, idle.idling.is_napping(idle.clock.now())) == (False, False)


def test_nobody_blocked_sleeps_through_whatever_the_sockets_say(idle: Idle) -> None:
    idle.flood()
    os.eventfd_write(idle.socket, 1)

    assert idle.nap()

    assert idle.clock.slept == [pytest.approx(NAP_SECONDS)]


def test_while_it_holds_the_publisher_up_whoever_commits_rings(idle: Idle) -> None:
    """In each turn and in naps too: it may have been missed."""
    slot, bell = idle.clock.slot, sleeper_byte(idle.log.segment, 0)
    idle.flood()
    numbers = []
    for step in (partial(idle.idling.hold, 7), idle.idling.wake, idle.nap):
        bell[0] = 0
        step()
        assert (slot.words[W_SLEEPING] & HOLDS, bell[0], slot.holding) == (HOLDS, 1, 7)
        numbers.append(slot.words[W_SLEEPING])
    assert len({*numbers}) == 3, "a bell is rung once for each number"
    assert idle.clock.rings == 0
    idle.idling.hold(8)
    assert slot.holding == 8, "the next one"

    idle.idling.hold(0)
    idle.idling.wake()
    assert (slot.words[W_SLEEPING], bell[0], idle.clock.rings) == (0, 0, 1)
    assert slot.holding == 0
    idle.idling.hold(0)
    assert idle.clock.rings == 1
