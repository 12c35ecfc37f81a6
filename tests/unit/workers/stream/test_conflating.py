"""Conflating: who is behind gets the newest message of each topic, in order, and nothing else."""

from __future__ import annotations

import sys
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from fanout.shm.layout import PAGE, Layout
from fanout.terms.slow_policy import SlowPolicy
from fanout.workers.tuning import TUNING
from fanout.zmtp.frames import encode_message
from tests.helpers.log import Sink, Worker

if TYPE_CHECKING:
    from collections.abc import Callable

    from fanout.workers.stream.member import Member

LARGE = Layout(64 * PAGE, 4_096, 4)
SECOND = 1_000_000_000


def _publish(worker: Worker, *topics: bytes, now: int = 0, topic_id: int = 0) -> None:
    for topic in topics:
        worker.log.publish(topic, b"%08d" % worker.log.reader.head(), topic_id=topic_id)
    worker.advance(now)


def _conflating(
    *prefixes: bytes, policy: SlowPolicy | None = None, room: int = 0
) -> tuple[Worker, Member, Sink]:
    worker = Worker(LARGE)
    member, sink = worker.member(*prefixes, room=room)
    worker.obey(member, policy or SlowPolicy("conflate"))
    return worker, member, sink


def _sent(sink: Sink) -> list[tuple[bytes, int]]:
    """Topics and numbers of what has arrived."""
    found, wire = [], sink.taken
    while wire:
        size = wire[1]
        topic = wire[2 : 2 + size]
        found.append((topic, int(wire[4 + size : 12 + size])))
        wire = wire[12 + size :]
    return found


@pytest.mark.parametrize("prefixes", [(b"",), (b"A", b"B"), (b"A", b"B", b"C", b"D", b"E", b"F")])
def test_the_newest_of_each_topic_in_the_order_of_publication(prefixes: tuple[bytes, ...]) -> None:
    worker, member, sink = _conflating(*prefixes)
    _publish(worker, b"A", b"B", b"A", b"B", b"B", b"A", b"A", b"B")
    sink.room = 1 << 40
    worker.serve(member)

    assert _sent(sink) == [(b"A", 6), (b"B", 7)]
    assert (member.matched, member.sent, member.conflated, member.queued) == (8, 2, 6, 0)
    assert member.conflated_bytes == 6 * len(encode_message([b"A", b"00000000"]))
    assert worker.pump.totals.conflated == 6
    assert not member.blocked


def test_what_was_begun_is_finished_first() -> None:
    worker, member, sink = _conflating(b"", room=5)
    _publish(worker, b"A", b"A", b"A")
    sink.room = 1 << 40
    worker.serve(member)

    assert _sent(sink) == [(b"A", 0), (b"A", 2)]
    assert (member.sent, member.conflated) == (2, 1)


def test_a_pass_is_finished_before_the_next_one_begins() -> None:
    """So that each topic has its turn, however often others come."""
    worker, member, sink = _conflating(b"")
    _publish(worker, b"A", b"B", b"C")
    size = len(encode_message([b"A", b"00000000"]))
    sink.room = size + 3
    worker.serve(member)
    _publish(worker, b"A", b"C", b"A", b"C")
    sink.room = 1 << 40
    worker.serve(member)

    assert _sent(sink) == [(b"A", 0), (b"B", 1), (b"C", 2), (b"A", 5), (b"C", 6)]
    assert member.conflated == 2


def test_many_updates_of_a_hundred_topics_are_a_hundred_messages() -> None:
    worker, member, sink = _conflating(b"")
    topics = [b"t%03d" % number for number in range(100)]
    for _ in range(20):
        _publish(worker, *topics)
        worker.pump.enforce(0)
    sink.room = 1 << 40
    worker.serve(member)

    assert [topic for topic, _ in _sent(sink)] == topics
    assert (member.sent, member.conflated, member.dropped) == (100, 1_900, 0)


def test_with_a_limit_it_gets_everything_below_it() -> None:
    worker, member, sink = _conflating(b"", policy=SlowPolicy("conflate", limit_messages=3))
    _publish(worker, b"A", b"A", b"A")
    worker.pump.enforce(0)
    assert member.conflated == 0
    _publish(worker, b"A")
    worker.pump.enforce(0)
    assert member.conflated == 3
    sink.room = 1 << 40
    worker.serve(member)

    assert _sent(sink) == [(b"A", 3)]


def test_what_is_newest_and_half_of_the_log_behind_is_lost() -> None:
    worker, member, sink = _conflating(b"")
    _publish(worker, b"old")
    for _ in range(21):
        _publish(worker, *[b"A"] * 100)
        worker.pump.enforce(0)
    sink.room = 1 << 40
    worker.serve(member)

    assert [topic for topic, _ in _sent(sink)] == [b"A"]
    assert (member.dropped, member.conflated) == (1, 2_099)


