"""`block` at its limits: the publisher waits for as long as it must, and never for longer.

Whoever publishes, reads, comes, is moved, loses its worker, and gets another policy, in whatever
order: as seen after each turn of a worker, nobody has more waiting than its limit but for one call,
and than there was if it got the limit with more; if all are a sixteenth below, the publisher can go
on; and when all have read, it goes on. Small mistakes in that are noticed.
"""

from __future__ import annotations

from contextlib import closing
from random import Random
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest

from fanout.shm import layout as at
from fanout.shm.bells import Bell
from fanout.shm.credit import FREE, USED_UP, Credit, read_credit
from fanout.shm.doorbell import Doorbell
from fanout.shm.header import Header
from fanout.shm.layout import PAGE, Layout
from fanout.shm.log import NO_SPACE, LogWriter
from fanout.shm.worker_slot import HOLDS, NO_TAIL, Tails, WorkerSlot
from fanout.terms.slow_policy import SlowPolicy
from fanout.workers.deliveries import Deliveries
from fanout.workers.idling import Idling
from fanout.workers.policy.block import Block
from fanout.workers.stream import holding
from fanout.workers.stream.holding import Holding
from fanout.workers.stream.judging import Judging
from fanout.workers.tuning import TUNING
from fanout.zmtp.frames import encode_message
from tests.helpers.replacing import replacing
from tests.helpers.taking_over import TakingOver, messages_in

if TYPE_CHECKING:
    from fanout.workers.worker import Worker
    from tests.helpers.taking_over import Subscriber

LAYOUT = Layout(512 * PAGE, 4_096, 16)
SEEDS = range(16)
STEPS = 200
SIZE = 1_000  # of a message, about
PAYLOAD = bytes(SIZE - 100)
TOPICS = (b"A", b"A", b"B")  # the last one is wanted by nobody but who comes and goes
POLICIES = (
    SlowPolicy("block", limit_messages=3),
    SlowPolicy("block", limit_messages=20),
    SlowPolicy("block", limit_bytes=8_000),
    SlowPolicy("block"),
)
OTHERS = SlowPolicy("drop_oldest", limit_messages=10)
MISTAKES: dict[str, tuple[Any, str, Any]] = {}
replaces = replacing(MISTAKES)


class Sender:
    """Publishes as a send path does: it looks at the credit only when it has none left, or is told.

    Attributes:
        published: numbers of the messages that are wanted.
        wanted: topics for which workers that sleep are rung.
    """

    def __init__(self, taking: TakingOver, call: int) -> None:
        self._taking = taking
        self._call = call  # messages in each
        self._writer = taking.log.written.writer
        self._doorbell = Doorbell()
        self._bells: list[Bell] = []
        self.published = 0
        self.wanted = {TOPICS[0]}

    @property
    def tails(self) -> Tails:
        return Tails(self._taking.log.written.segment, self._started)

    @property
    def _started(self) -> int:
        return len(self._taking.places) + len(self._taking.dead)

    @property
    def is_held(self) -> bool:
        """Whether it has to wait, if it looks now."""
        head, end = self._writer.head, self._writer.position
        credit = self.tails.credit(head, end)
        return head >= credit.sequence or end >= credit.position

    def publish(self, topic: bytes) -> bool:
        """One call; whether there was room for it."""
        numbers = range(self.published, self.published + self._call)
        wires = [encode_message((topic, b"%d:" % one + PAYLOAD)) for one in numbers]
        if self._append(wires) == NO_SPACE:
            self._writer.go_by(self.tails.credit, sum(map(len, wires)), len(wires))
            self._writer.refresh(self._taking.limits())
            if self._append(wires) == NO_SPACE:
                return False
        if topic == TOPICS[0]:
            self.published += self._call
        if topic in self.wanted:
            self._wake()
        return True

    def _append(self, wires: list[bytes]) -> int:
        if len(wires) == 1:
            return self._writer.append(wires[0], 0)
        return self._writer.append_batch(wires, [0] * len(wires))

    def _wake(self) -> None:
        while len(self._bells) < self._started:
            bell = Bell(self._taking.log.written.segment, len(self._bells), self._doorbell)
            bell.hold = self._writer.hold
            self._bells.append(bell)
        for bell in self._bells:
            bell.wake()

    def close(self) -> None:
        self._doorbell.close()


