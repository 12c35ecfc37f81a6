"""The world of one seed: a publisher, some workers, many subscribers, and chance."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, partial
from random import Random
from typing import TYPE_CHECKING, Any

from fanout.options import Options
from fanout.send.path import ROOM_PART
from fanout.send.poison import PoisonGuard
from fanout.send.topics import NOT_INTERNED, TopicTable
from fanout.shm.header import Header
from fanout.shm.layout import MESSAGE_PART, Layout
from fanout.shm.log import NO_SPACE
from fanout.shm.segment import Segment
from fanout.shm.worker_slot import WorkerSlot
from fanout.slow_policy import SlowPolicy
from fanout.workers.tuning import Tuning
from fanout.zmtp.frames import encode_message
from tests.simulation.catching_up import Log
from tests.simulation.checker import Checker
from tests.simulation.choosing import PlayedCoordinator
from tests.simulation.late import Kept, Late
from tests.simulation.memory import SteppedWriter, attach, read_tails
from tests.simulation.model import SubscriberModel
from tests.simulation.peers import (
    LEGACY_HELLO,
    PREFIXES,
    SUBSCRIBER_HELLO,
    Kind,
    command,
    random_input,
    wanting,
)
from tests.simulation.policies import Rules, of_options, random_policy
from tests.simulation.published import History, Published
from tests.simulation.saying import Reports, Said, Statement, random_wish
from tests.simulation.sockets import FakeSocket
from tests.simulation.violated import require
from tests.simulation.workers import SimulatedWorker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from fanout.control.messages import SetPolicy, Subscriptions
    from tests.simulation.peers import Item

MILLISECOND = 1_000_000
TICKS_APART = 400 * MILLISECOND  # no more, or silence does not count
TOPICS = (b"", b"A", b"AB", b"ABC", b"B", b"BA", b"BAB", b"C", b"x" * 300, b"ABxx", b"ACxx")
BOUNDS = (
    SlowPolicy(limit_bytes=1_000, limit_messages=20, limit_age=1.0, max_rate=500_000),
    SlowPolicy("block", limit_messages=2),
)
SUBSCRIBERS_MAX = 8
STEPS = 260  # enough for the log to wrap several times
HEARING_ROUNDS = 250  # of `TICKS_APART`: a quarter of the longest `send_timeout`, and three stops
SILENT_MAX = 10_000 * MILLISECOND  # a longer `send_timeout` would be too many ticks to wait for
FILLING_TURNS = 4  # by then most who want something have been sent more than they take
LOOKS = 4  # ticks, at least: two looks at each, and some that have no time for all
END_OF_TIME = 1 << 62  # monotonic ns
LATE_FROM = 10_000  # seeds from here on have subscribers that have missed something
SETTLING_TURNS = 5_000  # more than any backlog of the largest log can take


class Interrupted(BaseException):
    """Stands for KeyboardInterrupt inside the send path."""


@dataclass
class Attempt:
    """What the publisher tries to commit."""

    messages: list[Published]
    ids: list[int]

    @cached_property
    def wires(self) -> list[bytes]:
        """Of each message."""
        return [message.wire for message in self.messages]

    @cached_property
    def wire(self) -> bytes:
        """Of all of them; it may be tried often until there is room."""
        return b"".join(self.wires)

    @cached_property
    def sizes(self) -> list[int]:
        """Bytes of each message on the wire; looked at as often."""
        return [len(wire) for wire in self.wires]


class World:
    """One run; everything in it follows from the seed."""

    def __init__(self, seed: int) -> None:
        self.rng = rng = Random(seed)
        self.now = 10_000 * MILLISECOND
        log_bytes = rng.choice((64, 64, 68, 100, 256)) * 1024
        self.options = _options(rng, log_bytes)
        entries = 1 << rng.randint(4, 10)
        layout = Layout(log_bytes, entries, SUBSCRIBERS_MAX)
        self.segment = Segment.create(layout)
        self.readable = attach(self.segment, writable=False)
        self.history = History()
        self.models: dict[int, SubscriberModel] = {}
        self.sockets: dict[int, FakeSocket] = {}
        self.checker = Checker(self)
        self.coordinator = PlayedCoordinator(self.options)
        self._reserved = rng.choice((0.0, 0.1, 0.4))  # of what they say
        self._chosen = [random_policy(rng) for _ in range(rng.randrange(4))]
        self._entries = entries
        self.tuning = _tuning(rng)
        self.haste = rng.choice((0.0, 0.05, 0.5, 1.0))  # chance that a part of a turn has to end
        self.table = TopicTable(rng.choice((2, 6, 1_000)))
        self.slots = [WorkerSlot(self.segment, i) for i in range(self.options.workers)]
        for slot in self.slots:
            slot.release()
        self.writer = SteppedWriter(self.segment, self._reader_step, rng)
        self.guard = PoisonGuard(self.writer)
        self.writing = False
        self.settling = False
        self.refused: Attempt | None = None
        self.workers: list[SimulatedWorker] = []
        self._interruptible = False
        self._most = rng.choice((1, 3, SUBSCRIBERS_MAX, SUBSCRIBERS_MAX))  # subscribers at once
        self._eager = rng.choice((0.0, 0.02, 0.1))
        self._free = list(range(SUBSCRIBERS_MAX))
        self._slot_of: dict[int, int] = {}
        self._next_id = 1
        self._largest = log_bytes // MESSAGE_PART
        self._sizes = rng.choice(((0, 9), (0, 9, 60), (60, 300), (0, 30, 300, 5_000, 70_000)))
        self._past = Random(f"past {seed}")  # as the next
        self._late = self._past.choice((0.5, 1.0)) if seed >= LATE_FROM else 0.0
        self._kept = Kept(self.history, Header(self.segment))
        self._deaf = Random(~seed)  # of its own: what happens before the end stays as it is

    def run(self, steps: int = STEPS) -> Checker:
        """Live for so many steps, then let everybody catch up.

        Raises:
            Violated, AssertionError: an invariant does not hold.
        """
        try:
            self._live(steps)
        finally:
            self.close()
        self.checker.deliveries += sum(model.sent for model in self.models.values())
        return self.checker

    def close(self) -> None:
        """Give the memory back."""
        for worker in self.workers:
            worker.close()
        self.readable.close()
        self.segment.close()

    # What happens.

    def _live(self, steps: int) -> None:
        for index in range(self.options.workers):
            self.workers.append(SimulatedWorker(index, self))
        for _ in range(self.rng.randrange(SUBSCRIBERS_MAX)):
            self._connect()
        actions, weights = zip(*self._actions(), strict=True)
        for action in self.rng.choices(actions, weights, k=steps):
            action()
        self._catch_up()

    def _actions(self) -> list[tuple[Callable[[], None], int]]:
        return [
            (self._publish, 40),
            (lambda: self._worker().run_turn(), 30),
            (lambda: self._worker().run_sending_turn(), 10),
            (self._drain, 50),
            (self._isolate, 4),
            (self._listen, 12),
            (self._stall, 3),
            (self._connect, 12 if self._late else 4),
            (self._disconnect, 2 if self._most == SUBSCRIBERS_MAX else 6),
            (self._stick, 2),
            (self._judge_standing, 4),
            (self._choose, 4 if self._chosen else 0),
            (lambda: self._worker().ask(), 3),
            (self._pass_time, 8),
            (lambda: self._worker().run_tick(), 1),
        ]

    def _worker(self) -> SimulatedWorker:
        return self.rng.choice(self.workers)

    def _socket(self) -> FakeSocket | None:
        return self.rng.choice(list(self.sockets.values())) if self.sockets else None

    def _drain(self) -> None:
        for sock in self.sockets.values():
            if not sock.stalled and self.rng.random() < 0.6:
                sock.drain(self.rng.choice((1, 10, 1_000, 100_000)))

    def _listen(self) -> None:
        sock = self._socket()
        if sock is None or sock.ended:
            return
        model = self.models[sock.descriptor]
        if not model.legacy:
            items = random_input(self.rng, model.spoken, self._reserved)
            if model.late is not None:  # it subscribes once
                items = [one for one in items if one[1] or b"\x09SUBSCRIBE" not in one[0][:20]]
            self._say(model, items)

    def _say(self, model: SubscriberModel, items: Iterable[Item]) -> None:
        end = model.socket.said
        for said, statement in items:
            end += len(said)
            if statement is not None:
                model.reports.expect(end, statement)
        model.socket.say(b"".join(said for said, _statement in items))

    def _stall(self) -> None:
        sock = self._socket()
        if sock is not None:
            sock.stalled = not sock.stalled

    def _connect(self) -> None:
        if not self._free or len(self.sockets) >= self._most:
            return
        worker = self._worker()
        subscriber = self._next_id
        self._next_id += 1
        sock = FakeSocket(subscriber, self.rng, lambda: self.writer_step(worker))
        (kind,) = self.rng.choices(tuple(Kind), (16, 2, 1, 1))
        legacy = kind is Kind.LEGACY
        sock.say(LEGACY_HELLO if legacy else SUBSCRIBER_HELLO)
        late = self._random_late() if not legacy else None
        if late is None and self.rng.random() < 0.8 and not legacy:
            sock.say(command(b"\x09SUBSCRIBE" + self.rng.choice(PREFIXES)))
        self.sockets[subscriber] = sock
        self.models[subscriber] = self._model(subscriber, sock, kind, late)
        if not legacy and self.rng.random() < 2 * self._reserved:
            wish = random_wish(self.rng)
            self._say(self.models[subscriber], [(wanting(self.rng, *wish), wish)])
        if late is not None:
            since = Statement(wanted=True, text=late.past.since.text)
            self._say(self.models[subscriber], [(wanting(self.rng, *since), since)])
            sock.say(command(b"\x09SUBSCRIBE" + late.past.prefix))
        slot = self._slot_of[subscriber] = self._free.pop()
        self.coordinator.admit(subscriber, slot, worker.index)
        worker.adopt(subscriber, slot, kind.value)
        if self._chosen and self.rng.random() < 0.7 and subscriber in worker.peers:
            self._call(subscriber, self.rng.choice(self._chosen))

    def _random_late(self) -> Late | None:
        """Somebody has missed something, perhaps."""
        rng, layout = self._past, self.segment.layout
        if rng.random() >= self._late:
            return None
        log = Log(layout.data_bytes, layout.entries, self.options.replay_limit)
        prefix, own = rng.choice((b"", *PREFIXES)), self._rules(of_options(self.options))
        return Late.by_chance(rng, self._kept, log, self._epoch, prefix, own)

    @property
    def _epoch(self) -> int:
        return self.workers[0].around.header.epoch

    def reported(self, message: Subscriptions) -> None:
        """A worker says what a subscriber wants from now on."""
        model = self.models.get(message.subscriber)
        if model is not None and model.late is not None and message.added:
            model.late.report(message.sequence)

    def _model(
        self, subscriber: int, sock: FakeSocket, kind: Kind, late: Late | None
    ) -> SubscriberModel:
        options = self.options
        may_block = options.self_service_bound.action == "block"
        said = Said(may_choose=options.self_service, may_block=may_block)
        rules = self._rules(of_options(options))
        return SubscriberModel(
            *(subscriber, sock, self.history, rules, kind, Reports(said), self._epoch, late)
        )

    def _rules(self, policy: SlowPolicy) -> Rules:
        return Rules(policy, self.segment.layout.data_bytes, self._entries)

    def _call(self, subscriber: int, policy: SlowPolicy | None) -> None:
        self.order(self.coordinator.call(subscriber, policy))

    def order(self, orders: Iterable[SetPolicy]) -> None:
        """The workers of these subscribers will find this in their channels."""
        for order in orders:
            for worker in self.workers:
                if order.subscriber in worker.peers:
                    fields: dict[str, Any] = dict(order.policy)
                    self.models[order.subscriber].coming.append(SlowPolicy(**fields))
                    worker.channel.inbound.append((order, []))

    def heard(self, subscriber: int) -> int:
        """Bytes of what a subscriber says that were acted upon."""
        for worker in self.workers:
            if subscriber in worker.peers:
                return self.sockets[subscriber].read + worker.peers[subscriber].inbox.looked
        return self.sockets[subscriber].read

    def model_obeys(self, subscriber: int) -> None:
        """Its next policy is in force."""
        model = self.models[subscriber]
        require(bool(model.coming), "a policy that the coordinator did not order")
        model.obey(self._rules(model.coming.popleft()), self.now)

    def _choose(self) -> None:
        """Somebody gets another policy, or the one it has."""
        worker = self._worker()
        if worker.peers:
            subscriber = self.rng.choice(list(worker.peers))
            self._call(subscriber, self.rng.choice([*self._chosen, None]))

    def _disconnect(self) -> None:
        sock = self._socket()
        if sock is not None:
            if self.rng.random() < 0.5:
                sock.broken = True
            sock.ended = True

    def forget(self, worker: SimulatedWorker, subscriber: int, model: SubscriberModel) -> None:
        """The worker has closed a connection."""
        del worker, model
        del self.sockets[subscriber]
        self.coordinator.forget(subscriber)
        self.checker.reported_slow.discard(subscriber)
        self.checker.reported_stalled.discard(subscriber)
        self._free.append(self._slot_of.pop(subscriber))

    def _judge_standing(self) -> None:
        """Somebody has kept up for a while, or has not: who goes first is another one then."""
        worker = self._worker()
        if worker.peers and not worker.busy:
            member = worker.peers[self.rng.choice(list(worker.peers))].member
            if worker.pump.steady.pop(member, self) is self:
                worker.pump.steady[member] = None

    def _stick(self) -> None:
        channel = self._worker().channel
        channel.stuck = not channel.stuck
        channel.room = self.rng.randrange(4)

    def _pass_time(self) -> None:
        """Half the time with the ticks that belong to it; else the workers are stopped."""
        left = self.rng.choice((1, 10, 100, 300, 1_000, 1_000, 10_000)) * MILLISECOND
        if self.rng.random() < 0.5:
            self.now += left
            return
        while left > 0:
            self.now += min(left, TICKS_APART)
            left -= TICKS_APART
            for worker in self.workers:
                worker.run_tick()

    # Publishing.

    def _publish(self) -> None:
        for _ in range(self.rng.choice((1, 1, 3, 10))):
            if self.writing:
                return
            attempt = self.refused or self._make_attempt()
            self.refused = None if self._try(attempt) else attempt

    def _make_attempt(self) -> Attempt:
        attempt = Attempt([], [])
        entries = self.segment.layout.entries
        count = self.rng.choice((1, 1, 1, 1, 2, entries // MESSAGE_PART))
        room = self._largest
        for _ in range(count):
            frames = self._make_message(room)
            wire = encode_message(frames)
            if len(wire) > room:
                break
            room -= len(wire)
            known = self.rng.random() < 0.7
            attempt.messages.append(Published(frames, wire))
            attempt.ids.append(self.table.intern(frames[0]).id if known else NOT_INTERNED)
        return attempt if attempt.messages else self._make_attempt()

    def _make_message(self, room: int) -> tuple[bytes, ...]:
        rng = self.rng
        topic = rng.choice(TOPICS)
        size = min(rng.choice(self._sizes), max(room - len(topic) - 30, 0))
        number = len(self.history.messages) + rng.randrange(2)
        payload = number.to_bytes(8, "little") + rng.randbytes(min(size, 40))
        payload = (payload * (size // len(payload) + 1))[:size]
        shape = rng.randrange(4)
        if shape == 0:
            return (topic,)
        if shape == 1:
            return topic, b"", payload
        return topic, payload

    def _try(self, attempt: Attempt) -> bool:
        """Commit it, or nothing; True if it is settled, one way or the other."""
        writer, history = self.writer, self.history
        before = writer.head
        self.writing = True
        self._interruptible = self.rng.random() < 0.02
        history.add(attempt.messages, attempt.wire, attempt.sizes, self.now)
        try:
            result = self._append(attempt)
        except Interrupted:
            self.guard.settle()
            result = before
        finally:
            self.writing = self._interruptible = False
        committed = writer.head - before
        require(committed in (0, len(attempt.wires)), f"{committed} of a batch were committed")
        require(not self.guard.poisoned, "the poison flag stayed up")
        history.cut(writer.head)
        require(history.position == writer.position, "the log has another length")
        if result == NO_SPACE:
            require(not committed, "a refused message was committed")
            self._make_room()
        return result != NO_SPACE

    def _append(self, attempt: Attempt) -> int:
        if len(attempt.wires) > 1:
            return self.writer.append_batch(attempt.wires, attempt.ids)
        wire, topic_id = attempt.wires[0], attempt.ids[0]
        if self.rng.random() < 0.5:
            return self.writer.append(wire, topic_id)
        middle = len(wire) // 2
        return self.writer.append_parts((wire[:middle], wire[middle:]), topic_id)

    def _make_room(self) -> None:
        self.writing = True  # under the send lock, like an append
        try:
            again = partial(read_tails, self.slots, self._reader_step) if self._late else None
            self.writer.refresh(read_tails(self.slots, self._reader_step), again)
        finally:
            self.writing = False

    # Interleaving.

    def _reader_step(self) -> None:
        """The writer is between two stores: a worker may have its turn, or the user lose it."""
        if self._interruptible and self.rng.random() < 0.2:
            self._interruptible = False
            raise Interrupted
        if not self.settling and self.rng.random() < self._eager:
            self._worker().run_turn()

    def writer_step(self, worker: SimulatedWorker) -> None:
        """A worker is between two steps: the publisher may have its turn."""
        if (
            worker.busy
            and not self.writing
            and not self.settling
            and self.rng.random() < self._eager
        ):
            self._publish()

    # The end.

    def _catch_up(self) -> None:
        """No chance any more: every socket takes all it gets, and everybody must get everything."""
        self._lose_late_events()
        self.settling = True
        for worker in self.workers:
            worker.channel.stuck = False
            worker.end_nap()
        for sock in self.sockets.values():
            sock.capacity, sock.partial, sock.faulty = 1 << 60, 0.0, 0.0
            sock.stalled = False
            sock.drain(1 << 60)
        self._run_until_idle()
        self._hear_again()
        self._require_room()
        self._run_until_idle()
        self._hear_again()
        for worker in self.workers:
            self._require_served(worker)
            worker.run_tick()
            answers = self.checker.answers
            worker.ask()
            worker.run_turn()
            require(self.checker.answers > answers, "a question without an answer")

    def _lose_late_events(self) -> None:
        """Nobody reads for more than half of `send_timeout`, and then nobody hears that some do.

        By then they have been looked at as often as comes before an end (`silence.py`).
        """
        send_timeout = round(self.options.send_timeout * 1_000) * MILLISECOND
        if send_timeout > SILENT_MAX or self._deaf.random() < 0.5:
            return
        for sock in self.sockets.values():
            sock.capacity = sock.queued + 1
        for _ in range(FILLING_TURNS):
            self._publish()
            for worker in self.workers:
                worker.end_nap()
                worker.run_turn()
        for _ in range(max(LOOKS, send_timeout * 8 // 10 // TICKS_APART)):
            self.now += TICKS_APART
            for worker in self.workers:
                worker.run_tick()
        for sock in self.sockets.values():
            if sock.full and self._deaf.random() < 0.7:
                sock.drain_unheard()

    def _isolate(self) -> None:
        """Nobody waits for a subscriber that is stalled: no other one, and not the publisher."""
        if self.writing or any(worker.busy for worker in self.workers):
            return
        self.settling = True
        for worker in self.workers:
            worker.end_nap()
            worker.run_turn()
            turns = 0
            while worker.has_more:
                worker.run_turn()
                turns += 1
                require(turns < SETTLING_TURNS, "a worker that does not come to rest")
            self.checker.isolated(worker)
        if all(model.own_rules.action != "block" for model in self.models.values()):
            self._require_room()
        self.settling = False

    def _require_room(self) -> None:
        """What was refused finds room now."""
        for attempt in range(3 if self._late else 2):  # it may be interrupted once
            if self.refused is not None:
                if attempt == 1 and self._late:
                    self._renew_records()
                self._ask_for_room(self.refused)
                self._make_room()
                self.refused = None if self._try(self.refused) else self.refused
        require(self.refused is None, "a send still finds no room")

    def _renew_records(self) -> None:
        """Who is sent the past is so far back that the record of a moment ago may be in the way."""
        for _ in range(SUBSCRIBERS_MAX):
            self.now += TICKS_APART
            for worker in self.workers:
                worker.run_tick()

    def _ask_for_room(self, attempt: Attempt) -> None:
        """The workers are told what is waited for, and rung."""
        size, count = sum(map(len, attempt.wires)), len(attempt.wires)
        header = Header(self.segment)
        header.wanted = self.writer.wanted_tail(size, count, ROOM_PART)
        for worker in self.workers:
            worker.run_turn()
        header.wanted = 0

    def _run_until_idle(self) -> None:
        for worker in self.workers:
            worker.run_turn()
            turns = 0
            reads = worker.real.reads
            while worker.has_more or worker.readable.any_ready() or self._is_anybody_spared(worker):
                reads.read_spared(END_OF_TIME)
                worker.run_turn()
                turns += 1
                require(turns < SETTLING_TURNS, "a worker that does not come to rest")

    @staticmethod
    def _is_anybody_spared(worker: SimulatedWorker) -> bool:
        """But for those who have to take their answers first."""
        spared = worker.real.reads._readable.spared
        return any(not (peer.inbox.is_full and peer.member.control) for peer in spared)

    def _hear_again(self) -> None:
        """What was not reported to have room is found out after a while."""
        for _ in range(HEARING_ROUNDS):
            blocked = [
                (worker.pump, member) for worker in self.workers for member in worker.pump.blocked
            ]
            if not any(
                self.sockets[member.id].unheard
                or (pump.waits(member) and self.models[member.id].has_more)
                for pump, member in blocked
            ):
                break
            self.now += TICKS_APART
            for worker in self.workers:
                worker.run_tick()
            self._run_until_idle()

    def _require_served(self, worker: SimulatedWorker) -> None:
        pump = worker.pump
        blocked = [member for member in pump.blocked if member not in pump.rests]
        require(not blocked, "blocked although its socket takes everything")
        for peer in worker.peers.values():
            model = self.models[peer.id]
            require(not model.queue, f"subscriber {peer.id} was forgotten with {model.queue}")
            require(not model.partial, "a torn item at the end of a stream")
            require(not model.telling.untold, f"it was not told of {model.telling.untold}")
            require(not model.coming, f"it has not got {model.coming}")
            require(not model.spoken, "a PING without an answer")
            require(model.socket.read == model.socket.said, "something that was not read")


def _tuning(rng: Random) -> Tuning:
    batch = rng.choice((2, 7, 100))
    return Tuning(
        span_bytes=rng.choice((100, 3_000, 30_000)),
        serve_steps=rng.choice((1, 2, 4)),
        writable_per_turn=rng.choice((1, 3, 16)),
        batch_bytes=rng.choice((100, 3_000, 30_000)),
        batch_messages_min=batch,
        batch_messages_max=4 * batch,
        batch_send_bytes=rng.choice((100, 3_000)),
        batches_per_turn=rng.choice((1, 3, 16)),
        topics_remembered=rng.choice((12, 110, 10_000)),
        appends_remembered=rng.choice((3, 10_000)),
        shared_prefixes=rng.choice((0, 1, 4)),
        shared_from=rng.choice((0, 0, 1)),
        owned_from=rng.choice((0, 0, 64)),
        large_change=rng.choice((0, 0, 4)),
        parked_after=rng.choice((0, 30)),
        parked_after_ns=0,
        appends_per_look=rng.choice((1, 20)),
        sends_per_look=rng.choice((1, 1, 2)),
        chunk_messages=rng.choice((2, 7, 100)),
        chunk_bytes=rng.choice((100, 3_000, 30_000)),
        chunks_kept=rng.choice((1, 8)),
        census_messages=rng.choice((4, 64)),
        censuses_kept=3,
        checkpoints_per_tick=rng.choice((1, 1_024)),
        older_max=6,
        control_bytes_max=400,
    )


def _options(rng: Random, log_bytes: int) -> Options:
    return Options(
        workers=rng.choice((1, 1, 2, 3)),
        log_bytes=log_bytes,
        slow_policy=rng.choice(("drop_oldest", "drop_oldest", "block")),
        slow_limit_bytes=rng.choice((0, 0, 1_000, 10_000, log_bytes // 2)),
        send_timeout=rng.choice((0.5, 5.0, 100.0)),
        stall_timeout=rng.choice((0.5, 30.0, 1_000.0)),
        handshake_timeout=1_000.0,
        allow_zmtp_1=True,
        heartbeat_interval=rng.choice((0.0, 3.0)),
        self_service=rng.random() < 0.8,
        self_service_max=rng.choice(("drop_oldest", "block", *BOUNDS)),
    )
