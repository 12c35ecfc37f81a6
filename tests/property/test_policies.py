"""What each policy does with what waits, against a naive queue; policies change in mid-stream."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from fanout.slow_policy import SlowPolicy
from fanout.workers.stream.member import LOST
from fanout.zmtp.frames import encode_message
from tests.helpers.log import Worker

TOPICS = st.sampled_from((b"A", b"AB", b"B", b"C"))
ACTIONS = ("drop_oldest", "drop_newest", "conflate", "disconnect", "block")
POLICIES = st.one_of(
    st.builds(SlowPolicy, st.sampled_from(ACTIONS), limit_messages=st.integers(1, 20)),
    st.builds(SlowPolicy, st.sampled_from(ACTIONS), limit_bytes=st.integers(1, 300)),
    st.just(SlowPolicy("conflate")),
)
STEPS = st.one_of(
    st.tuples(st.just("publish"), st.lists(TOPICS, min_size=1, max_size=8)),
    st.tuples(st.just("room"), st.integers(0, 100)),
    st.tuples(st.just("policy"), POLICIES),
)


class Naive:
    """One queue, and what is done to it at its limits."""

    def __init__(self, policy: SlowPolicy, wants: bytes) -> None:
        self.policy = policy
        self.wants = wants
        self.queue: list[tuple[int, bytes, bytes]] = []  # number, topic, wire
        self.passing = 0  # messages below this are sent, and not thinned again
        self.begun = 0
        self.taken = b""
        self.lost: list[int] = []
        self.conflated: list[int] = []
        self.finishes = False
        self.is_closed = False

    def publish(self, number: int, topic: bytes, wire: bytes) -> None:
        if topic.startswith(self.wants):
            if self.finishes:
                self.lost.append(number)
            else:
                self.queue.append((number, topic, wire))

    def obey(self, policy: SlowPolicy) -> None:
        self.policy, self.finishes = policy, False

    def judge(self, front: int) -> None:
        """After each message."""
        policy = self.policy
        size = sum(len(wire) for _, _, wire in self.queue) - self.begun
        most, most_bytes = policy.limit_messages, policy.limit_bytes
        is_over = (most and len(self.queue) > most) or (most_bytes and size > most_bytes)
        if not is_over or self.is_closed or self.finishes or policy.action == "block":
            return
        if policy.action == "disconnect":
            self.is_closed = True
        elif policy.action == "drop_newest":
            self.finishes = True
        elif policy.action == "conflate":
            self.thin(front)
        else:
            self._drop(max(1, most * 15 // 16), most_bytes * 15 // 16)

    def _drop(self, messages: int, size: int) -> None:
        waiting = self.queue[bool(self.begun) :]
        left = self.queue[: bool(self.begun)]
        while waiting and self._is_over([*left, *waiting], messages, size):
            self.lost.append(waiting.pop(0)[0])
        self.queue = [*left, *waiting]

    def _is_over(self, queue: list[tuple[int, bytes, bytes]], messages: int, size: int) -> bool:
        if self.policy.limit_messages:
            return len(queue) > messages
        return sum(len(wire) for _, _, wire in queue) - self.begun > size

    def thin(self, front: int) -> None:
        """It keeps the newest of each topic, and what is begun."""
        waiting = self.queue[bool(self.begun) :]
        newest = {topic: number for number, topic, _ in waiting}
        gone = [number for number, topic, _ in waiting if newest[topic] != number]
        self.queue = [one for one in self.queue if one[0] not in gone]
        self.conflated += gone
        self.passing = front

    def take(self, room: int, front: int) -> None:
        """Its socket takes so much."""
        policy = self.policy
        has_limit = policy.limit_messages or policy.limit_bytes
        is_thin = policy.action == "conflate" and not has_limit
        while room and self.queue and not self.is_closed:
            if is_thin and not self.begun and self.queue[0][0] >= self.passing:
                self.thin(front)
            _number, _topic, wire = self.queue[0]
            count = min(room, len(wire) - self.begun)
            self.taken += wire[self.begun : self.begun + count]
            self.begun += count
            room -= count
            if self.begun == len(wire):
                del self.queue[0]
                self.begun = 0
        if room and not self.queue:
            self.finishes = False


@settings(deadline=None, max_examples=60)
@given(st.lists(STEPS, max_size=30), POLICIES, st.sampled_from((b"", b"A")))
def test_the_same_is_sent_lost_and_conflated_as_of_a_queue(
    steps: list[Any], policy: SlowPolicy, wants: bytes
) -> None:
    worker = Worker()
    pump = worker.pump
    member, sink = worker.member(wants, room=0)
    worker.obey(member, policy)
    naive = Naive(policy, wants)
    for verb, what in steps:
        if verb == "publish":
            for topic in what:
                number = worker.log.publish(topic, b"%d" % worker.log.reader.head())
                naive.publish(number, topic, encode_message([topic, b"%d" % number]))
                worker.advance()
                pump.enforce(0)
                naive.judge(number + 1)
        elif verb == "policy":
            worker.obey(member, what)
            naive.obey(what)
            pump.enforce(0)
            naive.judge(pump.front)
        else:
            sink.room = what
            if member.blocked:
                pump.writable(member)
                worker.serve(member)
            naive.take(what, pump.front)
            sink.room = 0
        pump.settle(member)
        assert sink.taken == naive.taken
        assert (member.state is LOST) == naive.is_closed
        if naive.is_closed:
            return
        assert (member.dropped, member.conflated) == (len(naive.lost), len(naive.conflated))
        assert member.queued == len(naive.queue)
        assert member.matched == member.sent + member.queued + member.dropped + member.conflated
        accounted = member.sent_bytes + member.queued_bytes
        accounted += member.dropped_bytes + member.conflated_bytes
        assert member.matched_bytes == accounted