def test_different_wants_meanwhile_each_hold_for_their_messages() -> None:
    worker, member, sink = _conflating(b"A")
    _publish(worker, b"A", b"B", b"A")
    worker.pump.subscribe(member, [b"B"])
    _publish(worker, b"A", b"B", b"B")
    sink.room = 1 << 40
    worker.serve(member)

    assert _sent(sink) == [(b"A", 2), (b"B", 5)]
    assert (member.matched, member.conflated) == (4, 2)


def test_members_that_stand_at_the_same_place_share_what_is_found() -> None:
    worker = Worker(LARGE)
    members = [worker.member(b"", room=0)[0] for _ in range(3)]
    for member in members:
        worker.obey(member, SlowPolicy("conflate"))
    _publish(worker, b"A", b"B", b"A")
    for member in members:
        worker.pump.backlog.conflate(member, worker.pump.front)

    assert len({id(member.older[0][1]) for member in members}) == 1


CHOICES: list[tuple[bytes, ...]] = [(b"",), (b"t1",), (b"t00", b"t15", b"u"), (b"t19",)]


@pytest.mark.unmeasured
@pytest.mark.parametrize("prefixes", CHOICES)
@pytest.mark.parametrize("topics", [1, 7, 200])
def test_who_wants_to_know_is_told_which_were_left_out(
    prefixes: tuple[bytes, ...], topics: int
) -> None:
    """First, last and number are those of what it wanted and is not sent, whatever that is."""
    worker, member, _sink = _conflating(*prefixes)
    worker.pump.tell_gaps(member, losses=True, conflated=True)
    names = [b"t%03d" % (number * number % 199 % topics) for number in range(3_000)]
    for first in range(0, len(names), 500):
        _publish(worker, *names[first : first + 500])
    wanted = [number for number, name in enumerate(names) if name.startswith(prefixes)]
    newest = {names[number]: number for number in wanted}
    gone = [number for number in wanted if number not in newest.values()]
    worker.pump.backlog.conflate(member, worker.pump.front)

    assert member.gaps is not None
    told = [(gap.first, gap.last, gap.count) for gap in member.gaps.pending]
    assert told == ([(gone[0], gone[-1], len(gone))] if gone else [])
    assert member.conflated == len(gone)


def _calls(run: Callable[[], object]) -> int:
    found = 0

    def count(_frame: object, event: str, _argument: object) -> None:
        nonlocal found
        found += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        run()
    finally:
        sys.setprofile(None)
    return found


@pytest.mark.parametrize("told", [False, True])
@pytest.mark.parametrize("prefixes", [(b"",), (b"t", b"u")])
def test_a_pass_costs_what_is_sent_and_not_what_was_published(
    prefixes: tuple[bytes, ...], told: bool
) -> None:
    """The messages are looked at once, for all who conflate, and that is the first of them."""
    costs = []
    for rounds in (20, 52):  # the last part of the log is as long
        worker = Worker(LARGE, tuning=replace(TUNING, census_messages=64))
        members = []
        for _ in range(2):
            member, _sink = worker.member(*prefixes, room=0)
            worker.obey(member, SlowPolicy("conflate"))
            worker.pump.tell_gaps(member, losses=True, conflated=told)
            members.append(member)
            _publish(worker, b"t00")  # so that they stand at different places
        for _ in range(rounds):
            _publish(worker, *[b"t%02d" % number for number in range(10)])
        first, second = (
            partial(worker.pump.backlog.conflate, m, worker.pump.front) for m in members
        )
        first()
        costs.append(_calls(second))
        assert [member.conflated for member in members] == [10 * rounds - 8, 10 * rounds - 9]

    assert costs[1] - costs[0] < 50  # for 320 messages: a step of a bisection, a few parts more


