"""Records are renewed as soon as they are in the way: of the publisher, or of much of the log."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fanout.shm.layout import PAGE, Layout
from fanout.workers.connections.records import KEPT_PART, SHARED_BYTES, TURNS_PER_LOOK
from fanout.workers.tuning import TUNING
from tests.helpers.taking_over import TakingOver

if TYPE_CHECKING:
    from collections.abc import Iterator

LAYOUT = Layout(64 * PAGE, 1024, 16)
HEARTY = bytes(1000)


@pytest.fixture
def one() -> Iterator[TakingOver]:
    """A worker, over a log of 256 KiB, with two subscribers who keep up; there are no ticks."""
    taking = TakingOver(LAYOUT, TUNING, workers=1, buffer=1 << 20)
    (worker,) = taking.workers
    for _ in range(2):
        taking.connect([b""], worker, receive=1 << 20)
    yield taking
    taking.close()


def test_nothing_is_renewed_while_nothing_is_in_the_way(one: TakingOver) -> None:
    (worker,) = one.workers
    slot = one.around(worker).slot
    before = slot.resume
    for _ in range(4 * TURNS_PER_LOOK):
        one.publish(b"A", b"little")
        one.turn(worker)

    assert (slot.resume, slot.tail) == (before, before + 4 * TURNS_PER_LOOK)


def test_records_that_keep_much_of_the_log_are_renewed_within_some_turns(one: TakingOver) -> None:
    (worker,) = one.workers
    slot = one.around(worker).slot
    while slot.tail * len(HEARTY) <= LAYOUT.data_bytes // KEPT_PART:
        one.publish(b"A", HEARTY)
        one.turn(worker)
    for _ in range(TURNS_PER_LOOK):
        one.turn(worker)

    assert slot.resume * len(HEARTY) > LAYOUT.data_bytes // KEPT_PART // 2
    for subscriber in one.subscribers.values():
        assert one.record_of(subscriber).needed >= slot.resume


def test_those_that_a_publisher_waits_for_are_renewed_at_once_and_it_is_rung(
    one: TakingOver,
) -> None:
    (worker,) = one.workers
    around = one.around(worker)
    slot, rings = around.slot, around.rings
    one.publish(b"A", b"little")
    one.turn(worker)
    before = slot.resume
    around.header.wanted = slot.tail
    one.turn(worker)

    assert before < slot.tail == slot.resume
    assert around.rings == rings + 1


def test_what_the_records_of_many_point_to_is_stored_once_if_it_is_short(one: TakingOver) -> None:
    (worker,) = one.workers
    stored_of = worker.desk.records._stored_of
    first, again, other = stored_of(b"the same"), stored_of(b"the same"), stored_of(b"another")
    long = bytes(SHARED_BYTES + 1)

    assert first is again
    assert other.offset != first.offset
    assert stored_of(long) is not stored_of(long)
