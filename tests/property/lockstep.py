"""A pump and a naive queue that the same happens to, compared after each step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fanout.reasons import DROPPING
from fanout.shm.layout import PAGE, Layout
from fanout.terms.slow_policy import SlowPolicy
from fanout.workers.stream.member import LOST
from fanout.workers.tuning import Tuning
from fanout.zmtp.frames import encode_message
from tests.helpers.log import Worker
from tests.property.naive import ALL, LOSSES, Message, Naive

if TYPE_CHECKING:
    from collections.abc import Iterable

TICK = 10_000_000  # ns; each turn takes one
ROOMY = Layout(16 * PAGE, 1_024, 4)  # half of it is more than any run publishes
TUNING = Tuning(span_bytes=60, chunk_messages=8, census_messages=4)
PAYLOADS = (b"", b"payload", b"of another length than the others have")


class Lockstep:
    """One subscriber, twice.

    There is another one, which is never sent anything and has an age as its limit: for its sake
    the worker knows the age of each message, whatever policy the first one had before.
    """

    def __init__(self, policy: SlowPolicy, wants: Iterable[bytes], told: int) -> None:
        self.now = TICK
        self.worker = Worker(ROOMY, tuning=TUNING)
        self.pump = self.worker.pump
        self.witness, _sink = self.worker.member(b"", room=0)
        self.worker.obey(self.witness, SlowPolicy(limit_age=86_400.0))
        self.member, self.sink = self.worker.member(*wants, room=0)
        self.naive = Naive(SlowPolicy(), wants, self.worker.log.reader.epoch, self.now)
        self.do("told", told)
        self.do("policy", policy)

    def do(self, verb: str, what: Any) -> None:
        """One step, and the turns that belong to it."""
        if verb == "publish":
            for topic in what:
                self._publish(topic)
                self._turn()
        elif verb == "wait":
            for _ in range(what):
                self._turn()
        else:
            getattr(self, f"_{verb}")(what)
            self._turn()

    def _publish(self, topic: bytes) -> None:
        number = self.worker.log.reader.head()
        payload = PAYLOADS[number * number % len(PAYLOADS)]
        self.worker.log.publish(topic, payload)
        wire = encode_message([topic, payload])
        self.naive.publish(Message(number, topic, wire, self.now + TICK))

    def _room(self, count: int) -> None:
        self.sink.room += count
        self.naive.room += count

    def _policy(self, policy: SlowPolicy) -> None:
        self.worker.obey(self.member, policy, self.now + TICK)
        self.naive.obey(policy, self.now + TICK)

    def _told(self, level: int) -> None:
        self.pump.tell_gaps(self.member, losses=level >= LOSSES, conflated=level == ALL)
        self.naive.tell(level)

    def _wants(self, wants: Iterable[bytes]) -> None:
        self.pump.subscribe(self.member, wants, self.now + TICK)
        self.naive.wants = tuple(wants)

    def _turn(self) -> None:
        """As a worker has it: what is new, who is behind, limits."""
        pump, member = self.pump, self.member
        if member.state is LOST:
            return
        self.now += TICK
        self.worker.advance(self.now)
        pump.wake(self.now)
        if member.blocked and not pump.waits(member):
            pump.writable(member)
        while member in pump.runnable:
            pump.serve_runnable(self.now, 100)
        pump.enforce(self.now)
        self.naive.serve(self.now)
        self.naive.judge(self.now)
        self._compare()

    def _compare(self) -> None:
        member, naive = self.member, self.naive
        self.pump.settle(member)
        assert self.sink.taken == naive.taken
        assert (member.state is LOST) == naive.is_closed
        assert member.slow == naive.is_slow
        assert (member.sent_bytes, member.spoken_bytes) == (
            len(naive.taken) - naive.spoken,
            naive.spoken,
        )
        lost = [one for one, _ in naive.lost]
        counted = naive.matched, naive.sent, naive.queue, lost, naive.conflated
        assert (
            *(member.matched, member.sent, member.queued, member.dropped, member.conflated),
        ) == tuple(map(len, counted))
        assert (
            *(member.matched_bytes, member.queued_bytes + naive.begun),
            *(member.dropped_bytes, member.conflated_bytes),
        ) == tuple(map(_size, (naive.matched, naive.queue, lost, naive.conflated)))
        by_reason = [
            [one for one, reason in naive.lost if reason == label.label] for label in DROPPING[1:]
        ]
        assert member.drops == (*map(len, by_reason), *map(_size, by_reason))
        self._conserve()

    def _conserve(self) -> None:
        """What matched is in one place; and the totals of the worker are the sums."""
        naive = self.naive
        where = [*naive.sent, *naive.queue, *(one for one, _ in naive.lost), *naive.conflated]
        assert sorted(where) == naive.matched
        both, totals = (self.member, self.witness), self.pump.totals
        for name in ("sent", "dropped", "conflated"):
            for figure in (name, f"{name}_bytes"):
                assert getattr(totals, figure) == sum(getattr(one, figure) for one in both), figure
        assert totals.matched == sum(one.matched for one in both)
        assert self.pump.matched_bytes == sum(one.matched_bytes for one in both)


def _size(messages: Iterable[Message]) -> int:
    return sum(len(one.wire) for one in messages)


def run(policy: SlowPolicy, wants: Iterable[bytes], told: int, steps: Iterable[Any]) -> Lockstep:
    """All of it, and in the end room for everything and time enough.

    Raises:
        AssertionError: something is not as it is of the naive queue.
    """
    both = Lockstep(policy, wants, told)
    for verb, what in steps:
        both.do(verb, what)
    both.do("room", 1 << 30)
    if both.naive.policy.max_rate:
        both.do("policy", SlowPolicy("block"))
    both.do("wait", 20)
    assert both.naive.is_closed or not both.naive.queue
    return both