class TestAnInterval:
    """`min_interval`: no topic more often, whether it keeps up or not."""

    def test_what_comes_meanwhile_is_conflated(self) -> None:
        policy = SlowPolicy("conflate", min_interval=1.0)
        worker, member, sink = _conflating(b"", policy=policy, room=1 << 40)
        for now in range(0, 3 * SECOND, SECOND // 10):
            _publish(worker, b"A", now=now)
            worker.pump.wake(now)
            worker.pump.serve_runnable(now, 10)

        assert [number for _, number in _sent(sink)] == [0, 10, 20]
        assert member.conflated == 18
        assert worker.pump.next_wake == 3 * SECOND

    def test_a_pass_that_ends_with_what_it_does_not_want_is_one(self) -> None:
        policy = SlowPolicy("conflate", min_interval=1.0)
        worker, member, sink = _conflating(b"A", policy=policy, room=1 << 40)
        _publish(worker, b"A")
        sink.room = 5
        worker.serve(member)
        worker.pump.speak(member, b"PONG", 0)  # so the rest of that message is not in the log
        sink.room = 0
        for _ in range(21):
            _publish(worker, *[b"B"] * 100)
        worker.pump.enforce(0)  # and all that is there it does not want
        _publish(worker, b"A")
        sink.room = 1 << 40
        worker.serve(member)
        assert sink.taken.endswith(b"PONG")
        assert member in worker.pump.rests
        worker.pump.wake(SECOND)
        worker.pump.serve_runnable(SECOND, 10)

        assert member.sent == 2

    @pytest.mark.parametrize(
        "limits", [{"limit_bytes": 30}, {"limit_messages": 1}, {"limit_age": 0.1}], ids=str
    )
    def test_a_limit_brings_no_topic_again_in_the_middle_of_a_pass(
        self, limits: dict[str, float]
    ) -> None:
        fields: dict[str, Any] = limits
        policy = SlowPolicy("conflate", min_interval=1.0, **fields)
        worker, member, sink = _conflating(b"", policy=policy)
        _publish(worker, b"A", b"B", b"C")
        sink.room = 30  # A, and a part of B
        worker.serve(member)
        _publish(worker, b"A", b"B", now=SECOND // 2)
        worker.pump.enforce(SECOND // 2)
        sink.room = 1 << 40
        worker.serve(member)

        assert _sent(sink) == [(b"A", 0), (b"B", 1), (b"C", 2)]
        assert worker.pump.waits(member)

    def test_nobody_wakes_for_who_has_rested_before_there_is_something_for_it(self) -> None:
        """Else a stranger with an interval of a billionth of a second would take a core."""
        policy = SlowPolicy("conflate", min_interval=1e-9)
        worker, member, sink = _conflating(b"", policy=policy, room=1 << 40)
        worker.serve(member)
        for now in range(1, 4):
            worker.pump.wake(now)
            assert not worker.pump.runnable
            assert worker.pump.next_wake is None
        assert worker.pump.waits(member)
        _publish(worker, b"A", now=SECOND)
        worker.pump.wake(SECOND)
        worker.pump.serve_runnable(SECOND, 10)

        assert _sent(sink) == [(b"A", 0)]
        assert worker.pump.next_wake == SECOND + 1

    def test_what_comes_after_it_has_rested_comes_at_once(self) -> None:
        policy = SlowPolicy("conflate", min_interval=1.0)
        worker, member, sink = _conflating(b"", policy=policy, room=1 << 40)
        worker.serve(member)
        for now in (SECOND, 2 * SECOND, 5 * SECOND // 2):  # it was sent nothing all that time
            worker.pump.wake(now)
            worker.pump.serve_runnable(now, 10)
        _publish(worker, b"A", now=5 * SECOND // 2)
        worker.pump.wake(5 * SECOND // 2)
        worker.pump.serve_runnable(5 * SECOND // 2, 10)

        assert _sent(sink) == [(b"A", 0)]

    def test_it_is_answered_meanwhile(self) -> None:
        policy = SlowPolicy("conflate", min_interval=1.0)
        worker, member, sink = _conflating(b"", policy=policy, room=1 << 40)
        worker.serve(member)
        worker.pump.speak(member, b"PONG", 0)
        _publish(worker, b"A")
        worker.pump.serve_runnable(0, 10)

        assert sink.taken == b"PONG"

    def test_at_the_end_nobody_rests(self) -> None:
        policy = SlowPolicy("conflate", min_interval=100.0)
        worker, member, sink = _conflating(b"", policy=policy, room=1 << 40)
        worker.serve(member)
        _publish(worker, b"A")
        worker.pump.hurry(0)
        worker.serve(member)

        assert _sent(sink) == [(b"A", 0)]
        assert not member.blocked

    def test_without_it_everything_comes_again(self) -> None:
        policy = SlowPolicy("conflate", min_interval=100.0)
        worker, member, sink = _conflating(b"", policy=policy, room=1 << 40)
        worker.serve(member)
        _publish(worker, b"A", b"A")
        worker.obey(member, SlowPolicy())
        worker.serve(member)
        _publish(worker, b"A")

        assert [number for _, number in _sent(sink)] == [0, 1, 2]
        assert not member.blocked


@pytest.mark.unmeasured
def test_a_thousand_topics_updated_a_thousand_times_each_are_a_thousand_messages() -> None:
    """For who reads once."""
    worker = Worker(Layout(4_096 * PAGE, 1 << 20, 4))  # 16 MiB: it keeps all of them
    member, sink = worker.member(b"", room=0)
    worker.obey(member, SlowPolicy("conflate"))
    topics = [b"%03d" % number for number in range(1_000)]
    wires = [encode_message([topic, b"%08d" % number]) for number, topic in enumerate(topics)]
    for _ in range(1_000):
        worker.log.writer.refresh([])
        worker.log.writer.append_batch(wires, range(1, 1_001))
    worker.advance()
    sink.room = 1 << 40
    worker.serve(member)

    assert [topic for topic, _number in _sent(sink)] == topics
    assert (member.matched, member.sent, member.queued) == (1_000_000, 1_000, 0)
    assert (member.conflated, member.dropped) == (999_000, 0)
