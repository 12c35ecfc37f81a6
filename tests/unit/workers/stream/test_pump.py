"""The pump: stories of single members; the simulation tells the rest."""

from __future__ import annotations

from unittest import mock

import pytest

from fanout.reasons import Reason
from fanout.shm.layout import PAGE, Layout
from fanout.workers.stream.effects import Lost
from fanout.workers.stream.pace import Pace
from fanout.workers.tuning import TUNING, Tuning
from fanout.zmtp.frames import encode_message
from tests.helpers.log import Worker
from tests.helpers.ticking import Ticking

ONE_STEP = Tuning(serve_steps=1)
A1, A2 = encode_message([b"A", b"one"]), encode_message([b"A", b"two"])


def test_a_change_of_subscriptions_right_after_everything_was_sent_repeats_nothing() -> None:
    """It was blocked, took all there is, and changes before its cursor was settled."""
    worker = Worker(tuning=ONE_STEP)
    member, sink = worker.member(b"", room=1)
    worker.log.publish(b"A", b"one")
    worker.advance()
    sink.room = 1 << 40
    worker.pump.serve(member, 0)  # sends all, but does not see yet that it is done

    worker.pump.subscribe(member, [b"A"])
    worker.log.publish(b"A", b"two")
    worker.advance()
    worker.serve(member)

    assert sink.taken == A1 + A2
    assert (member.matched, member.sent, member.queued) == (2, 2, 0)


def test_a_cursor_that_is_settled_after_the_index_was_reused_counts_right() -> None:
    layout = Layout(16 * PAGE, 16, 1)
    worker = Worker(layout)
    member, sink = worker.member(b"", room=1)
    for number in range(70):
        size = len(encode_message([b"", b"x"]))
        worker.log.publish(b"", b"x")
        worker.advance()
        if number >= 14:  # it stays 14 messages behind, and one byte ahead
            sink.room += size
        worker.pump.serve(member, 0)
        worker.pump.move_tail()

    worker.pump.settle(member)

    assert (member.sent, member.queued, member.offset) == (56, 14, 1)


def test_where_one_that_wants_nothing_stands_is_not_read_from_a_reused_entry() -> None:
    """No tail keeps the entry of the front of a worker that nobody wants anything of."""
    worker = Worker(Layout(16 * PAGE, 16, 1))
    member, _ = worker.member(room=1)
    size = len(encode_message([b"", b"x"]))
    for _ in range(40):
        worker.log.publish(b"", b"x")

    worker.pump.settle(member)

    assert (member.sequence, member.position) == (40, 40 * size)


def test_a_held_member_that_changed_too_often_is_not_served_again() -> None:
    worker = Worker()
    member, sink = worker.member(b"A", room=0)
    worker.log.publish(b"A")
    worker.advance()
    for number in range(TUNING.older_max):
        worker.pump.subscribe(member, [b"A", b"B%d" % number])
    worker.pump.hold(member)
    worker.pump.release(member, [b""], worker.pump.front, now=0)
    sink.room = 1 << 40

    worker.serve(member)

    (lost,) = worker.pump.effects
    assert isinstance(lost, Lost)
    assert lost.reason is Reason.RESTLESS
    assert sink.taken == b""


def test_a_held_member_jumps_beyond_the_change_that_waits() -> None:
    worker = Worker(limit_bytes=64)
    member, sink = worker.member(b"A", room=0)
    worker.pump.hold(member)
    for number in range(20):
        worker.log.publish(b"A", b"%08d" % number)
    worker.advance()
    worker.pump.enforce(0)
    sink.room = 1 << 40

    worker.pump.release(member, [b"B"], 0, now=0)
    worker.serve(member)

    assert member.dropped == member.matched > 0
    assert (sink.taken, member.queued) == (b"", 0)


def test_flushed_waits_for_the_rest_of_a_message_outside_the_log() -> None:
    worker = Worker()
    member, sink = worker.member(b"", room=3)
    worker.log.publish(b"A", b"one")
    worker.advance()
    worker.pump.speak(member, b"PONG", 0)  # goes after the message, whose rest is spilled now
    for _ in range(5):
        worker.log.publish(b"A", b"two")
    worker.advance()
    sink.room = 1

    worker.serve(member)

    assert worker.pump.move_tail() == 1
    assert worker.pump.flushed() == 0


def test_bytes_of_messages_are_not_counted_with_what_is_spoken() -> None:
    worker = Worker()
    member, sink = worker.member(b"", room=2)
    worker.pump.speak(member, b"PONG", 0)
    worker.log.publish(b"A", b"one")
    worker.advance()
    sink.room = 1 << 40

    worker.serve(member)

    assert sink.taken == b"PONG" + A1
    assert (member.sent_bytes, member.spoken_bytes) == (len(A1), 4)


