"""The backlog: what one that is behind gets, in which order, and what a jump costs it."""

from __future__ import annotations

from itertools import accumulate, pairwise
from typing import TYPE_CHECKING

import pytest

from fanout.reasons import DROPPING, Reason
from fanout.shm.layout import PAGE, Layout
from fanout.workers.stream.steps import Step
from fanout.workers.tuning import TUNING, Tuning
from fanout.zmtp.frames import encode_message
from tests.helpers.log import SMALL, Sink, Worker

if TYPE_CHECKING:
    from fanout.workers.stream.member import Member

PLENTY = 1 << 40
A = [encode_message([b"A", b"%03d" % number]) for number in range(9)]  # of 8 bytes each
FULL, MORE, DONE = Step.FULL, Step.MORE, Step.DONE


class Numbered:
    """An encoding in which no two messages look alike, and none fits its place in the log."""

    shared = True

    def encode(self, piece: bytes, number: int) -> bytes:
        return b"%d:%b:%d" % (number, piece, number)


def behind(
    *prefixes: bytes,
    room: int = 0,
    encoding: Numbered | None = None,
    layout: Layout = SMALL,
    tuning: Tuning = TUNING,
) -> tuple[Worker, Member, Sink]:
    """A worker with a member that is blocked from its first message on."""
    worker = Worker(layout, tuning=tuning)
    member, sink = worker.member(*prefixes, room=room, encoding=encoding)
    return worker, member, sink


def publish(worker: Worker, *pieces: tuple[bytes, bytes]) -> None:
    for topic, body in pieces:
        worker.log.publish(topic, body)
    worker.advance()


def step(worker: Worker, member: Member) -> Step:
    return worker.pump.backlog.step(member, worker.pump.front)


def test_the_rest_of_a_message_comes_first_then_what_is_said_then_wants_old_and_new() -> None:
    worker, member, sink = behind(b"A", room=3)
    publish(worker, (b"A", b"000"), (b"A", b"001"))
    worker.pump.speak(member, b"PONG", 0)
    worker.pump.subscribe(member, [b"B"])
    publish(worker, (b"A", b"no"), (b"B", b"new"))
    sink.room = PLENTY

    taken: list[bytes] = []
    steps: list[Step] = []
    while not steps or steps[-1] is MORE:
        before = len(sink.taken)
        steps.append(step(worker, member))
        taken.append(sink.taken[before:])

    assert [piece for piece in taken if piece] == [
        *(A[0][3:], b"PONG", A[1]),
        encode_message([b"B", b"new"]),
    ]
    assert (steps[-1], member.sequence, not member.older) == (DONE, 4, True)
    assert (member.sent, member.spoken_bytes) == (3, 4)


@pytest.mark.parametrize(
    ("prefix", "encoding"),
    [(b"", None), (b"A", None), (b"A", Numbered())],
    ids=["everything", "picks", "encoded"],
)
def test_a_stream_that_goes_out_byte_by_byte_is_whole_and_counted(
    prefix: bytes, encoding: Numbered | None
) -> None:
    worker, member, sink = behind(prefix, encoding=encoding)
    publish(worker, (b"A", b"000"), (b"A", b"000"), (b"A", b"002"))  # two have the same bytes
    pieces = [A[0], A[0], A[2]]
    if encoding is not None:
        pieces = [encoding.encode(piece, number) for number, piece in enumerate(pieces)]
    ends = list(accumulate(map(len, pieces)))
    assert step(worker, member) is FULL, "no room at all"

    for count in range(1, ends[-1] + 1):
        sink.room = 1
        assert step(worker, member) is (FULL if count < ends[-1] else MORE)
        worker.pump.settle(member)
        assert member.sent == sum(end <= count for end in ends)
        assert member.sequence == member.sent

    assert step(worker, member) is DONE
    assert (sink.taken, member.sent_bytes, member.offset) == (b"".join(pieces), ends[-1], 0)
    assert (worker.pump.totals.sent, worker.pump.totals.matched) == (3, 3)


def test_what_is_said_and_a_rest_go_out_byte_by_byte_too() -> None:
    worker, member, sink = behind(b"", room=5)
    publish(worker, (b"A", b"000"))
    worker.pump.speak(member, b"PONG", 0)
    steps = []
    for _ in range(7):
        assert step(worker, member) is FULL, "no room at all"
        sink.room = 1
        steps.append(step(worker, member))

    assert steps == [FULL, FULL, MORE, FULL, FULL, FULL, MORE]
    assert (sink.taken, member.sent, member.spoken_bytes) == (A[0] + b"PONG", 1, 4)
    assert member.sent_bytes == len(A[0])


@pytest.mark.parametrize("prefix", [b"", b"A"], ids=["everything", "picks"])
def test_a_dead_connection_is_the_callers(prefix: bytes) -> None:
    worker, member, sink = behind(prefix)
    publish(worker, (b"A", b"000"))
    sink.broken = True

    with pytest.raises(ConnectionResetError):
        step(worker, member)


