"""Gaps: what was lost is told once, in its place, and takes no more room for more of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgpack
import pytest

from fanout.terms.slow_policy import SlowPolicy
from fanout.workers.stream.gaps import CONFLATED, Gap, Gaps
from fanout.zmtp import ZMTP_1, split_message, to_zmtp_1
from tests.helpers.log import Worker

if TYPE_CHECKING:
    from fanout.workers.stream.member import Member
    from tests.helpers.log import Sink

EPOCH = (1 << 56) - 1
LARGE = bytes(1_000)


def told(wire: bytes) -> list[dict[str, Any]]:
    """The markers in some bytes, in which there is nothing else."""
    found = []
    while wire:
        # Two short frames: flags, length, body.
        end = 2 + wire[1]
        size = end + 2 + wire[end + 1]
        topic, packed = split_message(wire[:size])
        assert topic == b"\0fanout.gap"
        found.append(msgpack.unpackb(packed))
        wire = wire[size:]
    return found


def marker(first: int, last: int, count: int, reason: str = "lag") -> dict[str, Any]:
    return {"epoch": EPOCH, "first": first, "last": last, "count": count, "reason": reason}


def test_a_gap_is_told_once_when_the_cursor_has_passed_it() -> None:
    gaps = Gaps(EPOCH, conflated=False)
    gaps.note(Gap(3, 7, 2, "lag"), 8)

    assert gaps.take(7, None) == b""
    assert told(gaps.take(8, None)) == [marker(3, 7, 2)]
    assert gaps.take(100, None) == b""


def test_what_is_lost_before_it_was_told_is_in_the_same_marker() -> None:
    gaps = Gaps(EPOCH, conflated=False)
    for first in range(0, 1_000, 10):
        gaps.note(Gap(first, first + 3, 2, "lag"), first + 10)
    gaps.note(Gap(1_000, 1_000, 1, "lag_age"), 1_001)

    assert len(gaps.pending) == 1
    assert told(gaps.take(1_001, None)) == [marker(0, 1_000, 201, "lag_age")]


def test_what_is_lost_in_front_of_the_cursor_is_told_behind_what_is_sent_first() -> None:
    gaps = Gaps(EPOCH, conflated=False)
    gaps.note(Gap(50, 59, 10, "lag"), 20)  # it finishes with what is below 50
    gaps.note(Gap(60, 69, 10, "lag"), 20)
    gaps.note(Gap(20, 29, 10, "lag_age"), 30)  # and now jumps within that

    assert told(gaps.take(30, None)) == [marker(20, 29, 10, "lag_age")]
    assert told(gaps.take(70, None)) == [marker(50, 69, 20)]


def test_who_jumps_over_all_of_it_is_told_once() -> None:
    gaps = Gaps(EPOCH, conflated=False)
    gaps.note(Gap(50, 59, 10, "lag"), 20)
    gaps.note(Gap(20, 49, 10, "lag_age"), 80)

    gaps.note(Gap(60, 70, 5, "lag"), 80)

    assert told(gaps.take(80, None)) == [marker(20, 70, 25)]


def test_there_are_never_many_whatever_happens() -> None:
    gaps = Gaps(EPOCH, conflated=True)
    for cursor in range(0, 1_000, 10):
        for reason in ("lag", CONFLATED):
            gaps.note(Gap(cursor, cursor + 1, 2, reason), cursor + 2)
            gaps.note(Gap(cursor + 5, cursor + 6, 2, reason), cursor + 2)
            assert len(gaps.pending) <= 4
    assert told(gaps.take(1_000, None)) == [marker(0, 996, 400), marker(0, 996, 400, CONFLATED)]


def test_conflation_is_told_to_who_wants_to_know_and_by_itself() -> None:
    quiet, curious = Gaps(EPOCH, conflated=False), Gaps(EPOCH, conflated=True)
    for gaps in (quiet, curious):
        gaps.note(Gap(1, 5, 3, CONFLATED), 6)
        gaps.note(Gap(2, 3, 2, "lag"), 6)

    assert told(quiet.take(6, None)) == [marker(2, 3, 2)]
    assert told(curious.take(6, None)) == [marker(1, 5, 3, CONFLATED), marker(2, 3, 2)]


def test_conflation_is_told_before_the_first_that_is_sent_in_its_place() -> None:
    gaps = Gaps(EPOCH, conflated=True)
    gaps.note(Gap(10, 30, 15, CONFLATED), 12)  # 12 is sent, and 31
    gaps.note(Gap(12, 40, 5, CONFLATED), 36)

    assert told(gaps.take(12, None)) == [marker(10, 40, 20, CONFLATED)]
    assert gaps.pending == []


def test_who_wants_to_know_of_it_no_more_is_not_told_of_what_there_was() -> None:
    gaps = Gaps(EPOCH, conflated=True)
    gaps.note(Gap(1, 5, 3, CONFLATED), 6)
    gaps.note(Gap(2, 3, 2, "lag"), 6)
    gaps.tell_conflated(also=False)

    assert told(gaps.take(6, None)) == [marker(2, 3, 2)]


def test_it_is_told_as_its_peer_reads_it() -> None:
    plain, old = Gaps(EPOCH, conflated=False), Gaps(EPOCH, conflated=False)
    for gaps in (plain, old):
        gaps.note(Gap(1, 1, 1, "lag"), 2)

    assert old.take(2, ZMTP_1) == to_zmtp_1(plain.take(2, None))


# In the stream of a member.


def test_nothing_is_sent_before_what_it_took_the_place_of_was_told() -> None:
    worker = Worker()
    member, sink = worker.member(b"", room=0)
    worker.obey(member, SlowPolicy("conflate"))
    worker.pump.tell_gaps(member, losses=True, conflated=True)
    for topic in (b"A", b"B", b"A", b"C", b"A"):
        worker.log.publish(topic, b"")
    worker.advance()
    sink.room = 1 << 40
    worker.serve(member)

    first, *topics = stream(sink)
    assert isinstance(first, dict)
    assert [first[key] for key in ("first", "last", "count", "reason")] == [0, 2, 2, CONFLATED]
    assert topics == [b"B", b"C", b"A"]


def lagging(*prefixes: bytes) -> tuple[Worker, Member, Sink]:
    """A member that is told of gaps and stopped within the second of 20, on b"A" and b"B"."""
    worker = Worker(limit_bytes=5_000)
    member, sink = worker.member(*prefixes)
    worker.pump.tell_gaps(member, losses=True, conflated=False)
    sink.room = 1_500
    publish(worker, 20)
    return worker, member, sink


def publish(worker: Worker, count: int) -> None:
    for number in range(count):
        worker.log.publish(b"AB"[number % 2 :][:1], LARGE)
        worker.advance()
        worker.pump.enforce(0)


def stream(sink: Sink) -> list[bytes | dict[str, Any]]:
    """What has arrived: topics, and markers."""
    found: list[bytes | dict[str, Any]] = []
    wire = sink.taken
    while wire:
        at, frames, more = 0, [], 1
        while more:
            flags = wire[at]
            size = int.from_bytes(wire[at + 1 : at + 9], "big") if flags & 2 else wire[at + 1]
            at += 9 if flags & 2 else 2
            frames.append(wire[at : at + size])
            at += size
            more = flags & 1
        wire = wire[at:]
        is_marker = frames[0] == b"\0fanout.gap"
        found.append(msgpack.unpackb(frames[1]) if is_marker else frames[0])
    return found


@pytest.mark.parametrize("wants", [(b"",), (b"A",), (b"A", b"B")])
def test_a_marker_stands_between_the_last_message_before_the_loss_and_the_first_after(
    wants: tuple[bytes, ...],
) -> None:
    worker, member, sink = lagging(*wants)
    epoch = worker.log.reader.epoch
    sink.room = 1 << 30
    worker.serve(member)

    got = stream(sink)
    (place,) = [index for index, one in enumerate(got) if isinstance(one, dict)]
    found = got[place]
    assert isinstance(found, dict)
    assert found["epoch"] == epoch
    assert found["count"] == member.dropped > 0
    step = 2 if wants == (b"A",) else 1
    numbers = [*range(0, 20, step)]
    lost = numbers[place : place + member.dropped]
    assert (found["first"], found["last"]) == (lost[0], lost[-1])
    assert len(got) - 1 + len(lost) == len(numbers)
    assert member.sent == len(got) - 1  # a marker is no message
    assert member.sent_bytes + member.spoken_bytes == len(sink.taken)


def test_each_loss_that_could_be_told_has_a_marker_of_its_own() -> None:
    worker, member, sink = lagging(b"")
    sink.room = 2_500  # the rest of the message that it was in, the marker, and one more
    worker.serve(member)
    publish(worker, 20)
    sink.room = 1 << 30
    worker.serve(member)

    first, second = (one for one in stream(sink) if isinstance(one, dict))
    assert first["last"] < second["first"]
    assert first["count"] + second["count"] == member.dropped


def test_who_does_not_want_to_know_is_told_nothing() -> None:
    for losses in (True, False):
        worker, member, sink = lagging(b"")
        worker.pump.tell_gaps(member, losses=False, conflated=False)
        worker.pump.tell_gaps(member, losses=losses, conflated=False)  # from now on
        sink.room = 1 << 30
        worker.serve(member)

        assert member.dropped
        assert {type(one) for one in stream(sink)} == {bytes}


def test_who_has_finished_twice_is_told_of_each_loss_in_its_place() -> None:
    """By other policies, and it has not been served meanwhile."""
    worker = Worker()
    member, sink = worker.member(b"", room=0)
    worker.pump.tell_gaps(member, losses=True, conflated=False)
    for limit in (2, 4):
        worker.obey(member, SlowPolicy("drop_newest", limit_messages=limit))
        publish(worker, 6)
        worker.pump.settle(member)
    sink.room = 1 << 30
    worker.serve(member)
    publish(worker, 1)
    worker.serve(member)

    found = [one if isinstance(one, bytes) else (one["first"], one["last"]) for one in stream(sink)]
    assert found == [b"A", b"B", (2, 5), b"A", b"B", (8, 11), b"A"]


def found_in(sink: Sink) -> list[bytes | tuple[int, int, int]]:
    """What has arrived: topics; and of markers first, last and count."""
    return [
        one if isinstance(one, bytes) else (one["first"], one["last"], one["count"])
        for one in stream(sink)
    ]


def test_who_conflates_what_is_before_and_behind_a_loss_is_told_of_it_in_between() -> None:
    """All that is left of both is one pass; nothing is sent that is newer than what is missing."""
    worker = Worker()
    member, sink = worker.member(b"", room=0)
    worker.pump.tell_gaps(member, losses=True, conflated=False)
    worker.obey(member, SlowPolicy("drop_newest", limit_messages=2))
    publish(worker, 6)
    worker.obey(member, SlowPolicy("conflate"))
    for topic in (b"C", b"D"):
        worker.log.publish(topic, b"")
        worker.advance()
    sink.room = 1 << 30
    worker.serve(member)

    assert found_in(sink) == [b"A", b"B", (2, 5, 4), b"C", b"D"]
    assert not member.blocked


def test_what_is_missing_in_one_place_is_in_one_marker_however_it_came_to_be() -> None:
    """Some of it while it finished, and then what it would have finished with."""
    worker = Worker()
    member, sink = worker.member(b"A", room=0)
    worker.pump.tell_gaps(member, losses=True, conflated=False)
    worker.obey(member, SlowPolicy("drop_newest", limit_messages=1))
    publish(worker, 6)  # it wants 0, 2 and 4, which is lost
    worker.obey(member, SlowPolicy(limit_bytes=500))
    worker.pump.enforce(0)
    sink.room = 1 << 30
    worker.serve(member)

    assert found_in(sink) == [(0, 4, 3)]
    assert (member.matched, member.dropped) == (3, 3)


def test_no_marker_comes_in_the_middle_of_a_message_wherever_its_losses_are() -> None:
    """It may lose what comes while it is sent what was published before it."""
    worker = Worker()
    member, sink = worker.member(b"A", room=5)
    worker.pump.tell_gaps(member, losses=True, conflated=False)
    publish(worker, 4)
    assert member.gaps is not None
    assert (member.sequence, member.offset) == (0, 5)
    gap = Gap(0, 9, 3, "lag")
    gap.whole = True
    member.gaps.pending.append(gap)
    sink.room = 1 << 30
    worker.serve(member)

    assert found_in(sink) == [b"A", (0, 9, 3), b"A"]
