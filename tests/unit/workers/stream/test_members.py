"""Members: what changes between the sends of the pump, and what the log must keep meanwhile."""

from __future__ import annotations

import pytest

from fanout.reasons import Reason
from fanout.workers.policy.block import Block
from fanout.workers.policy.limits import Limits
from fanout.workers.stream.effects import Lost, Recovered
from fanout.workers.stream.member import BLOCKED, HELD, LOST, READY
from fanout.workers.tuning import Tuning
from fanout.zmtp.frames import encode_message
from tests.helpers.log import Worker

PLENTY = 1 << 40
ONE = encode_message([b"A", b"one"])


def publish(worker: Worker, *topics: bytes, now: int = 0) -> None:
    for topic in topics:
        worker.log.publish(topic, b"one")
    worker.advance(now)


def test_the_log_is_needed_by_whoever_wants_something_now_or_from_before() -> None:
    worker = Worker()
    member, sink = worker.member(room=0)
    before = worker.pump.needs_log
    worker.pump.subscribe(member, [b"A"])
    publish(worker, b"A")
    wants = worker.pump.needs_log
    worker.pump.subscribe(member, [])
    still = worker.pump.needs_log
    sink.room = PLENTY
    worker.serve(member)

    assert (before, wants, still, worker.pump.needs_log) == (False, True, True, False)
    assert sink.taken == ONE


def test_a_front_that_follows_matches_nothing_for_those_who_come_later() -> None:
    worker = Worker()
    worker.log.publish(b"A")
    worker.log.publish(b"A")
    worker.pump.follow()
    member, sink = worker.member(b"")
    publish(worker, b"A")

    assert (worker.pump.front, worker.pump.backlog.tail) == (3, 2)
    assert (member.matched, sink.taken) == (1, ONE)


def test_the_blocked_stand_in_the_order_of_their_last_progress() -> None:
    worker = Worker()
    members = [worker.member(b"", room=0) for _ in range(3)]
    (first, sink), (second, _), (third, _) = members
    publish(worker, b"A", now=5)
    before = dict(worker.pump.blocked)
    sink.room = 1
    worker.serve(first, now=7)
    worker.serve(second, now=8)  # its socket takes nothing

    assert list(before.items()) == [(first, 5), (second, 5), (third, 5)]
    assert list(worker.pump.blocked.items()) == [(second, 5), (third, 5), (first, 7)]


def test_a_change_keeps_old_wants_only_for_what_is_still_to_come_of_them() -> None:
    worker = Worker(tuning=Tuning(serve_steps=1))
    member, sink = worker.member(b"", room=0)
    publish(worker, b"A")
    everything = member.cohort
    worker.pump.subscribe(member, [b"B"])
    kept = list(member.older)
    sink.room = PLENTY
    for _ in range(2):  # it gets the message, and is done with these wants
        worker.pump.serve(member, 0)
    worker.pump.subscribe(member, [b"C"])

    assert kept == [(1, everything)]
    assert (member.state, not member.older) == (BLOCKED, True)
    assert (sink.taken, member.matched, member.sent) == (ONE, 1, 1)


@pytest.mark.parametrize("changes", [2, 3])
def test_so_many_changes_may_wait(changes: int) -> None:
    worker = Worker(tuning=Tuning(older_max=2))
    member, _ = worker.member(b"A", room=0)
    publish(worker, b"A")
    for number in range(changes):
        worker.pump.subscribe(member, [b"%d" % number])

    lost = [effect.reason for effect in worker.pump.effects if isinstance(effect, Lost)]
    assert lost == [Reason.RESTLESS] * (changes - 2)
    assert (len(member.older), member.state) == (changes, LOST if lost else BLOCKED)


@pytest.mark.parametrize("way", ["subscribe", "change", "release"])
def test_who_changed_too_often_loses_by_a_jump_what_it_wanted_before(way: str) -> None:
    """It is lost, and jumps: what came before the change that was too much is not of the new."""
    worker = Worker(tuning=Tuning(older_max=1, owned_from=0, large_change=1))
    member, _ = worker.member(b"A", b"C", room=0)
    publish(worker, b"A")
    worker.pump.subscribe(member, [b"A", b"D"])
    publish(worker, *[b"B"] * 40)  # more than half of the index
    if way == "subscribe":
        worker.pump.subscribe(member, [b""])
    elif way == "change":
        worker.pump.change(member, [b"A", b"B", b"D"], [b"B"], [], now=0)
    else:
        worker.pump.hold(member)
        worker.pump.release(member, [b""], worker.pump.front, now=0)
    (lost,) = worker.pump.effects
    assert isinstance(lost, Lost)

    worker.pump.enforce(0)
    worker.pump.remove(member)

    assert (member.matched, member.dropped, member.queued) == (1, 1, 0)
    assert worker.pump.totals.discarded == 0


def test_the_log_keeps_what_is_still_to_be_sent_to_one_who_waited_for_its_turn() -> None:
    """Its cursor is where the round began, behind the one that was the last of the blocked."""
    worker = Worker()
    pump = worker.pump
    waiting, _ = worker.member(b"")
    publish(worker, b"A", b"A")
    worker.member(b"", room=0)
    publish(worker, b"A")
    pump._round_first = 1  # as in the middle of a round
    pump.waiting.add(waiting)
    assert pump.move_tail() == 1

    pump.subscribe(waiting, [b"A"])

    assert (waiting.sequence, pump.move_tail()) == (1, 1)