class Run:
    """One publisher, two workers, and subscribers, each of which has its own policy.

    One of them wants what nobody else does, and that only now and then.
    """

    def __init__(self, taking: TakingOver, sender: Sender, seed: int, call: int) -> None:
        self._taking = taking
        self._sender = sender
        self._call = call
        self._rng = Random(seed)
        self._waits = 0
        self._everybody: list[Subscriber] = []
        self._has_lost: set[Subscriber] = set()
        self._waited: dict[int, tuple[int, int]] = {}  # when its policy was new, or last seen
        self._new: set[int] = set()  # who has a policy that its worker may not have said yet
        for _ in range(3):
            one = taking.connect([TOPICS[0]], self._rng.choice(taking.workers))
            self._everybody.append(one)
            self._set_policy(one, self._rng.choice(POLICIES))
        self._guest = taking.connect([], self._rng.choice(taking.workers))
        self._set_policy(self._guest, self._rng.choice(POLICIES))
        for worker in taking.workers:
            self._turns(worker)

    def go(self) -> int:
        """All of it; returns how often the publisher had to wait."""
        verbs = (self._publish, self._publish, self._turn, self._turn, self._read)
        seldom = (self._move, self._die, self._choose, self._come_or_go)
        for _ in range(STEPS):
            self._rng.choice(seldom if self._rng.random() < 0.08 else verbs)()
        self._end()
        return self._waits

    def _publish(self) -> None:
        topic = self._rng.choice(TOPICS)
        for _ in range(self._rng.choice((1, 3, 12))):
            if not self._sender.publish(topic):
                self._waits += 1
                return

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
            self._check_limits(peer.id, waits, most)
            if any(one >= limit for one, limit in zip(waits, most, strict=True)):
                over.append(peer.id)
            all_below = all_below and all(
                one <= limit * 15 // 16 for one, limit in zip(waits, most, strict=True)
            )
        if not slot.words[at.W_SLEEPING] & HOLDS:
            self._new -= set(worker.desk.peers)
        if over:
            assert self._sender.is_held, f"nobody waits for {over}"
            assert slot.holding in worker.desk.peers, "and says for whom"
        if all_below:
            assert slot.holding == 0, "it waits for nobody"
            credit, log = slot.credit, self._taking.log.log
            if credit.is_left:
                credit = credit.beyond(log.head(), log.start_of(log.head()))
            assert credit.sequence > log.head(), "it gives none"
            assert credit.position > log.start_of(log.head()), "nor this"

    def _check_limits(self, who: int, waits: tuple[int, int], most: tuple[int, int]) -> None:
        """More than its limit waits for nobody, but for what was there before, and one call."""
        before = self._waited.get(who, (0, 0))
        more = self._call if who in self._new else 0
        allowed = (
            max(most[0] + self._call - 1, before[0] + more),
            max(most[1] + self._call * SIZE, before[1] + more * SIZE),
        )
        assert waits[0] <= allowed[0], f"{waits} for {who}, {most}"
        assert waits[1] <= allowed[1], f"{waits} for {who}, {most}"
        self._waited[who] = waits

    def _read(self) -> None:
        one = self._rng.choice([*self._everybody, self._guest])
        one.read(self._rng.choice((500, 5_000, 50_000)))

    def _come_or_go(self) -> None:
        """Of what was published before, to a worker that slept, nothing waits for who comes."""
        topic, session = TOPICS[-1], self._guest.session
        worker = self._taking.served[self._guest.number]
        for _ in range(self._rng.choice((0, 30))):
            if not self._sender.publish(topic):
                break
        (session.cancel if topic in self._sender.wanted else session.subscribe)(topic)
        self._sender.wanted ^= {topic}
        self._guest.say()
        self._turns(worker)
        self._check(worker)

    def _move(self) -> None:
        one = self._rng.choice(self._everybody)
        owner, target = self._taking.served[one.number], self._rng.choice(self._taking.workers)
        if target is not owner:
            self._hold(owner)
            self._taking.move(one, target)
            self._turns(owner)
            self._publish()
            self._turns(target)
            self._let()
            self._check(target)

    def _die(self) -> None:
        worker = self._rng.choice(self._taking.workers)
        self._hold(worker)
        # What it has taken back a moment ago, and nobody was rung for, dies with it.
        is_known = not self._taking.around(worker).slot.words[at.W_SLEEPING] & HOLDS
        orphans = self._taking.kill(worker)
        self._taking.start()
        if is_known:
            self._publish()
        heir = self._rng.choice(self._taking.workers)
        self._taking.hand_over(orphans, heir)
        self._turns(heir)
        self._let()
        self._check(heir)

    def _hold(self, worker: Worker) -> None:
        """As the coordinator does before nobody serves them: see `HandingOn`."""
        credit = self._taking.around(worker).slot.credit
        self._taking.log.header.hold_back(NO_TAIL, USED_UP if credit.is_left else credit)

    def _let(self) -> None:
        self._taking.log.header.hold_back(NO_TAIL, FREE)

    def _choose(self) -> None:
        one = self._rng.choice(self._everybody)
        policy = self._rng.choice((*POLICIES, OTHERS))
        if policy is OTHERS:
            self._has_lost.add(one)
        self._set_policy(one, policy)

    def _set_policy(self, one: Subscriber, policy: SlowPolicy) -> None:
        worker = self._taking.served[one.number]
        self._taking.set_policy(one, policy)
        self._turns(worker)
        (member,) = [peer.member for peer in worker.desk.peers.values() if peer.id == one.number]
        worker.pump.settle(member)
        self._waited[one.number] = member.queued, member.queued_bytes
        self._new.add(one.number)

    def _end(self) -> None:
        taking = self._taking
        for worker in taking.workers:
            taking.settle(worker)
        assert not self._sender.is_held, "all have got everything, and the publisher waits"
        assert self._sender.publish(TOPICS[0]), "one call goes, however large it is"
        for worker in taking.workers:
            taking.settle(worker)
        assert not taking.closed
        for one in self._everybody:
            numbers = [int(some.partition(b":")[0]) for _, some in messages_in(bytes(one.received))]
            assert numbers == sorted(set(numbers))
            if one not in self._has_lost:
                assert numbers == [*range(self._sender.published)], "it has lost nothing"


