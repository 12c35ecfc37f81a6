"""Idling: a worker naps in a flood, unless somebody waits for it; who is behind may interrupt."""

from __future__ import annotations

import os
import select
from typing import TYPE_CHECKING, Any

import pytest

from fanout.basics.units import NS
from fanout.shm.credit import FREE, USED_UP, Credit
from fanout.shm.layout import W_SLEEPING, Layout
from fanout.shm.worker_slot import HOLDING, HOLDS, Tails, sleeper_byte
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

    def hold(self) -> None:
        """Somebody is at a limit."""
        self.idling.allow(7, USED_UP, is_final=True)

    def look(self) -> None:
        """As the publisher does."""
        self.log.writer.go_by(Tails(self.log.segment, 1).credit, 1, 1)

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


def test_while_the_publisher_goes_by_more_whoever_commits_rings(idle: Idle) -> None:
    """In each turn: it may have been missed."""
    slot, bell = idle.clock.slot, sleeper_byte(idle.log.segment, 0)
    idle.flood()
    numbers = []
    for step in (idle.hold, idle.idling.wake, idle.hold):
        bell[0] = 0
        step()
        assert (slot.words[W_SLEEPING] & HOLDS, bell[0], slot.holding) == (HOLDS, HOLDING, 7)
        numbers.append(slot.words[W_SLEEPING])
    assert len({*numbers}) == 3, "a bell is rung once for each number"
    assert slot.credit == USED_UP
    idle.idling.allow(8, USED_UP, is_final=True)
    assert slot.holding == 8, "the next one"

    idle.look()
    idle.idling.allow(8, USED_UP, is_final=True)
    assert (slot.words[W_SLEEPING], bell[0]) == (0, 0), "it has looked"
    assert idle.clock.rings == 0
    idle.clock.header.wanted = 1
    for _ in range(2):
        idle.idling.allow(0, FREE, is_final=True)
        assert (slot.holding, slot.credit, idle.clock.rings) == (0, FREE, 1), "once"
    idle.look()
    idle.idling.allow(0, FREE, is_final=True)
    assert idle.clock.rings == 1


def test_the_publisher_is_rung_for_more_credit_if_it_waits(idle: Idle) -> None:
    idle.idling.allow(0, Credit(sequence=1_500), is_final=True)
    idle.look()
    idle.idling.allow(0, Credit(sequence=1_600), is_final=True)
    assert (idle.clock.rings, idle.idling.is_awaited) == (0, False)
    idle.clock.header.wanted = 1  # it may have begun to wait behind that
    idle.idling.allow(0, Credit(sequence=1_600), is_final=True)
    assert (idle.clock.rings, idle.idling.is_awaited) == (1, True)
    idle.look()
    idle.idling.allow(0, Credit(sequence=1_600), is_final=True)
    assert idle.clock.rings == 1


def test_before_everybody_was_looked_at_there_is_no_more_credit(idle: Idle) -> None:
    slot = idle.clock.slot
    idle.idling.allow(0, Credit(sequence=1_500), is_final=True)
    idle.idling.allow(0, Credit(sequence=1_600, position=9_000), is_final=False)
    assert slot.credit == Credit(sequence=1_500, position=9_000)
    idle.idling.allow(0, Credit(sequence=1_600), is_final=True)
    assert slot.credit == Credit(sequence=1_600)


def test_when_it_sleeps_it_says_how_much_is_left(idle: Idle) -> None:
    idle.flood()
    slot, front = idle.clock.slot, idle.log.writer.head
    idle.idling.allow(0, Credit(sequence=front + 30), is_final=True)
    idle.look()
    for _ in range(2):
        idle.idling.allow(0, Credit(sequence=front + 30), is_final=True)
        assert slot.credit == Credit(sequence=front + 30), "while it is awake, up to where"
        assert idle.idling.sleep(front)
        assert slot.credit.is_left
        assert slot.credit.beyond(front, 0) == Credit(sequence=front + 30)


def test_while_nobody_rings_for_what_it_has_just_reported_it_says_up_to_where(idle: Idle) -> None:
    """What is wanted by that report counts, wherever the log is by the time it is heard."""
    slot, front = idle.clock.slot, idle.log.writer.head
    for is_heard in (False, True):
        idle.idling.allow(0, Credit(sequence=front + 30), is_final=True)
        idle.look()
        idle.idling.allow(0, Credit(sequence=front + 30), is_final=True)
        idle.clock.is_heard = is_heard
        assert idle.idling.sleep(front)
        assert slot.credit.is_left is is_heard


def test_of_what_came_before_it_slept_nothing_is_left(idle: Idle, monkeypatch: Any) -> None:
    """Whoever looks while it finds out that something came, or before it says that it is awake."""
    idle.flood()
    front, tails = idle.log.writer.head, Tails(idle.log.segment, 1)
    for _ in range(2):
        idle.idling.allow(0, Credit(sequence=front + 30), is_final=True)
        idle.look()
    idle.log.publish(b"A", b"came")
    head, seen = idle.clock.log.head, []

    def look() -> int:
        seen.append(tails.credit(front + 1, 0).sequence)
        return head()

    monkeypatch.setattr(idle.clock.log, "head", look)
    assert not idle.idling.sleep(front)
    look()
    assert max(seen) <= front + 30


def test_a_nap_ends_when_the_publisher_waits_for_credit(idle: Idle) -> None:
    idle.flood()
    idle.idling.allow(0, Credit(sequence=1 << 20), is_final=True)
    os.eventfd_write(idle.socket, 1)
    assert idle.nap()
    assert idle.clock.slept == [GATHER], "the bell rings, and it is awake"


def test_once_the_publisher_had_to_wait_for_credit_it_naps_less(idle: Idle) -> None:
    idle.flood()
    slept = []
    for wanted in (0, 1):
        idle.idling.allow(0, FREE, is_final=True)
        idle.clock.header.wanted = wanted
        idle.idling.allow(0, Credit(sequence=1_000 + 100), is_final=True)
        assert idle.nap()
        slept.append(sum(idle.clock.slept))
        idle.clock.slept.clear()
    assert slept[1] < 0.6 * slept[0]
