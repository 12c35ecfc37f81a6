"""Members that are far behind are judged, lose what their policies say, and are reported."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fanout.reasons import Reason
from fanout.shm.layout import PAGE, Layout
from fanout.terms.slow_policy import SlowPolicy
from fanout.workers.stream.effects import Lost, Recovered, Slowed
from fanout.workers.stream.member import LOST
from fanout.workers.tuning import Tuning
from fanout.zmtp.frames import encode_message
from tests.helpers.log import Worker

if TYPE_CHECKING:
    from fanout.workers.stream.member import Member

SECOND = 1_000_000_000
LARGE = Layout(16 * PAGE, 1_024, 4)
TOPICS = 10


def _publish(worker: Worker, count: int, now: int = 0) -> None:
    """So many messages on each of ten topics, of which somebody wants one."""
    for _ in range(count):
        for topic in range(TOPICS):
            worker.log.publish(b"%d" % topic, b"x" * 10)
        worker.advance(now)


def _enforced(worker: Worker, now: int = 0) -> list[type]:
    assert not worker.pump.enforce(now)
    effects, worker.pump.effects = worker.pump.effects, []
    return [type(effect) for effect in effects]


def _behind(policy: SlowPolicy) -> tuple[Worker, Member]:
    """One that takes nothing, and wants one of ten topics."""
    worker = Worker(LARGE)
    member, _ = worker.member(b"3", room=0)
    worker.obey(member, policy)
    return worker, member


def test_small_messages_reach_the_limit_before_they_fill_the_index() -> None:
    """Of the smallest messages, the index holds fewer than the limit in bytes allows."""
    worker = Worker()
    member, _ = worker.member(b"", room=0)
    for _ in range(40):
        worker.log.publish(b"")
    worker.advance()

    worker.pump.enforce(0)

    assert worker.pump.front - worker.pump.move_tail() <= 32  # half of 64
    assert member.dropped == 40 - member.queued
    assert [type(effect) for effect in worker.pump.effects] == [Slowed]


def test_who_lost_messages_and_catches_up_is_reported_once() -> None:
    worker = Worker(limit_bytes=64)
    member, sink = worker.member(b"", room=0)
    for _ in range(3):
        for number in range(20):
            worker.log.publish(b"A", b"%08d" % number)
        worker.advance()
        worker.pump.enforce(0)
    sink.room = 1 << 40

    worker.serve(member)

    assert [type(effect) for effect in worker.pump.effects] == [Slowed, Recovered]
    assert member.matched == member.sent + member.dropped == 60


def test_a_limit_in_messages_is_of_its_own() -> None:
    worker, member = _behind(SlowPolicy(limit_messages=2))
    _publish(worker, 1)
    assert _enforced(worker) == []
    _publish(worker, 1)
    assert _enforced(worker) == [Slowed]
    assert member.dropped == 0  # reported before anything is lost
    _publish(worker, 1)
    assert _enforced(worker) == []

    assert (member.matched, member.dropped, member.queued) == (3, 2, 1)
    assert member.drops[0] == 2  # by the limit in messages


def test_a_limit_in_bytes_is_of_its_own() -> None:
    worker, member = _behind(SlowPolicy(limit_bytes=45, soft=1.0))  # three of 15 bytes
    _publish(worker, 3)
    assert _enforced(worker) == []
    _publish(worker, 1)
    assert _enforced(worker) == [Slowed]

    assert (member.matched, member.dropped, member.dropped_bytes) == (4, 2, 30)


def test_a_limit_in_seconds_drops_what_is_older() -> None:
    worker, member = _behind(SlowPolicy(limit_age=2.0, soft=1.0))
    for second in range(3):
        _publish(worker, 1, second * SECOND)
        assert _enforced(worker, second * SECOND) == []

    assert _enforced(worker, 2 * SECOND + 1_000) == [Slowed]
    assert (member.dropped, member.queued) == (1, 2)
    assert _enforced(worker, 3 * SECOND + 1_000) == []
    assert (member.dropped, member.queued) == (2, 1)


def test_nobody_notes_times_for_who_has_no_limit_in_seconds() -> None:
    worker, member = _behind(SlowPolicy(limit_messages=2))
    _publish(worker, 3)
    _enforced(worker)
    assert not len(worker.pump.ages)

    worker.obey(member, SlowPolicy(limit_age=9.0))
    _enforced(worker)
    _publish(worker, 1, SECOND)
    assert len(worker.pump.ages) == 2

    worker.obey(member, SlowPolicy())
    _enforced(worker, 20 * SECOND)
    assert not len(worker.pump.ages)


def test_what_was_found_about_one_stands_whatever_is_chosen_for_it_then() -> None:
    """It is to be closed; that may wait for its turn."""
    worker, member = _behind(SlowPolicy("disconnect", limit_messages=2))
    _publish(worker, 3)
    assert _enforced(worker) == [Slowed, Lost]
    policy = member.policy

    worker.obey(member, SlowPolicy("drop_oldest", limit_messages=1))
    _publish(worker, 3)

    assert _enforced(worker) == []
    assert (member.policy, member.state, member.dropped) == (policy, LOST, 0)


def test_what_waited_before_it_was_noted_is_as_old_as_others_say() -> None:
    """Another worker had it before, or it has a limit in seconds only now."""
    worker, member = _behind(SlowPolicy())
    worker.pump.ages.earlier = lambda sequence, _time: [(sequence + 1, 0)]
    _publish(worker, 3)
    _enforced(worker)

    worker.obey(member, SlowPolicy("disconnect", limit_age=5.0))
    assert _enforced(worker, 4 * SECOND) == [Slowed]
    assert _enforced(worker, 5 * SECOND + 1) == [Lost]


def test_what_its_worker_had_not_come_to_then_is_as_old_as_others_say() -> None:
    """It was behind itself when it made its first note: it had sent one message of three."""
    worker = Worker(LARGE, tuning=Tuning(span_bytes=1, batch_bytes=1))
    member, _ = worker.member(b"")
    worker.member(b"", room=0)  # for which the log is kept
    ages, now = worker.pump.ages, 4 * SECOND
    ages.earlier = lambda sequence, _time: [(3, 0)] if sequence < 3 else []
    for _ in range(3):
        worker.log.publish(b"topic")
    assert worker.pump.advance(3, now)
    worker.obey(member, SlowPolicy("conflate", min_interval=9.0, limit_age=8.0), now)
    worker.enforce(now)
    assert (worker.pump.front, member.sequence) == (1, 1)

    worker.advance(now + 1)

    assert ages.age_of(1, now + 1) == now + 1


def test_drop_newest_finishes_what_is_queued_and_goes_on_with_the_present() -> None:
    worker, member = _behind(SlowPolicy("drop_newest", limit_messages=2))
    sink = member.send
    _publish(worker, 3)
    _enforced(worker)
    _publish(worker, 2)
    _enforced(worker)
    worker.pump.settle(member)
    assert (member.dropped, member.queued) == (3, 2)

    sink.room = 1 << 40  # type: ignore[attr-defined]
    worker.serve(member)
    _publish(worker, 1)

    assert (member.matched, member.sent, member.dropped) == (6, 3, 3)
    assert member.drops[0] == 3
    assert not member.blocked


@pytest.mark.parametrize(
    ("limits", "queued"),
    [
        ({"limit_messages": 5}, 5),
        ({"limit_bytes": 45}, 3),  # of 15 bytes
        ({"limit_bytes": 59, "limit_messages": 7}, 3),
        ({"limit_bytes": 3}, 1),  # one fits any limit
    ],
)
@pytest.mark.parametrize("wants_changed", [False, True])
def test_drop_newest_keeps_no_more_than_its_limit_however_much_comes_at_once(
    limits: dict[str, int], queued: int, wants_changed: bool
) -> None:
    worker, member = _behind(SlowPolicy("drop_newest", **limits))
    _publish(worker, 2)
    if wants_changed:
        worker.pump.subscribe(member, [b"3", b"other"])
    _publish(worker, 30)
    _enforced(worker)

    assert (member.matched, member.queued, member.dropped) == (32, queued, 32 - queued)


def test_drop_newest_keeps_what_was_begun_and_what_was_to_be_sent_by_older_wants() -> None:
    worker, member = _behind(SlowPolicy("drop_newest", limit_messages=3))
    sink = member.send
    _publish(worker, 5)
    sink.room = 7  # type: ignore[attr-defined]
    worker.serve(member)
    worker.pump.subscribe(member, [b"nothing"])
    _publish(worker, 5)
    _enforced(worker)
    assert (member.matched, member.queued, member.dropped) == (5, 3, 2)

    sink.room = 1 << 40  # type: ignore[attr-defined]
    worker.serve(member)
    assert (member.sent, member.dropped, member.blocked) == (3, 2, False)


@pytest.mark.parametrize("prefix", [b"", b"3"])
def test_drop_newest_loses_nothing_that_comes_when_nothing_waits_any_more(prefix: bytes) -> None:
    """Else who sees that it has everything, and publishes, is not heard by it."""
    worker = Worker(LARGE, tuning=Tuning(serve_steps=1))
    member, sink = worker.member(prefix, room=0)
    worker.obey(member, SlowPolicy("drop_newest", limit_messages=2))
    _publish(worker, 3)
    _enforced(worker)
    sink.room = 1 << 40
    worker.pump.serve(member, 0)
    worker.pump.settle(member)
    assert not member.queued
    before = member.dropped
    _publish(worker, 1)
    worker.serve(member)

    assert member.dropped == before > 0
    assert member.matched == member.sent + member.dropped


def test_disconnect_closes_it_and_says_why() -> None:
    worker, member = _behind(SlowPolicy("disconnect", limit_messages=2))
    _publish(worker, 3)

    worker.pump.enforce(0)

    slowed, lost = worker.pump.effects
    assert isinstance(slowed, Slowed)
    assert lost == Lost(member, Reason.TOO_SLOW, "3 messages wait for it")


def test_who_waits_for_nothing_is_not_behind_however_much_there_is_for_others() -> None:
    worker, member = _behind(SlowPolicy("disconnect"))
    worker.pump.speak(member, b"PONG", 0)
    for _ in range(600):
        worker.log.publish(b"other")
        worker.advance()
        assert _enforced(worker) == []

    assert worker.pump.move_tail() >= 600 - 512


@pytest.mark.parametrize("blocking", [0, 1])
def test_of_two_with_different_policies_only_one_holds_the_log(blocking: int) -> None:
    worker = Worker()
    members = [worker.member(b"", room=0)[0] for _ in range(2)]
    worker.obey(members[blocking], SlowPolicy("block"))
    for _ in range(60):
        worker.log.publish(b"A")
        worker.advance()
        _enforced(worker)

    assert members[blocking].dropped == 0
    assert members[1 - blocking].dropped > 0
    assert worker.pump.move_tail() == 0


def test_a_new_policy_holds_at_once_for_what_waits_already() -> None:
    worker, member = _behind(SlowPolicy())
    _publish(worker, 4)
    _enforced(worker)
    worker.obey(member, SlowPolicy(limit_messages=1))

    assert _enforced(worker) == [Slowed]
    assert (member.matched, member.dropped) == (4, 3)


def test_who_finishes_and_gets_another_policy_loses_nothing_from_then_on() -> None:
    worker, member = _behind(SlowPolicy("drop_newest", limit_messages=1))
    _publish(worker, 2)
    _enforced(worker)
    _publish(worker, 1)
    worker.obey(member, SlowPolicy("block"))
    _publish(worker, 1)

    worker.pump.settle(member)
    assert (member.matched, member.dropped, member.queued) == (4, 2, 2)


def test_of_a_limit_of_one_message_the_newest_stays() -> None:
    worker, member = _behind(SlowPolicy(limit_messages=1))
    for count in range(1, 5):
        _publish(worker, 1)
        _enforced(worker)
        assert (member.dropped, member.queued) == (count - 1, 1)


def test_who_finishes_by_one_policy_after_the_other_keeps_no_more_for_that() -> None:
    worker, member = _behind(SlowPolicy("drop_newest", limit_messages=1))
    _publish(worker, 2)
    _enforced(worker)
    for limit in range(100):
        worker.obey(member, SlowPolicy("drop_newest", limit_messages=1 + limit % 2, soft=1.0))
        _enforced(worker)
    assert len(member.older) == 2
    assert (member.dropped, member.queued) == (1, 1)


def test_who_changes_its_policy_again_and_again_and_takes_nothing_is_restless() -> None:
    worker = Worker(LARGE, tuning=Tuning(older_max=8))
    member, _ = worker.member(b"3", room=0)
    changes = 0
    while not any(isinstance(one, Lost) for one in worker.pump.effects):
        worker.obey(member, SlowPolicy("block"))
        _publish(worker, 2)
        worker.obey(member, SlowPolicy("drop_newest", limit_messages=changes + 1))
        worker.pump.enforce(0)
        changes += 1
        assert changes < 10, "it changes its policy for ever"

    assert len(member.older) <= 10
    (lost,) = [one for one in worker.pump.effects if isinstance(one, Lost)]
    assert lost.reason is Reason.RESTLESS
    assert (member.matched, member.sent, member.dropped) == (2 * changes, 0, changes)


def test_members_that_are_well_below_their_limits_are_not_looked_at(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    worker, _ = _behind(SlowPolicy(limit_messages=30))
    _publish(worker, 1)
    _enforced(worker)
    looked: list[object] = []
    monkeypatch.setattr(worker.pump.lags, "of", lambda *of: looked.append(of))

    _publish(worker, 1)
    _enforced(worker)

    assert not looked


@pytest.mark.unmeasured
def test_a_limit_of_a_hundred_messages_is_a_hundred_of_its_own_of_ten_thousand_topics() -> None:
    """It wants 20 of the topics; a jump leaves fifteen sixteenths of the limit."""
    limit, kept = 100, 93
    worker = Worker(Layout(4_096 * PAGE, 1 << 18, 4))
    topics = [b"%04d" % number for number in range(10_000)]
    mine = topics[::500]
    member, sink = worker.member(*mine, room=0)
    worker.obey(member, SlowPolicy(limit_messages=limit))
    wires = [encode_message([topic, b"x"]) for topic in topics]
    for lap in range(1, 9):
        worker.log.writer.refresh([])
        worker.log.writer.append_batch(wires, [0] * len(wires))
        worker.advance()
        worker.enforce()
        assert member.matched == lap * len(mine)
        assert member.queued <= limit
        assert (member.queued == member.matched) is (not member.dropped)
        assert member.queued >= kept or not member.dropped
    assert member.queued + member.dropped == 160
    assert kept <= member.queued <= limit

    queued = member.queued
    sink.room = 1 << 40
    worker.serve(member)
    assert (member.sent, member.queued) == (queued, 0)
    assert sink.taken.count(b"\1x") == queued
