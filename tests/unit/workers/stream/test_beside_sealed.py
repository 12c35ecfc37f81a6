"""What a message waits for beside sealed members: a pump in which each send takes some time.

The time is that of a clock that each send moves on, and messages are published at fixed times of
it, whatever the pump is about. So who does what while others wait is exact.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fanout.shm.layout import PAGE, Layout
from fanout.terms.slow_policy import SlowPolicy
from fanout.workers.connections.sealed import NOTHING_KEPT, Sealing
from fanout.workers.policy.choice import policy_of
from fanout.workers.policy.drop_oldest import DropOldest
from fanout.workers.stream.judging import SEALED_JUDGED
from fanout.workers.stream.member import Member
from fanout.workers.stream.turn_part import TurnPart
from fanout.workers.tuning import TUNING
from fanout.zmtp.sealer import Sealer
from tests.helpers.boxes import KEY, NoBoxes
from tests.helpers.log import Worker

if TYPE_CHECKING:
    from fanout.workers.policy.base import Policy

SEAL_NS = 300_000  # one send of boxes
PLAIN_NS = 4_000  # one send to somebody plain
TURN_NS = 20_000  # what a turn takes besides
SEALED, PLAIN, WAITING = 6, 10, 2_500  # members, and messages that wait for each who is sealed
PAYLOAD = bytes(128)
LARGE = Layout(256 * PAGE, 8_192, 4)


class Model:
    """A worker's turns, with some who are sealed and far behind, and some who keep up."""

    def __init__(self, plain_ns: int = PLAIN_NS, judge_ns: int = 0) -> None:
        self.now = 0
        self.plain_ns = plain_ns
        self.part = TurnPart(lambda: self.now)
        self.worker = Worker(LARGE, part=self.part)
        self.pump = self.worker.pump
        self.sealed_ns = self.plain_sends_ns = 0
        self.published: list[int] = []  # when
        self.next_at, self.every_ns = 1 << 62, 0
        self.waits: list[int] = []
        self.boxes = NoBoxes()
        self.sealing = Sealing(self.pump.sealed_turns.is_over)
        self.judged = 0
        self.policy: Policy = Slowly(self, judge_ns) if judge_ns else self.worker.policy
        self.behind = [self._sealed(number) for number in range(SEALED)]
        for _ in range(WAITING):
            self._publish()
        self.worker.advance()  # the sealed ones take nothing in a round
        for number in range(PLAIN):
            self._subscribe(Member(100 + number, self._takes, self.worker.policy))
        self.had = len(self.published)

    def publish_every(self, nanoseconds: int) -> None:
        """From now on."""
        self.next_at, self.every_ns = self.now + nanoseconds, nanoseconds

    def turn(self) -> None:
        self.pass_by(TURN_NS)
        self.part.begin()
        self.worker.advance(self.now)
        self.part.begin()
        self.pump.serve_runnable(self.now, 256)
        self.part.begin()
        self.pump.enforce(self.now)

    def pass_by(self, nanoseconds: int) -> None:
        self.now += nanoseconds
        while self.now >= self.next_at:
            self._publish()
            self.next_at += self.every_ns

    def _publish(self) -> None:
        self.worker.log.publish(b"topic", PAYLOAD)
        self.published.append(min(self.now, self.next_at))

    def _subscribe(self, member: Member) -> Member:
        self.pump.subscribe(member, [b""])
        return member

    def _sealed(self, number: int) -> Member:
        sealer = Sealer(self.boxes, KEY, b"%016d" % number, 1)
        member = self._subscribe(Member(number, self._takes_boxes, self.policy))
        make: Any = self.sealing.under(sealer, NOTHING_KEPT)
        self.pump.throttles.put_under(member, make)
        return member

    def _takes_boxes(self, data: bytes | memoryview) -> int:
        self.sealed_ns += SEAL_NS
        self.pass_by(SEAL_NS)
        return len(data)

    def _takes(self, data: bytes | memoryview) -> int:
        """What came since the last message that a plain one was sent has waited until now."""
        if self.pump.front > self.had:
            self.waits += [self.now - at for at in self.published[self.had : self.pump.front]]
            self.had = self.pump.front
        self.plain_sends_ns += self.plain_ns
        self.pass_by(self.plain_ns)
        return len(data)