@pytest.mark.parametrize(
    ("prefix", "sizes"),
    [(b"", [20, 12]), (b"A", [16, 16])],
    ids=["everything", "picks, only whole ones"],
)
def test_one_send_is_offered_so_many_bytes(prefix: bytes, sizes: list[int]) -> None:
    worker, member, sink = behind(prefix, tuning=Tuning(span_bytes=20))
    publish(worker, *((b"A", b"%03d" % number) for number in range(4)))
    sink.room = PLENTY

    lengths = [0]
    while step(worker, member) is MORE:
        lengths.append(len(sink.taken))

    assert [after - before for before, after in pairwise(lengths)] == sizes
    assert sink.taken == b"".join(A[:4])


def test_a_message_larger_than_a_send_is_offered_whole() -> None:
    worker, member, sink = behind(b"A", tuning=Tuning(span_bytes=4))
    publish(worker, (b"A", b"000"), (b"A", b"001"))
    sink.room = PLENTY

    assert step(worker, member) is MORE
    assert (sink.taken, member.sequence) == (A[0], 1)


def test_what_it_does_not_want_is_passed_in_a_step_without_a_send() -> None:
    worker, member, sink = behind(b"A", tuning=Tuning(chunk_messages=3))
    publish(worker, (b"A", b"000"), *((b"B", b"x") for _ in range(5)), (b"A", b"001"))
    sink.room = len(A[0])
    assert (step(worker, member), member.sequence) == (MORE, 3)
    sink.broken = True

    assert (step(worker, member), member.sequence) == (MORE, 6)
    assert member.position == worker.log.reader.start_of(6)


def around_the_end(prefix: bytes, room: int) -> tuple[Worker, Member, Sink, list[bytes]]:
    """A member with 8 large messages before it, the fifth of which lies around the log's end."""
    worker = Worker(Layout(16 * PAGE, 64, 2))
    worker.member(b"")
    for _ in range(5):
        publish(worker, (b"A", bytes(7000)))
    member, sink = worker.member(prefix, room=room)
    bodies = [bytes([number]) * 7000 for number in range(8)]
    publish(worker, *((b"A", body) for body in bodies))
    return worker, member, sink, [encode_message([b"A", body]) for body in bodies]


def test_a_span_ends_where_the_log_does_and_goes_on_at_its_beginning() -> None:
    worker, member, sink, pieces = around_the_end(b"", room=0)
    sink.room = PLENTY
    before = worker.log.reader.size - 5 * len(pieces[0])

    assert step(worker, member) is MORE
    assert len(sink.taken) == before
    assert [step(worker, member), step(worker, member)] == [MORE, DONE]
    assert sink.taken == b"".join(pieces)
    assert member.sent == len(pieces)


@pytest.mark.parametrize("prefix", [b"", b"A"], ids=["everything", "picks"])
@pytest.mark.parametrize("beyond", [-100, 100], ids=["before the end", "behind it"])
def test_the_rest_of_a_message_around_the_end_of_the_log_outlives_it(
    prefix: bytes, beyond: int
) -> None:
    size = len(encode_message([b"A", bytes(7000)]))
    torn = SMALL.data_bytes - 5 * size + beyond
    worker, member, sink, pieces = around_the_end(prefix, room=torn)
    whole = torn // size

    worker.pump.backlog.detach(member, worker.pump.front)

    assert member.spill == pieces[whole][torn % size :]
    assert (member.spilled, member.sequence, member.offset) == (5 + whole, 6 + whole, 0)
    assert member.position == worker.log.reader.start_of(6 + whole)
    worker.pump.move_tail()  # what is below is overwritten already
    worker.pump.backlog.jump(member, worker.pump.front, worker.pump.front, Reason.LAG)
    for _ in range(10):
        worker.log.publish(b"B", b"\xff" * 7000)
    sink.room = PLENTY
    assert step(worker, member) is MORE
    assert sink.taken == b"".join(pieces[: whole + 1])
    assert (member.sent, member.dropped) == (whole + 1, 8 - whole - 1)


def test_between_two_messages_there_is_nothing_to_detach() -> None:
    worker, member, _ = behind(b"", room=len(A[0]))
    publish(worker, (b"A", b"000"), (b"A", b"001"))

    worker.pump.backlog.detach(member, worker.pump.front)

    assert (member.spill, member.sequence, member.sent) == (b"", 1, 1)


