"""The queue of a subscriber: its bound, who is told of room, and what its policies lose."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import pytest

from fanout.subscriber.inbox import MESSAGE_COST_BYTES, Inbox
from fanout.subscriber.message import Gap, Message
from fanout.subscriber.stream import Stream
from fanout.terms.introduction import Introduction

if TYPE_CHECKING:
    from fanout.subscriber.inbox import QueuePolicy

EPOCH = 77
COST = 1000  # of a message, as `put` is told here
LIMIT = 10 * COST


def messages(*numbers: int, topic: bytes = b"A") -> list[Message]:
    stream = Stream([b"A", b"B"])
    stream.begin(Introduction(EPOCH, 0, sequence=True))
    return stream.take([(topic, b"", struct.pack(">QQ", EPOCH, number)) for number in numbers])


def put(inbox: Inbox, *numbers: int, topic: bytes = b"A") -> None:
    """One batch for each number."""
    for message in messages(*numbers, topic=topic):
        inbox.put([message], COST - MESSAGE_COST_BYTES)


def taken(inbox: Inbox) -> list[tuple[int | None, Gap | None]]:
    got = []
    while inbox.messages:
        message = inbox.pop()
        got.append((message.sequence, message.gap))
    return got


def test_what_waits_is_counted_by_batches_until_the_last_message_of_each_is_taken() -> None:
    inbox = Inbox(LIMIT, "block")
    inbox.put(messages(1, 2), 2 * (COST - MESSAGE_COST_BYTES))
    inbox.put(messages(3), COST - MESSAGE_COST_BYTES)
    inbox.put([], 0)
    assert inbox.waiting_bytes == inbox.queued_bytes == 3 * COST
    inbox.pop()
    assert inbox.waiting_bytes == 3 * COST
    inbox.pop()
    assert inbox.waiting_bytes == COST
    inbox.pop()
    assert inbox.waiting_bytes == inbox.queued_bytes == 0
    assert inbox.received == 3


def test_it_is_full_until_half_is_taken() -> None:
    inbox = Inbox(LIMIT, "block")
    put(inbox, *range(10))
    seen = [inbox.is_full]
    put(inbox, 10)
    for _ in range(6):
        seen.append(inbox.is_full)
        inbox.pop()
    seen.append(inbox.is_full)
    assert seen == [False, *[True] * 6, False]


def test_who_reads_is_told_once_when_half_of_the_messages_is_taken() -> None:
    inbox = Inbox(LIMIT, "block")
    told: list[int] = []
    inbox.on_room = lambda: told.append(len(inbox.messages))
    put(inbox, *range(11))
    inbox.stall()
    while inbox.messages:
        inbox.pop()
        if inbox.is_stalled:
            inbox.taken()
    assert told == [5]


def test_who_waits_for_room_after_all_was_taken_is_told_at_once() -> None:
    inbox = Inbox(LIMIT, "block")
    told: list[bool] = []
    inbox.on_room = lambda: told.append(inbox.is_stalled)
    inbox.stall()
    assert told == [False]


def test_drop_oldest_keeps_three_quarters_and_says_so_on_the_next() -> None:
    inbox = Inbox(LIMIT, "drop_oldest")
    put(inbox, *range(11))
    got = taken(inbox)
    assert got[0] == (4, Gap("queue full", 4, 0, 3, EPOCH))
    assert got[1:] == [(number, None) for number in range(5, 11)]
    assert (inbox.dropped, inbox.waiting_bytes) == (4, 0)


def test_drop_oldest_adds_up_gaps_of_what_is_lost() -> None:
    inbox = Inbox(LIMIT, "drop_oldest")
    put(inbox, *range(11))  # 4 has a gap of 4 now
    put(inbox, *range(11, 15))
    assert taken(inbox)[0] == (8, Gap("queue full", 8, 0, 7, EPOCH))


def test_drop_oldest_keeps_what_came_last_however_large() -> None:
    inbox = Inbox(LIMIT, "drop_oldest")
    inbox.put(messages(*range(5)), 2 * LIMIT)
    assert [number for number, _ in taken(inbox)] == [0, 1, 2, 3, 4]


def test_drop_newest_loses_what_comes_until_half_is_taken() -> None:
    inbox = Inbox(LIMIT, "drop_newest")
    put(inbox, *range(13))  # 11 and 12 find it full
    assert inbox.dropped == 2
    for _ in range(6):
        inbox.pop()
    put(inbox, 20, 21)
    got = taken(inbox)
    assert got == [(number, None) for number in range(6, 11)] + [
        (20, Gap("queue full", 2, 11, 12, EPOCH)),
        (21, None),
    ]


def test_conflate_keeps_the_newest_of_each_topic_and_says_what_was_before_each() -> None:
    inbox = Inbox(LIMIT, "conflate")
    put(inbox, *range(3))
    put(inbox, 3, topic=b"B")
    put(inbox, *range(4, 11))
    assert taken(inbox) == [
        (3, Gap("conflated", 3, 0, 2, EPOCH)),
        (10, Gap("conflated", 6, 4, 9, EPOCH)),
    ]
    assert (inbox.conflated, inbox.dropped) == (9, 0)
    put(inbox, 11)
    assert taken(inbox) == [(11, None)]
    assert inbox.waiting_bytes == 0


def test_conflate_loses_the_oldest_where_that_is_not_enough() -> None:
    inbox = Inbox(LIMIT, "conflate")
    for number in range(1000):
        wire = b"A%d" % number, bytes(80), struct.pack(">QQ", EPOCH, number)
        stream = Stream([b""])
        stream.begin(Introduction(EPOCH, 0, sequence=True))
        inbox.put(stream.take([wire]), 100)
    got = taken(inbox)
    first, gap = got[0]
    assert gap is not None
    assert (gap.count, gap.first, gap.last, first) == (
        inbox.dropped,
        0,
        inbox.dropped - 1,
        gap.count,
    )
    assert [number for number, _ in got] == [*range(inbox.dropped, 1000)]


@pytest.mark.parametrize("policy", ["drop_oldest", "drop_newest", "conflate"])
def test_nothing_is_lost_in_silence(policy: QueuePolicy) -> None:
    """Every number is taken, or in a gap, in order, with each policy and any pace."""
    inbox = Inbox(LIMIT, policy)
    got: list[tuple[int | None, Gap | None]] = []
    for number in range(300):
        put(inbox, number, topic=b"A" if number % 3 else b"B")
        if number % 7 < 3 and inbox.messages:
            message = inbox.pop()
            got.append((message.sequence, message.gap))
    got += taken(inbox)
    counted = 0
    for sequence, gap in got:
        counted += gap.count or 0 if gap else 0
        assert sequence == counted
        counted += 1
    assert inbox.dropped + inbox.conflated + len(got) == 300


@pytest.mark.parametrize("policy", ["drop_oldest", "conflate"])
def test_a_forked_child_does_not_wait_for_who_made_room_in_its_parent(policy: QueuePolicy) -> None:
    inbox = Inbox(LIMIT, policy)
    put(inbox, 1)
    with inbox._lock:  # as who reads holds it while the process is forked
        inbox.leave()
        with pytest.raises(IndexError):
            inbox.pop()