def run(seed: int) -> int:
    options: dict[str, Any] = {
        "log_bytes": LAYOUT.data_bytes,
        "send_timeout": 3_600.0,
        "stall_timeout": 3_600.0,
    }
    call = 1 if seed % 2 else 5
    rooms = 0 if seed % 4 < 2 else holding.ROOMS_MAX  # it may not be known what sockets take
    with (
        mock.patch.object(holding, "ROOMS_MAX", rooms),
        closing(TakingOver(LAYOUT, TUNING, **options)) as taking,
        closing(Sender(taking, call)) as sender,
    ):
        return Run(taking, sender, seed, call).go()


@replaces(Holding, "add")
def never_raise_it(_original: Any, _self: Holding, _member: Any) -> None:
    return


@replaces(Idling, "allow")
def never_lower_it(original: Any, self: Idling, who: int, credit: Credit, is_final: bool) -> None:
    if who:
        original(self, who, credit, is_final)


@replaces(Holding, "is_held_by")
def lower_it_too_early(_original: Any, self: Holding, member: Any, *where: Any) -> bool:
    lags, front, now = where
    is_there = isinstance(member.policy, Block) and member in self._blocked
    return is_there and bool(lags.exceeds(member, member.policy.limits.part(2), front, now))


@replaces(Holding, "watch")
def forget_what_waits_for_them(_original: Any, _self: Holding, *_lag: Any) -> None:
    return


@replaces(Holding, "_find_whole")
def forget_who_has_everything(_original: Any, _self: Holding) -> None:
    return


@replaces(Credit, "reaches")
def take_nothing_back(_original: Any, _self: Credit, _other: Credit, _position: int) -> bool:
    return True


@replaces(Holding, "_find_room")
def take_sockets_for_empty(_original: Any, _self: Holding, _served: int, start: int) -> int:
    return start + 20_000


@replaces(Tails, "_credit")
def believe_who_was_rung(_original: Any, self: Tails, worker: int, head: int, end: int) -> Credit:
    credit = read_credit(self._words, self._slots[worker] + at.W_CREDIT)
    return credit.beyond(head, end) if credit.is_left else credit


@replaces(Header, "hold_back")
def have_nobody_wait_for_the_lost(original: Any, self: Header, needed: int, _credit: Any) -> None:
    original(self, needed, FREE)


@replaces(LogWriter, "go_by")
def cut_calls(original: Any, self: LogWriter, credit: Any, _size: int, _count: int) -> None:
    original(self, credit, 0, 0)


@replaces(LogWriter, "hold")
def go_on_with_what_was_taken_back(_original: Any, _self: LogWriter) -> None:
    return


@replaces(WorkerSlot, "release")
def let_the_dead_hold_it_up(original: Any, self: WorkerSlot, *moved: Any) -> None:
    credit = self.credit
    original(self, *moved)
    self.credit = credit


@replaces(Judging, "_look_anew")
def forget_to_look_at_who_has_come(original: Any, self: Judging, member: Any, **how: Any) -> None:
    if len(self._anew) % 2:
        original(self, member, **how)


@replaces(Deliveries, "catch_up")
def begin_where_it_fell_asleep(_original: Any, _self: Deliveries, *_how: Any) -> None:
    return


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