def test_a_held_member_waits_at_the_front_until_it_is_released() -> None:
    worker = Worker()
    member, sink = worker.member(b"A")
    publish(worker, b"A")
    worker.pump.hold(member)
    worker.pump.hold(member)  # its next report does not get out either
    publish(worker, b"A")
    worker.pump.writable(member)
    worker.serve(member)
    held = (member.state, sink.taken, worker.pump.move_tail())
    worker.pump.release(member, [b"A"], 2, now=3)
    assert dict(worker.pump.blocked) == {member: 3}
    worker.serve(member)

    assert held == (HELD, ONE, 1)
    assert (member.state, sink.taken, member.matched) == (READY, ONE * 2, 2)


def test_a_held_member_that_loses_nothing_stays_where_it_was_promised_something() -> None:
    """It wants nothing yet, and is not moved on for that, however far the log has come."""
    worker = Worker()
    member, sink = worker.member()
    block = Block(Limits(log_messages=4, log_bytes=1_000))
    worker.pump.set_policy(member, block, 0)
    worker.pump.hold(member)
    worker.member(b"")
    publish(worker, *[b"A"] * 9)
    worker.pump.enforce(0)
    assert worker.pump.move_tail() == 0

    worker.pump.release(member, [b""], 0, now=0)
    worker.serve(member)

    assert sink.taken == ONE * 9


def test_a_released_member_is_counted_by_its_new_wants_from_where_they_were_reported() -> None:
    worker = Worker()
    member, sink = worker.member(b"A", b"C")
    worker.pump.hold(member)
    publish(worker, b"A", b"B", b"A", b"B", b"B")
    assert (member.matched, worker.pump.totals.matched) == (2, 2)

    worker.pump.release(member, [b"B"], 1, now=0)
    assert (member.matched, worker.pump.totals.matched) == (4, 4)
    worker.serve(member)

    b = encode_message([b"B", b"one"])
    assert sink.taken == ONE + b * 3
    assert (member.sent, member.queued) == (4, 0)


def test_a_lost_member_is_neither_held_nor_served() -> None:
    worker = Worker()
    member, sink = worker.member(b"")
    sink.broken = True
    publish(worker, b"A")
    worker.pump.hold(member)
    sink.broken = False
    worker.pump.release(member, [b"A"], 1, now=0)
    worker.serve(member)

    (lost,) = worker.pump.effects
    assert isinstance(lost, Lost)
    assert (lost.reason, member.state, sink.taken) == (Reason.BROKEN, LOST, b"")


def test_who_leaves_takes_nothing_along_but_what_was_queued() -> None:
    worker = Worker()
    ready, _ = worker.member(b"")
    slow, sink = worker.member(b"A", room=len(ONE) + 1)
    publish(worker, b"A", b"A", b"A")
    worker.pump.writable(slow)
    worker.pump.remove(slow)
    worker.pump.remove(ready)

    pump = worker.pump
    assert (not pump.blocked, not pump.runnable, pump.needs_log) == (True, True, False)
    assert (pump.cohorts.in_use, pump.totals.discarded) == (0, 2)
    assert (slow.state, slow.sent, slow.queued) == (LOST, 1, 2)
    assert (ready.state, ready.sent, ready.queued) == (LOST, 3, 0)
    assert slow.counted == ready.counted == 3, "else who reads that counts some of it once more"
    assert sink.taken == ONE + ONE[:1]


def test_the_tail_is_the_message_that_the_last_of_them_is_in() -> None:
    worker = Worker()
    member, sink = worker.member(b"", room=0)
    other, _ = worker.member(b"", room=2 * len(ONE))
    publish(worker, b"A", b"A", b"A", b"A")
    tails = []
    for _ in range(3):
        tails.append(worker.pump.move_tail())
        sink.room = len(ONE) * 3 // 2  # 12 bytes: into the second, then up to the fourth
        worker.pump.serve(member, 0)
    worker.pump.remove(member)
    tails.append(worker.pump.move_tail())
    worker.pump.remove(other)
    tails.append(worker.pump.move_tail())

    assert tails == [0, 1, 2, 2, 4]


def test_what_was_taken_out_of_the_log_is_not_flushed_but_need_not_be_kept() -> None:
    worker = Worker()
    member, sink = worker.member(b"", room=len(ONE) + 3)
    publish(worker, b"A", b"A", b"A")
    worker.pump.speak(member, b"PONG", 0)
    kept = (worker.pump.move_tail(), worker.pump.flushed())
    sink.room = len(ONE) - 3
    worker.pump.serve(member, 0)

    assert kept == (2, 1)
    assert (worker.pump.move_tail(), worker.pump.flushed()) == (2, 2)


def test_one_that_was_slow_recovers_when_it_has_everything() -> None:
    worker = Worker(limit_bytes=2 * len(ONE))
    member, sink = worker.member(b"", room=0)
    publish(worker, b"A", b"A", b"A", b"A")
    worker.pump.enforce(0)
    sink.room = PLENTY
    worker.serve(member)
    publish(worker, b"A")
    worker.pump.settle(member)

    assert [effect for effect in worker.pump.effects if isinstance(effect, Recovered)] == [
        Recovered(member)
    ]
    assert (member.slow, member.state, member in worker.pump.blocked) == (False, READY, False)
    assert member.dropped + member.sent == member.matched == 5


def test_settling_brings_a_ready_member_to_the_front() -> None:
    worker = Worker()
    everything, _ = worker.member(b"")
    picky, _ = worker.member(b"B")
    publish(worker, b"A", b"A")
    for member in (everything, picky):
        worker.pump.settle(member)

    assert [(m.sequence, m.offset, m.position) for m in (everything, picky)] == [
        (2, 0, 2 * len(ONE))
    ] * 2
    assert (everything.sent, picky.sent) == (2, 0)