def test_a_message_waits_for_one_send_of_boxes_and_not_for_a_turn_of_them() -> None:
    model = Model()
    model.publish_every(1_000_000)
    while model.behind[0].blocked and len(model.waits) < 20:
        model.turn()
    assert len(model.waits) == 20
    assert model.sealed_ns > 10_000_000
    assert max(model.waits) <= SEAL_NS + TURN_NS
    assert TUNING.others_ns > 2 * SEAL_NS  # a turn would be longer


def test_who_needs_more_than_a_half_leaves_the_sealed_ones_theirs() -> None:
    model = Model(plain_ns=60_000)
    model.publish_every(100_000)
    while model.sealed_ns < 20_000_000:
        model.turn()
        assert model.now < 100_000_000
    assert 0.8 < model.sealed_ns / model.plain_sends_ns < 1.2


def test_who_is_sealed_loses_nothing_by_that() -> None:
    model = Model()
    model.publish_every(5_000_000)
    while any(member.blocked for member in model.behind):
        model.turn()
        assert model.now < 1_000_000_000
    for member in model.behind:
        model.pump.settle(member)
        assert member.sent == model.pump.front
    assert max(model.waits) <= SEAL_NS + TURN_NS


class Slowly(DropOldest):
    """It takes time to judge who is behind, and who is has a low limit."""

    __slots__ = ("_model", "_nanoseconds")

    def __init__(self, model: Model, nanoseconds: int) -> None:
        losing, log = SlowPolicy("drop_oldest", limit_messages=100), model.worker.log.reader
        super().__init__(policy_of(losing, log.size, log.entries).limits)
        self._model, self._nanoseconds = model, nanoseconds

    def judge(self, lag: Any) -> Any:
        self._model.judged += 1
        self._model.pass_by(self._nanoseconds)
        return super().judge(lag)


def test_to_judge_them_counts_for_nobody() -> None:
    """Or sealed ones would have as long again, while others wait for both."""
    model = Model(judge_ns=40_000)
    turns, before = model.pump.sealed_turns, model.now
    ended = turns._ended
    model.part.begin()
    model.pump.enforce(model.now)
    assert model.judged == SEALED
    assert turns._ended - ended == model.now - before == SEALED * 40_000


class PublishedMeanwhile(DropOldest):
    """While the third of these is judged, something new comes for others."""

    __slots__ = ()
    worker: Worker
    judged = 0

    def judge(self, lag: Any) -> Any:
        type(self).judged += 1
        if self.judged == 3:
            self.worker.log.publish(b"topic", PAYLOAD)
        return super().judge(lag)


def test_something_new_does_not_wait_until_all_sealed_ones_who_lose_are_judged() -> None:
    """They come to their limits together."""
    worker = Worker(LARGE)
    log, losing = worker.log.reader, SlowPolicy("drop_oldest", limit_messages=4)
    PublishedMeanwhile.worker, PublishedMeanwhile.judged = worker, 0
    policy = PublishedMeanwhile(policy_of(losing, log.size, log.entries).limits)
    sealing = Sealing(worker.pump.sealed_turns.is_over)
    for number in range(100):
        member, _ = worker.member(b"", room=0)
        member.policy = policy
        if number >= 10:
            make: Any = sealing.under(Sealer(NoBoxes(), KEY, b"%016d" % number, 1), NOTHING_KEPT)
            worker.pump.throttles.put_under(member, make)
    for _ in range(8):
        worker.log.publish(b"topic", PAYLOAD)
    worker.advance()
    assert worker.pump.enforce(0)
    assert policy.judged == 10 + SEALED_JUDGED
    assert worker.pump.enforce(0)
    assert policy.judged == 10 + 2 * SEALED_JUDGED
    worker.advance()
    assert not worker.pump.enforce(0)
    assert policy.judged == 100
    assert all(member.queued <= 4 for member in worker.pump.blocked)
