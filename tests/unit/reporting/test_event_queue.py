"""A queue of events: bounded, in order, and what is missing is counted where it is missing."""

from __future__ import annotations

import threading
from queue import Empty

import pytest

from fanout.events import Event, EventKind
from fanout.reporting import event_queue
from fanout.reporting.event_queue import EventQueue
from tests.helpers.waiting import DEADLINE_S, wait_until


def numbered(number: int) -> Event:
    return Event(EventKind.SUBSCRIBER_CONNECTED, subscriber=number)


def taken(queue: EventQueue) -> list[int | None]:
    """The numbers of what can be read now; what is missing as its count below 0."""
    found: list[int | None] = []
    while True:
        try:
            one = queue.take_now()
        except Empty:
            return found
        if one is None:
            return [*found, None]
        assert isinstance(one, Event)
        found.append(-one.lost if one.kind is EventKind.EVENTS_LOST else one.subscriber)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> EventQueue:
    monkeypatch.setattr(event_queue, "EVENTS_MAX", 4)
    monkeypatch.setattr(event_queue, "EVENTS_RESUME", 2)
    return EventQueue()


def test_what_is_put_is_read_once_in_its_order_and_then_the_end() -> None:
    queue = EventQueue()
    for number in range(3):
        queue.put(numbered(number))
    queue.end()

    assert taken(queue) == [0, 1, 2, None]
    assert taken(queue) == [None]


def test_what_nobody_reads_has_a_bound_and_its_loss_a_place(small: EventQueue) -> None:
    for number in range(10):
        small.put(numbered(number))
    first = [small.take_now() for _ in range(3)]
    for number in range(10, 12):
        small.put(numbered(number))

    assert [one.subscriber for one in first if isinstance(one, Event)] == [0, 1, 2]
    assert taken(small) == [3, -6, 10, 11]


def test_what_was_lost_last_is_told_although_nothing_follows(small: EventQueue) -> None:
    for number in range(6):
        small.put(numbered(number))

    assert taken(small) == [0, 1, 2, 3, -2]
    assert taken(small) == []


def test_a_loss_before_the_end_is_told_before_the_end(small: EventQueue) -> None:
    for number in range(6):
        small.put(numbered(number))
    small.end()

    assert taken(small) == [0, 1, 2, 3, -2, None]


def test_one_that_is_waited_for_comes_to_one_of_those_who_wait() -> None:
    queue = EventQueue()
    got: list[Event | str | None] = []
    threads = [threading.Thread(target=lambda: got.append(queue.take(DEADLINE_S))) for _ in "abc"]
    for thread in threads:
        thread.start()
    wait_until(lambda: len(queue._wakers) == 3, "all wait")

    queue.put(numbered(1))
    wait_until(lambda: got, "one has it")
    queue.end()
    for thread in threads:
        thread.join(DEADLINE_S)

    assert got == [numbered(1), None, None]


def test_who_waits_too_long_is_told_so_and_nothing_is_left_of_the_waiting() -> None:
    queue = EventQueue()

    with pytest.raises(TimeoutError, match=r"within 0\.01 s"):
        queue.take(0.01)
    assert not queue._wakers
    queue.put(numbered(1))
    assert queue.take(0) == numbered(1)


def test_who_is_done_reads_nothing_more_and_nothing_is_kept_for_it() -> None:
    queue = EventQueue()
    queue.put(numbered(1))
    queue.close()

    assert queue.is_closed
    assert taken(queue) == [None]
    assert queue._waiting.empty()


def test_two_threads_lose_count_of_nothing(small: EventQueue) -> None:
    """One puts as fast as it can, the other reads: all are read or counted, in their order."""
    put = 5_000

    def write() -> None:
        for number in range(put):
            small.put(numbered(number))
        small.end()

    writer = threading.Thread(target=write)
    writer.start()
    seen: list[int] = []
    lost = 0
    while (one := small.take(DEADLINE_S)) is not None:
        assert isinstance(one, Event)
        lost += one.lost
        if one.subscriber is not None:
            assert one.subscriber == len(seen) + lost, "what is missing was counted before it"
            seen.append(one.subscriber)
    writer.join(DEADLINE_S)

    assert len(seen) + lost == put
