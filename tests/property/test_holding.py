"""`block` at its limits: the publisher waits for as long as it must, and never for longer.

Whoever publishes, reads, is moved, loses its worker, and gets another policy, in whatever order:
after each turn of a worker the publisher is held up if somebody is over a limit, and is not if all
are a sixteenth below; and when all have read, it goes on. Small mistakes in that are noticed.
"""

from __future__ import annotations

from contextlib import closing
from random import Random
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest

from fanout.shm import layout as at
from fanout.shm.layout import PAGE, Layout
from fanout.shm.worker_slot import Tails, WorkerSlot
from fanout.terms.slow_policy import SlowPolicy
from fanout.workers.idling import Idling
from fanout.workers.policy.block import Block
from fanout.workers.stream.holding import Holding
from fanout.workers.stream.judging import Judging
from fanout.workers.tuning import TUNING
from tests.helpers.replacing import replacing
from tests.helpers.taking_over import TakingOver, messages_in

if TYPE_CHECKING:
    from fanout.workers.worker import Worker
    from tests.helpers.taking_over import Subscriber

LAYOUT = Layout(256 * PAGE, 2_048, 16)
SEEDS = range(12)
STEPS = 200
PAYLOAD = bytes(900)
POLICIES = (
    SlowPolicy("block", limit_messages=3),
    SlowPolicy("block", limit_messages=20),
    SlowPolicy("block", limit_bytes=8_000),
    SlowPolicy("block"),
)
OTHERS = SlowPolicy("drop_oldest", limit_messages=10)
MISTAKES: dict[str, tuple[Any, str, Any]] = {}
replaces = replacing(MISTAKES)


class Run:
    """One publisher, two workers, and subscribers, each of which has its own policy."""

    def __init__(self, taking: TakingOver, seed: int) -> None:
        self._taking = taking
        self._rng = Random(seed)
        self._published = 0
        self._waits = 0
        self._everybody: list[Subscriber] = []
        self._has_lost: set[Subscriber] = set()
        for _ in range(3):
            one = taking.connect([b"A"], self._rng.choice(taking.workers))
            self._everybody.append(one)
            taking.set_policy(one, self._rng.choice(POLICIES))

    @property
    def is_held(self) -> bool:
        """What the publisher sees when it looks for room."""
        taking = self._taking
        started = len(taking.places) + len(taking.dead)
        return Tails(taking.log.written.segment, started).are_held()

    def go(self) -> int:
        """All of it; returns how often the publisher had to wait."""
        verbs = (self._publish, self._publish, self._turn, self._turn, self._read)
        seldom = (self._move, self._die, self._choose)
        for _ in range(STEPS):
            self._rng.choice(seldom if self._rng.random() < 0.08 else verbs)()
        self._end()
        return self._waits

    def _publish(self) -> None:
        for _ in range(self._rng.choice((1, 3, 12))):
            if self.is_held:
                self._waits += 1
                return
            assert self._taking.publish(b"A", b"%d:" % self._published + PAYLOAD), "it has room"
            self._published += 1

    def _turn(self) -> None:
        worker = self._rng.choice(self._taking.workers)
        self._turns(worker)
        self._check(worker)

    def _turns(self, worker: Worker) -> None:
        """All that the worker does at once."""
        soon = self._taking.around(worker).loop.soon
        for _ in range(100):
            self._taking.turn(worker)
            if not soon:
                return

    def _check(self, worker: Worker) -> None:
        slot = self._taking.around(worker).slot
        over, all_below = [], True
        for peer in worker.desk.peers.values():
            policy, member = self._taking.subscribers[peer.id].policy, peer.member
            worker.pump.settle(member)
            if policy.action != "block":
                continue
            most = policy.limit_messages or 1 << 40, policy.limit_bytes or 1 << 40
            waits = member.queued, member.queued_bytes
            if any(one > limit for one, limit in zip(waits, most, strict=True)):
                over.append(peer.id)
            all_below = all_below and all(
                one <= limit * 15 // 16 for one, limit in zip(waits, most, strict=True)
            )
        if over:
            assert self.is_held, f"nobody waits for {over}"
            assert slot.holding in worker.desk.peers, "and says for whom"
        if all_below:
            assert slot.holding == 0, "it waits for nobody"

    def _read(self) -> None:
        self._rng.choice(self._everybody).read(self._rng.choice((500, 5_000, 50_000)))

    def _move(self) -> None:
        one = self._rng.choice(self._everybody)
        target = self._rng.choice(self._taking.workers)
        if target is not self._taking.served[one.number]:
            self._taking.move(one, target)
            self._turns(target)

    def _die(self) -> None:
        orphans = self._taking.kill(self._rng.choice(self._taking.workers))
        self._taking.start()
        heir = self._rng.choice(self._taking.workers)
        self._taking.hand_over(orphans, heir)
        self._turns(heir)

    def _choose(self) -> None:
        one = self._rng.choice(self._everybody)
        policy = self._rng.choice((*POLICIES, OTHERS))
        if policy is OTHERS:
            self._has_lost.add(one)
        self._taking.set_policy(one, policy)

    def _end(self) -> None:
        taking = self._taking
        for worker in taking.workers:
            taking.settle(worker)
        assert not self.is_held, "all have got everything, and the publisher waits"
        assert not taking.closed
        for one in self._everybody:
            numbers = [int(some.partition(b":")[0]) for _, some in messages_in(bytes(one.received))]
            assert numbers == sorted(set(numbers))
            if one not in self._has_lost:
                assert numbers == [*range(self._published)], "it has lost nothing"


def run(seed: int) -> int:
    options: dict[str, Any] = {
        "log_bytes": LAYOUT.data_bytes,
        "send_timeout": 3_600.0,
        "stall_timeout": 3_600.0,
    }
    with closing(TakingOver(LAYOUT, TUNING, **options)) as taking:
        return Run(taking, seed).go()


@replaces(Holding, "add")
def never_raise_it(_original: Any, _self: Holding, _member: Any) -> None:
    return


@replaces(Idling, "hold")
def never_lower_it(original: Any, self: Idling, subscriber: int) -> None:
    if subscriber:
        original(self, subscriber)


@replaces(Holding, "is_held_by")
def lower_it_too_early(_original: Any, self: Holding, member: Any, *where: Any) -> bool:
    lags, front, now = where
    is_there = isinstance(member.policy, Block) and member in self._blocked
    return is_there and bool(lags.exceeds(member, member.policy.limits.part(2), front, now))


@replaces(WorkerSlot, "release")
def let_the_dead_hold_it_up(original: Any, self: WorkerSlot, *moved: Any) -> None:
    sleep = self.words[at.W_SLEEPING]
    original(self, *moved)
    self.words[at.W_SLEEPING] = sleep


@replaces(Judging, "_look_anew")
def forget_to_look_at_who_has_come(original: Any, self: Judging, member: Any, **how: Any) -> None:
    if len(self._anew) % 2:
        original(self, member, **how)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_publisher_waits_as_long_as_it_must_and_no_longer(seed: int) -> None:
    run(seed)


def test_it_has_to_wait() -> None:
    assert sum(map(run, range(4))) > 10, "or the others show nothing"


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_noticed(name: str) -> None:
    owner, attribute, mistaken = MISTAKES[name]
    with mock.patch.object(owner, attribute, mistaken):
        for seed in SEEDS:
            try:
                run(seed)
            except AssertionError:
                return
    raise AssertionError("nothing is wrong")