def test_many_answers_after_a_torn_large_message_do_not_copy_it_each_time() -> None:
    worker = Worker()
    member, _ = worker.member(b"", room=1)
    worker.log.publish(b"A" * 10_000)
    worker.advance()
    worker.pump.speak(member, b"PONG", 0)
    spill = member.spill

    worker.pump.speak(member, b"PONG", 0)

    assert member.spill is spill
    assert member.control == b"PONGPONG"


def test_whole_messages_before_a_broken_second_piece_are_sent() -> None:
    """The batch wraps round the end of the ring, and the connection breaks in between."""
    worker = Worker(Layout(PAGE, 64, 1))
    body = b"x" * 996  # 1,000 bytes on the wire with its header
    for _ in range(3):
        worker.log.publish(b"", body)
    worker.advance()
    member, sink = worker.member(b"")
    worker.log.publish(b"", body)
    worker.log.publish(b"", body)
    send = member.send

    def break_after_this(data: bytes | memoryview) -> int:
        sink.broken, broken = True, sink.broken
        if broken:
            raise ConnectionResetError(104, "Connection reset by peer")
        del data
        return 4096 - 3 * worker.log.reader.start_of(1)

    member.send = break_after_this
    worker.advance()
    worker.pump.remove(member)

    assert send is not member.send
    assert (member.matched, member.sent, member.queued) == (2, 1, 1)


def test_topics_beyond_what_is_remembered_are_matched_all_the_same() -> None:
    worker = Worker(tuning=Tuning(topics_remembered=3))
    member, sink = worker.member(b"A")
    for topic_id in range(1, 6):
        worker.log.publish(b"A%d" % topic_id, topic_id=topic_id)
    worker.advance()
    for topic_id in (1, 6, 7, 8):  # 1 is remembered until room is made for the others
        worker.log.publish(b"A%d" % topic_id, topic_id=topic_id)
    worker.advance()

    assert member.sent == 9
    assert sink.taken.endswith(encode_message([b"A8"]))


def test_who_does_not_read_its_pongs_is_lost() -> None:
    worker = Worker()
    member, _ = worker.member(b"", room=0)
    for _ in range(TUNING.control_bytes_max // 1000 + 1):
        worker.pump.speak(member, b"x" * 1000, 0)

    (effect,) = worker.pump.effects
    assert isinstance(effect, Lost)
    assert effect.reason is Reason.UNREAD_ANSWERS
    assert len(member.control) <= TUNING.control_bytes_max


def test_who_has_caught_up_and_leaves_is_not_remembered() -> None:
    """Its turn had ended before its socket was full; the next event served it to the end."""
    worker = Worker(tuning=ONE_STEP)
    member, sink = worker.member(b"", room=0)
    worker.log.publish(b"A", b"one")
    worker.advance()
    sink.room = 1 << 40
    worker.pump.serve(member, 0)
    assert member in worker.pump.runnable
    worker.pump.serve(member, 0)

    worker.pump.remove(member)

    assert not worker.pump.runnable


@pytest.mark.parametrize(("topics", "distinct"), [([b"A", b"B", b"C"], 3), ([b"A"] * 3, 1)])
def test_what_is_sent_to_many_alike_is_learnt_as_such(topics: list[bytes], distinct: int) -> None:
    worker = Worker()
    for topic in topics:
        worker.member(topic)
    for topic in set(topics):
        worker.log.publish(topic, b"one")
    with mock.patch.object(Pace, "learn") as learn:
        worker.advance()

    ((_messages, _bytes, learnt, sends, _sent),) = (call.args for call in learn.call_args_list)
    assert (learnt, sends) == (distinct, 3)


@pytest.mark.parametrize(("topic", "served"), [(b"", 3), (b"A", 1)])
def test_the_clock_is_looked_at_when_as_much_was_sent_as_takes_long(
    topic: bytes, served: int
) -> None:
    """But each time if what is sent has to be looked for."""
    each = len(A1) + 1
    looks = Tuning(bytes_per_look=3 * each, sends_per_look=3 * each, abreast=1)
    worker = Worker(tuning=looks)
    worker.pump._part = part = Ticking().part(1)
    both = [worker.member(topic, room=0) for _ in range(5)]
    worker.log.publish(b"A", b"one")
    worker.advance()
    for member, sink in both:
        sink.room = 1 << 40
        worker.pump.writable(member)
    part.begin()
    worker.pump.serve_runnable(0, 100)

    assert [bool(sink.taken) for _, sink in both] == [True] * served + [False] * (5 - served)


def test_those_who_take_nothing_cost_time_as_well() -> None:
    worker = Worker()
    worker.pump._part = part = Ticking().part(1)
    tries = 3 * TUNING.sends_per_look
    for _ in range(tries):
        worker.member(b"", room=0)
    worker.log.publish(b"A", b"one")
    worker.advance()
    for member in worker.pump.blocked:
        worker.pump.writable(member)
    part.begin()
    worker.pump.serve_runnable(0, tries)

    assert len(worker.pump.runnable) == tries - TUNING.sends_per_look
