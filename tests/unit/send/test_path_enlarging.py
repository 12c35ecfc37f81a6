"""More workers: a send path that is told of one looks at what it needs, and rings it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from fanout.coordinator.interest import Interest
from fanout.errors import NestedSendError, PoisonedError
from fanout.send.attempt import NO_SPACE
from fanout.send.path import SendPath
from fanout.shm.bells import Bell
from fanout.shm.doorbell import Doorbell
from fanout.shm.segment import Segment
from fanout.shm.worker_slot import NO_TAIL, WorkerSlot
from tests.helpers.log import SMALL

if TYPE_CHECKING:
    from collections.abc import Iterator

TOPIC = b"t"
WIRE = bytes(100)


class Growing:
    """A send path over a log, of which workers know more and more."""

    def __init__(self) -> None:
        self.segment = Segment.create(SMALL)
        self.doorbells = [Doorbell(), Doorbell(), Doorbell()]
        self.slots = [WorkerSlot(self.segment, 0), WorkerSlot(self.segment, 1)]
        for slot in self.slots:
            slot.release()
        self.bells = [Bell(self.segment, i, bell) for i, bell in enumerate(self.doorbells[:2])]
        self.interest = Interest()
        self.path = SendPath(self.segment, self.bells[:1], self.doorbells[2], self.interest, 16)

    def send(self) -> None:
        """One message; it must have room."""
        assert self.path.append(WIRE, self.path.intern(TOPIC)) != NO_SPACE

    def fill(self) -> bool:
        """Send until there is no room; returns whether that ever was so."""
        for _ in range(4 * SMALL.data_bytes // len(WIRE)):
            if not self.path.make_room(len(WIRE), 1):
                return True
            self.send()
        return False

    def close(self) -> None:
        for bell in self.doorbells:
            bell.close()
        self.segment.close()


@pytest.fixture
def growing() -> Iterator[Growing]:
    one = Growing()
    yield one
    one.close()


def test_what_a_new_worker_needs_is_kept_from_when_the_send_path_knows_it(growing: Growing) -> None:
    growing.slots[0].tail = NO_TAIL
    assert not growing.fill(), "nobody needs anything"
    growing.path.enlarge(growing.bells)
    growing.slots[1].tail = growing.path.log.head
    assert growing.fill()
    growing.slots[1].tail = NO_TAIL
    assert growing.path.make_room(len(WIRE), 1)


def test_a_new_worker_that_is_in_the_way_is_rung(growing: Growing) -> None:
    growing.path.enlarge(growing.bells)
    growing.slots[1].tail = growing.path.log.head
    growing.doorbells[1].clear()
    assert growing.fill()
    assert growing.doorbells[1].wait(0.0)


def test_fewer_are_never_known_than_before(growing: Growing) -> None:
    growing.path.enlarge(growing.bells)
    growing.path.enlarge(growing.bells[:1])
    growing.slots[1].tail = growing.path.log.head
    assert growing.fill()


def test_nobody_is_added_in_the_middle_of_a_send(growing: Growing) -> None:
    with pytest.raises(NestedSendError):
        growing.path._locked(lambda: growing.path.enlarge(growing.bells))
    assert len(growing.path.bells) == 1
    growing.path.enlarge(growing.bells)
    assert len(growing.path.bells) == 2


def test_nor_while_a_thread_that_was_interrupted_has_left_it_locked(
    growing: Growing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fanout.send.lock.LOCK_LOOK", 0.01)
    thread = threading.Thread(target=growing.path._lock.current.acquire)
    thread.start()
    thread.join()
    with pytest.raises(PoisonedError):
        growing.path.enlarge(growing.bells)
    growing.path.recover()
    growing.path.enlarge(growing.bells)
    assert len(growing.path.bells) == 2