def test_the_rest_of_an_encoded_message_is_that_of_the_same_encoding() -> None:
    encoding = Numbered()
    worker, member, sink = behind(b"A", room=15, encoding=encoding)  # 12 bytes each
    publish(worker, (b"A", b"000"), (b"B", b""), (b"A", b"002"), (b"A", b"003"))
    worker.pump.speak(member, b"PONG", 0)
    sink.room = PLENTY

    worker.serve(member)

    pieces = [encoding.encode(A[number], number) for number in (0, 2, 3)]
    assert sink.taken == pieces[0] + pieces[1] + b"PONG" + pieces[2]
    assert (member.sent, member.queued) == (3, 0)


def test_a_jump_loses_what_each_of_its_wants_had_up_to_there() -> None:
    worker, member, _ = behind(b"A")
    mixed = ((b"A", b"1"), (b"B", b"2"), (b"C", b"3"))
    publish(worker, *mixed)  # it wants A
    worker.pump.subscribe(member, [b"B", b"C"])
    publish(worker, *mixed)
    worker.pump.subscribe(member, [])
    publish(worker, *mixed)
    worker.pump.subscribe(member, [b""])
    publish(worker, *mixed)
    backlog, front = worker.pump.backlog, worker.pump.front

    lost = [backlog.jump(member, target, front, Reason.LAG) for target in (2, 3, 5, 4, 8, 11)]

    assert lost == [1, 0, 1, 0, 1, 2]
    assert (member.dropped, worker.pump.totals.dropped, member.queued) == (5, 5, 1)
    assert (member.sequence, member.position) == (11, worker.log.reader.start_of(11))
    assert not member.older


@pytest.mark.parametrize("reason", DROPPING)
def test_what_a_jump_loses_is_counted_by_its_reason(reason: Reason) -> None:
    worker, member, _ = behind(b"A")
    publish(worker, (b"A", b"1"), (b"B", b"22"), (b"A", b"333"))

    worker.pump.backlog.jump(member, 2, worker.pump.front, Reason.LAG)
    worker.pump.backlog.jump(member, 3, worker.pump.front, reason)

    first, last = len(encode_message([b"A", b"1"])), len(encode_message([b"A", b"333"]))
    totals = worker.pump.totals
    assert (member.dropped, member.dropped_bytes) == (2, first + last)
    assert (totals.dropped, totals.dropped_bytes) == (2, first + last)
    by_reason = {
        Reason.LAG: (0, 0, 0, 0, 0, 0),
        Reason.LAG_MESSAGES: (1, 0, 0, last, 0, 0),
        Reason.LAG_AGE: (0, 1, 0, 0, last, 0),
        Reason.LAG_LOG: (0, 0, 1, 0, 0, last),
    }
    assert member.drops == by_reason[reason]


def test_a_jump_into_old_wants_keeps_the_rest_of_them() -> None:
    worker, member, sink = behind(b"A")
    publish(worker, (b"A", b"000"), (b"A", b"001"))
    worker.pump.subscribe(member, [b"B"])
    publish(worker, (b"A", b"002"))

    assert worker.pump.backlog.jump(member, 1, worker.pump.front, Reason.LAG) == 1
    assert [until for until, _ in member.older] == [2]
    sink.room = PLENTY
    worker.serve(member)
    assert sink.taken == A[1]


def test_a_message_that_was_begun_is_not_lost_in_a_jump() -> None:
    worker, member, sink = behind(b"", room=9)
    publish(worker, *((b"A", b"%03d" % number) for number in range(4)))

    assert worker.pump.backlog.jump(member, 3, worker.pump.front, Reason.LAG) == 1
    sink.room = PLENTY
    worker.serve(member)

    assert sink.taken == A[0] + A[1] + A[3]
    assert (member.sent, member.dropped, member.queued) == (3, 1, 0)


@pytest.mark.parametrize("remembered", [0, 100], ids=["forgotten", "remembered"])
def test_messages_are_counted_by_topic_with_an_id_and_without(remembered: int) -> None:
    worker = Worker(tuning=Tuning(topics_remembered=remembered))
    a, _ = worker.member(b"A", b"C")
    for topic, topic_id in [(b"A", 1), (b"AB", 0), (b"B", 2), (b"", 3), (b"C", 0), (b"A", 1)]:
        worker.log.publish(topic, topic_id=topic_id)
    worker.advance()
    backlog, cohorts = worker.pump.backlog, worker.pump.cohorts
    cohorts.make_room(remembered)

    size = {topic: len(encode_message([topic])) for topic in (b"A", b"AB", b"B", b"", b"C")}
    a_to_c = size[b"AB"] + size[b"C"]
    assert backlog.count(a.cohort, 0, 6) == (4, a_to_c + 2 * size[b"A"])
    assert backlog.count(a.cohort, 1, 5) == (2, a_to_c)
    assert backlog.count(cohorts.everything, 1, 5) == (4, a_to_c + size[b"B"] + size[b""])
    assert backlog.count(None, 0, 6) == (0, 0)
    assert [backlog.topic_of(number) for number in (1, 3)] == [b"AB", b""]
