"""Credit: how far the publisher may go, as words and as amounts, and who has said what."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fanout.shm import layout as at
from fanout.shm.bells import Bell
from fanout.shm.credit import FREE, USED_UP, Credit, least, read_credit, write_credit
from fanout.shm.doorbell import Doorbell
from fanout.shm.header import Header
from fanout.shm.log import NO_SPACE, LogWriter
from fanout.shm.segment import Segment
from fanout.shm.worker_slot import HOLDS, NO_TAIL, Tails, WorkerSlot
from tests.helpers.log import SMALL

if TYPE_CHECKING:
    from collections.abc import Iterator

WIRE = bytes(100)
MOST = SMALL.entries // 4  # that go without another look
SOME = Credit(10, 2_000)


class Two:
    """A log, and two workers that may say how far it goes."""

    def __init__(self) -> None:
        self.segment = Segment.create(SMALL)
        self.slots = [WorkerSlot(self.segment, index) for index in range(2)]
        for slot in self.slots:
            slot.release()
        self.tails = Tails(self.segment, 2)
        self.log = LogWriter(self.segment)
        self.header = Header(self.segment)

    def look(self, size: int = len(WIRE), count: int = 1) -> None:
        self.log.go_by(self.tails.credit, size, count)
        self.log.refresh(self.tails.read())

    def fill(self) -> int:
        """How many messages go now, without another look; with no bound a quarter of the log."""
        for number in range(SMALL.entries):
            if self.log.append(WIRE, 0) == NO_SPACE:
                return number
        return SMALL.entries


@pytest.fixture
def two() -> Iterator[Two]:
    one = Two()
    yield one
    one.segment.close()


@pytest.mark.parametrize("credit", [FREE, USED_UP, SOME, Credit(position=7), Credit(sequence=7)])
def test_what_is_written_is_read(credit: Credit) -> None:
    words = memoryview(bytearray(4 * at.WORD)).cast("Q")
    assert read_credit(words, 1) == FREE, "nobody has written any"
    write_credit(words, 1, credit)
    assert read_credit(words, 1) == credit


def test_the_least_of_each_counts() -> None:
    assert least(()) == FREE
    assert least((SOME, Credit(20, 1_000), FREE)) == Credit(10, 1_000)
    assert least((SOME._replace(room=7), SOME._replace(room=5))).room == 5
    assert SOME.reaches(Credit(10, 1_999), 0)
    assert not SOME.reaches(Credit(11, 0), 0)
    assert not SOME.reaches(Credit(0, 2_001), 0)


def test_room_that_is_behind_is_nothing_to_be_taken_back() -> None:
    more = SOME._replace(room=500)
    assert more.reaches(SOME, 0)
    assert not SOME.reaches(more, 499)
    assert SOME.reaches(more, 500)


def test_up_to_where_sockets_take_it_nothing_else_counts() -> None:
    some = SOME._replace(room=5_000)
    assert some.allows(11, 4_999)
    assert not some.allows(11, 5_000)
    assert not some.unserved().allows(11, 4_999)
    assert some.unserved().allows(9, 1_999)
    assert FREE.unserved() == FREE
    assert some.left_at(0, 1_000).unserved() == USED_UP


def test_what_is_left_of_it_is_as_much_from_anywhere() -> None:
    left = SOME.left_at(4, 500)
    assert left.is_left
    assert not SOME.is_left
    assert left.beyond(4, 500) == SOME
    assert left.beyond(104, 1_500) == Credit(110, 3_000)
    more = SOME._replace(room=600)
    assert more.left_at(4, 500).beyond(4, 500) == more
    assert more.left_at(4, 500).beyond(9, 900).room == 1_000
    assert Credit(sequence=10).left_at(4, 500).beyond(4, 500) == Credit(sequence=10)
    assert not USED_UP.left_at(4, 500).beyond(9, 900).allows(9, 900)
    assert not FREE.left_at(4, 500).is_left


def test_no_message_goes_beyond_it_until_there_is_more(two: Two) -> None:
    head = two.log.head
    two.slots[0].credit = Credit(sequence=head + 5)
    two.slots[1].credit = Credit(sequence=head + 3)
    two.look()
    assert two.header.known_credit == two.slots[1].credit
    assert two.fill() == 3
    two.look()
    assert two.fill() == 0
    two.slots[1].credit = FREE
    assert two.fill() == 0, "nobody has looked"
    two.look()
    assert two.fill() == 2
    two.slots[0].release()
    two.look()
    assert two.fill() == MOST


def test_beyond_it_goes_what_sockets_take(two: Two) -> None:
    slot, size = two.slots[0], len(WIRE)
    two.look()
    two.log.append(WIRE, 0)
    slot.credit = Credit(two.log.head + 3, two.log.position + 3 * size, two.log.position + 5 * size)
    two.look()
    assert two.fill() == 5
    slot.credit = slot.credit._replace(sequence=two.log.head + 2, position=two.log.position + 999)
    two.look()
    assert two.fill() == 2, "no room is left"


def test_bytes_are_a_bound_as_well_and_the_message_at_it_goes(two: Two) -> None:
    two.slots[0].credit = Credit(position=two.log.position + 250)
    sent = 0
    for _ in range(5):
        two.look()
        sent += two.log.append(WIRE, 0) != NO_SPACE
    assert sent == 3


def test_a_call_is_not_cut_and_goes_if_there_is_any(two: Two) -> None:
    two.slots[0].credit = Credit(two.log.head + 1, two.log.position + 1)
    two.look(9 * len(WIRE), 9)
    assert two.log.append_batch([WIRE] * 9, [0] * 9) != NO_SPACE
    two.look(9 * len(WIRE), 9)
    assert two.log.append_batch([WIRE] * 9, [0] * 9) == NO_SPACE


def test_what_is_taken_back_while_somebody_looks_is_seen(two: Two) -> None:
    """He writes what he goes by, and looks again; who takes back does so the other way round."""
    looks = []

    def credit(head: int, position: int) -> Credit:
        looks.append(two.header.known_credit)
        return two.tails.credit(head, position) if len(looks) > 1 else FREE

    two.slots[0].credit = Credit(sequence=two.log.head + 2)
    two.header.words[at.H_KNOWN_CREDIT] = 77
    two.log.go_by(credit, len(WIRE), 1)
    two.log.refresh(two.tails.read())
    assert [one.sequence for one in looks] == [77, FREE.sequence]
    assert two.fill() == 2


@pytest.mark.parametrize("steps", [(0, 9), (0, 3, 9), (0, 3, 6, 9)])
def test_what_is_given_while_somebody_looks_is_gone_by_only_as_far_as_he_has_written(
    two: Two, steps: tuple[int, ...]
) -> None:
    """Else who takes it back would not see that it is gone by."""
    two.look()
    two.log.append(WIRE, 0)
    head, more = two.log.head, list(steps)

    def credit(_head: int, _position: int) -> Credit:
        return Credit(sequence=head + (more.pop(0) if len(more) > 1 else more[0]))

    two.log.go_by(credit, len(WIRE), 1)
    two.log.refresh(two.tails.read())
    went = two.fill()
    assert went > 0
    assert two.header.known_credit.sequence >= head + went


def test_of_who_sleeps_it_is_so_much_from_the_head_on_until_he_is_rung(two: Two) -> None:
    slot, doorbell = two.slots[0], Doorbell()
    bell = Bell(two.segment, 0, doorbell)
    slot.credit = Credit(two.log.head + 5, two.log.position + 10_000).left_at(
        two.log.head, two.log.position
    )
    slot.fall_asleep(1)
    for _ in range(3):
        two.look()
        assert two.fill() == 5, "he wants nothing of that"
    bell.wake()
    two.look()
    assert two.fill() == 0, "he was rung for something, and has not said what is left then"
    slot.wake()
    slot.fall_asleep(2)
    two.look()
    assert two.fill() == 5
    slot.wake()
    two.look()
    assert two.fill() == 0, "nor when he has begun to look by himself"
    doorbell.close()


def test_who_is_told_to_look_finds_what_was_taken_back(two: Two) -> None:
    two.look()
    two.slots[0].credit = USED_UP
    assert two.log.fits(len(WIRE), 1)
    two.slots[0].fall_asleep(1 | HOLDS)
    bell = Bell(two.segment, 0, Doorbell())
    bell.hold = two.log.hold
    bell.wake()
    assert two.fill() == 0
    bell.doorbell.close()


@pytest.mark.parametrize("when", ["first look", "second look", "look at the tails", "in the end"])
def test_who_takes_credit_back_while_another_thread_looks_is_not_overlooked(
    two: Two, when: str
) -> None:
    """As the coordinator does for those whom nobody serves any more: no look comes after that."""
    size, slot = len(WIRE), two.slots[0]
    slot.credit = Credit(two.log.head + 2, two.log.position + 2 * size, room=50 * size)
    looks: list[str] = []

    def take_back_in(name: str) -> None:
        looks.append(name)
        if when == name:
            two.header.hold_back(NO_TAIL, slot.credit.unserved())
            slot.release()
            two.log.hold()

    def credit(head: int, position: int) -> Credit:
        found = two.tails.credit(head, position)
        take_back_in("second look" if looks else "first look")
        return found

    def tails() -> list[int]:
        take_back_in("look at the tails")
        return two.tails.read()

    two.log.go_by(credit, size, 1)
    two.log.refresh(two.tails.read(), tails)
    take_back_in("in the end")
    assert two.log.is_stale
    assert two.fill() == 0, "its sockets have room, but nobody hands them anything"
    two.look()
    assert two.fill() == 2


def test_the_coordinator_says_it_for_those_whom_nobody_serves(two: Two) -> None:
    two.slots[0].credit = held = Credit(sequence=two.log.head + 2)
    two.header.hold_back(NO_TAIL, held)
    two.slots[0].release()
    two.look()
    assert two.header.credit == held
    assert two.fill() == 2
    two.look()
    assert two.fill() == 0
    two.header.hold_back(NO_TAIL, FREE)
    two.look()
    assert two.fill() == MOST
