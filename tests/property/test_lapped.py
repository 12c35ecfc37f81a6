"""Who conflates and is lapped keeps the newest of each topic, and is told of what it loses.

The log is so small that half of it, which is as far as anybody may be behind, is over soon.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import given, settings
from hypothesis import strategies as st

from fanout.terms.slow_policy import SlowPolicy
from fanout.workers.stream.segments import segments
from fanout.workers.stream.values import Values
from tests.helpers.log import SMALL, Worker
from tests.property.test_gaps import parts_of

if TYPE_CHECKING:
    from fanout.workers.stream.member import Member

TICK = 10_000_000  # ns
KEPT = SMALL.entries // 2 * 15 // 16  # messages: who is over half of the log jumps to there
BUSY = st.sampled_from((b"A", b"B"))
QUIET = st.sampled_from([b"A%d" % number for number in range(12)])
STEPS = st.one_of(
    st.tuples(st.just("publish"), st.lists(BUSY, min_size=5, max_size=9)),
    st.tuples(st.just("publish"), st.lists(QUIET, min_size=1, max_size=2)),
    st.tuples(st.just("room"), st.sampled_from((0, 3, 20, 60))),
)
POLICIES = st.sampled_from(
    (
        SlowPolicy("conflate"),
        SlowPolicy("conflate", min_interval=0.02),
        SlowPolicy("conflate", limit_messages=5),
    )
)


def waiting(member: Member, front: int, topics: list[bytes]) -> set[int]:
    """What a member is still to be sent."""
    found = {member.spilled} if member.spill else set()
    for first, until, wants in segments(member, member.sequence, front):
        if isinstance(wants, Values):
            found.update(wants.between(first, until))
        elif wants is not None:
            found.update(one for one in range(first, until) if wants.wants(topics[one]))
    return found


class Lapped:
    """One subscriber, and what was published."""

    def __init__(self, policy: SlowPolicy, prefix: bytes) -> None:
        self.worker = Worker()
        self.prefix = prefix
        self.member, self.sink = self.worker.member(prefix, room=0)
        self.worker.obey(self.member, policy)
        self.worker.pump.tell_gaps(self.member, losses=True, conflated=True)
        self.topics: list[bytes] = []
        self.too_old = set[int]()
        self.now = 0

    def publish(self, topics: list[bytes]) -> None:
        for topic in topics:
            self.worker.log.publish(topic, b"%d" % len(self.topics))
            self.topics.append(topic)

    def turn(self) -> None:
        pump, member = self.worker.pump, self.member
        self.now += TICK
        self.worker.advance(self.now)
        pump.wake(self.now)
        if member.blocked and not pump.waits(member):
            pump.writable(member)
        for _ in range(20):
            pump.serve_runnable(self.now, 100)
        pump.settle(member)
        self.enforce()

    def enforce(self) -> None:
        """What is gone then has a newer one on its topic, or is beyond what may wait."""
        pump, topics = self.worker.pump, self.topics
        before = waiting(self.member, pump.front, topics)
        pump.enforce(self.now)
        pump.settle(self.member)
        there = waiting(self.member, pump.front, topics)
        for one in before - there:
            if not any(two > one and topics[two] == topics[one] for two in there):
                assert one < pump.front - KEPT
                self.too_old.add(one)

    def check(self) -> None:
        """In the end: all that it has not got was counted, and told before what comes after it."""
        member, got, told = self.member, set[int](), list[dict[str, Any]]()
        wanted = {n for n, topic in enumerate(self.topics) if topic.startswith(self.prefix)}
        parts = parts_of(self.sink.taken)
        received = {part for part in parts if isinstance(part, int)}
        missing = wanted - received
        for one in missing:
            later = (two for two in self.too_old | received if two >= one)
            assert any(self.topics[two] == self.topics[one] for two in later)
        for part in parts:
            if isinstance(part, dict):
                told.append(part)
                continue
            assert part > max(got, default=-1)
            got.add(part)
            for one in missing:
                assert one > part or any(gap["first"] <= one <= gap["last"] for gap in told)
        assert member.queued == 0
        assert len(missing) == member.dropped + member.conflated
        counts = {"conflated": member.conflated, "lag_log": member.dropped}
        for reason, count in counts.items():
            assert sum(gap["count"] for gap in told if gap["reason"] == reason) == count
        assert {gap["reason"] for gap in told} <= {*counts}


@settings(deadline=None, max_examples=60)
@given(POLICIES, st.sampled_from((b"", b"A")), st.lists(STEPS, min_size=20, max_size=50))
def test_it_keeps_the_newest_within_half_of_the_log_and_is_told_of_what_it_loses(
    policy: SlowPolicy, prefix: bytes, steps: list[Any]
) -> None:
    one = Lapped(policy, prefix)
    for verb, what in steps:
        if verb == "publish":
            one.publish(what)
        else:
            one.sink.room += what
        one.turn()
    one.sink.room = 1 << 40
    for _ in range(20):
        one.turn()
    one.check()
