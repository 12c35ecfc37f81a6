"""Several workers over one log in one process, any of which may die, and their subscribers.

A worker that dies does nothing any more; its sockets stay open, as those of a dead process do when
the coordinator has duplicates.
"""

from __future__ import annotations

import os
import select
import socket
import struct
import time
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any

from fanout.control.messages import (
    Adopt,
    Chose,
    Closed,
    Connected,
    SetPolicy,
    Slow,
    Subscriptions,
)
from fanout.control.splitting import split_wants
from fanout.control.takeover import Release, Released, Resume, Resumed
from fanout.options import Options
from fanout.send.kept_topics import KeptTopics
from fanout.shm import layout as at
from fanout.shm.own_counts import may_have_sent
from fanout.shm.stream_record import StreamSlot
from fanout.shm.valued_log import ValuedLog
from fanout.shm.worker_slot import NO_TAIL, Tails, WorkerSlot
from fanout.terms.slow_policy import SlowPolicy
from fanout.transport.kernel import prepare_socket, tcp_info
from fanout.transport.socket_queues import unread_in_kernel
from fanout.workers.worker import Worker
from fanout.zmtp import SubscriberSession
from fanout.zmtp.frames import encode_message
from tests.helpers.around import Around, Outbox
from tests.helpers.patient import PatientSet
from tests.helpers.waiting import DEADLINE_S, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from fanout.shm.layout import Layout
    from fanout.shm.stream_record import Kind, StreamRecord
    from fanout.workers.tuning import Tuning

_UNACKNOWLEDGED = struct.Struct("=24xI")  # tcpi_unacked of Linux's `struct tcp_info`
_STORED = frozenset((at.S_HANDED, at.S_TAKEN, at.S_TAKING))
POLICY = SlowPolicy("block")
HANDSHAKE_TURNS = 10  # of a worker: it is done by then, if all that is sent comes at once


class Killed(BaseException):
    """A worker is no more, in the middle of what it did."""


class Life:
    """How long a worker lives; a point is before each thing that others can see, and behind it.

    Attributes:
        points: until it dies; None = it does not.
    """

    def __init__(self) -> None:
        self.points: int | None = None

    def point(self) -> None:
        if self.points is not None:
            self.points -= 1
            if self.points <= 0:
                raise Killed


class MortalSocket:
    """A socket whose owner may die between two calls."""

    def __init__(self, real: socket.socket, life: Life) -> None:
        self._real = real
        self._point = life.point

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def send(self, data: bytes | memoryview) -> int:
        self._point()
        count = self._real.send(data)
        self._point()
        return count

    def recv(self, size: int, flags: int = 0) -> bytes:
        self._point()
        data = self._real.recv(size, flags)
        self._point()
        return data

    def recv_into(self, buffer: memoryview, size: int, flags: int) -> int:
        self._point()
        count = self._real.recv_into(buffer, size, flags)
        self._point()
        return count


class MortalWords:
    """The words of a slot, whose owner may die before it stores some of them, and behind it."""

    def __init__(self, real: memoryview, life: Life, stored: frozenset[int]) -> None:
        self._real = real
        self._life = life
        self._stored = stored

    def __getitem__(self, index: int) -> int:
        found: int = self._real[index]
        return found

    def __setitem__(self, index: int, value: int) -> None:
        if index not in self._stored:
            self._real[index] = value
            return
        self._life.point()
        self._real[index] = value
        self._life.point()


class MortalOutbox(Outbox):
    """A channel whose owner may die between two reports."""

    def __init__(self, life: Life) -> None:
        super().__init__()
        self._point = life.point

    def flush(self) -> None:
        while self.waiting and not self.stuck:
            self._point()
            self.sent.append(self.waiting.pop(0))
            self._point()


class Place(Around):
    """Surroundings of worker `index`, over the log of another one."""

    def __init__(self, log: Around, index: int, buffer: int) -> None:
        self.__dict__.update(log.__dict__)
        self.life = Life()
        self.channel = MortalOutbox(self.life)
        self.slot = WorkerSlot(log.written.segment, index)
        self.slot.release()
        words: Any = MortalWords(self.slot.words, self.life, frozenset((at.W_SENDING,)))
        self.slot.words = words
        self.slot.area = index + 1
        self._buffer = buffer

    def prepare(self, descriptor: int) -> Any:
        # Who does not read is reset by the kernel after so long, and here time is what a test says.
        patience = 10 * DEADLINE_S
        real = prepare_socket(descriptor, queue_bytes=self._buffer, user_timeout_s=patience)
        return MortalSocket(real, self.life)

    def poll_set(self) -> Any:
        return PatientSet()

    def stream_slot(self, index: int) -> StreamSlot:
        slot = super().stream_slot(index)
        words: Any = MortalWords(slot.words, self.life, _STORED)
        slot.words = words
        slot.__class__ = type("MortalSlot", (_MortalSlot,), {"__slots__": (), "life": self.life})
        return slot


class Subscriber:
    """What is at the far end, and what the coordinator knows of it."""

    def __init__(
        self, number: int, topics: list[bytes], listening: socket.socket, size: int
    ) -> None:
        self.number = number
        self.session = SubscriberSession(topics)
        self.socket = socket.socket(listening.family)
        if listening.family != socket.AF_UNIX:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size)
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.connect(listening.getsockname())
        self.ours = listening.accept()[0]
        self.socket.setblocking(False)
        self.version = ""
        self.changes: list[Subscriptions] = []
        self.received = bytearray()
        self.policy = POLICY
        self.slow = self.stalled = False  # as was reported last
        self.reports: list[Slow] = []

    def note(self, report: Slow) -> None:
        """Its worker reports that it is slow, stalls, or has recovered."""
        self.reports.append(report)
        self.slow = not report.recovered and (self.slow or not report.stalled)
        self.stalled = not report.recovered and (self.stalled or report.stalled)

    def say(self, data: bytes = b"") -> None:
        """Send what the session has to say, and this; it is there when this returns.

        On a busy machine the loopback interface takes its time, too.
        """
        data = self.session.data_to_send() + data
        if data:
            due = unread_in_kernel(self.ours) + len(data)
            assert self.socket.send(data) == len(data)
            wait_until(lambda: unread_in_kernel(self.ours) >= due, "what was said has come")

    def read(self, size: int = 1 << 20) -> int:
        """Take what has come; returns how many bytes that was."""
        try:
            data = self.socket.recv(size)
        except BlockingIOError:
            return 0
        if self.session.version is None or not self.session.metadata:
            self.session.receive_data(data)
            self.say()
        self.received += data
        return len(data)

    def close(self) -> None:
        self.socket.close()
        self.ours.close()


class _MortalSlot(StreamSlot):
    """One whose owner may die before a record, and behind it."""

    __slots__ = ()
    life: Life

    def write(self, record: StreamRecord) -> None:
        self.life.point()
        super().write(record)
        self.life.point()

    def refuse(self, kind: Kind) -> bool:
        self.life.point()
        is_there = super().refuse(kind)
        self.life.point()
        return is_there


class TakingOver:
    """Workers, subscribers, and a coordinator that hands them on.

    Attributes:
        outcomes: what the workers have said of those that they were to go on with.
        unknown: those of whom nobody knows how much they were sent.

    Args:
        ipc: the subscribers come by Unix sockets.
    """

    protocol = "zmtp"

    def __init__(
        self,
        layout: Layout,
        tuning: Tuning,
        workers: int = 2,
        buffer: int = 4096,
        *,
        ipc: bool = False,
        **options: Any,
    ) -> None:
        self.log = Around(layout)
        self._topics = _topics(self.log)
        self.options = Options(slow_policy="block", **options)
        self.tuning = tuning
        self.buffer = buffer
        self.indexes = iter(range(100))
        self.dead: list[Worker] = []  # who is dead cleans nothing up
        self.workers: list[Worker] = []
        self.places: list[Place] = []
        for _ in range(workers):
            self.start()
        self.listening = _listen_on_unix() if ipc else socket.create_server(("127.0.0.1", 0))
        self.subscribers: dict[int, Subscriber] = {}
        self.served: dict[int, Worker] = {}
        self.outcomes: list[Resumed] = []
        self.released: list[Released] = []
        self.closed: list[Closed] = []
        self.unknown: list[Subscriber] = []
        self.chosen: list[Chose] = []
        self.hold = NO_TAIL

    def start(self) -> Worker:
        """One worker more."""
        place = Place(self.log, next(self.indexes), self.buffer)
        worker = Worker(self.options, place, self.tuning)
        self.places.append(place)
        self.workers.append(worker)
        return worker

    def around(self, worker: Worker) -> Place:
        return self.places[self.workers.index(worker)]

    def subscriber(self, number: int, topics: list[bytes], receive: int) -> Subscriber:
        """One that has just connected."""
        return Subscriber(number, topics, self.listening, receive)

    def connect(self, topics: list[bytes], worker: Worker, receive: int = 4096) -> Subscriber:
        """A subscriber whose handshake is done."""
        number = len(self.subscribers) + 1
        one = self.subscriber(number, topics, receive)
        self.subscribers[number] = one
        self.served[number] = worker
        message = Adopt(number, number - 1, self.protocol)
        worker.desk.adopt(message, [os.dup(one.ours.fileno())])
        until = time.monotonic() + DEADLINE_S
        turns = 0
        while not (one.version and (one.changes or not topics)):
            assert time.monotonic() < until, "no handshake"
            turns += 1
            if turns > HANDSHAKE_TURNS:  # what it is sent takes its time
                select.select([one.socket], [], [], 0.005)
            one.say()
            self.turn(worker)
            one.read()
        return one

    def set_policy(self, one: Subscriber, policy: SlowPolicy, *, is_its_own: bool = False) -> None:
        """Something else happens to it from now on when it is behind."""
        one.policy = policy
        message = SetPolicy(one.number, policy.as_dict(), is_its_own, "call")
        self.served[one.number].desk.set_policy(message)

    def turn(self, worker: Worker, *, tick: bool = False) -> None:
        """A turn of a worker, and what it has reported."""
        around = self.around(worker)
        around.loop.soon.clear()
        self.log.time += 1_000_000
        around.time = self.log.time
        if tick:
            worker.tick()
        else:
            worker.turn()
        self.take_reports(worker)

    def take_reports(self, worker: Worker) -> None:
        channel = self.around(worker).channel
        sent, channel.sent = channel.sent, []
        for message in sent:
            if isinstance(message, Connected):
                self.subscribers[message.subscriber].version = message.version
            elif isinstance(message, Subscriptions):
                self.subscribers[message.subscriber].changes.append(message)
            elif isinstance(message, Resumed):
                self.outcomes.append(message)
            elif isinstance(message, Released):
                self.released.append(message)
            elif isinstance(message, Slow):
                self.subscribers[message.subscriber].note(message)
            elif isinstance(message, Chose):
                self.chosen.append(message)
            elif isinstance(message, Closed):
                self.closed.append(message)

    def limits(self) -> list[int]:
        """What the publisher must not overwrite, as it reads that itself."""
        started = len(self.places) + len(self.dead)
        return [self.hold, *Tails(self.log.written.segment, started).read()]

    def publish(self, *frames: bytes, is_keyframe: bool = False) -> bool:
        """Publish a message if there is room."""
        writer = self.log.written.writer
        writer.refresh(self.limits())
        wire = encode_message(frames)
        if not writer.fits(len(wire), 1):
            self.log.header.wanted = writer.wanted_tail(len(wire), 1, 8)
            return False
        self.log.header.wanted = 0
        writer.append(wire, self._id_of(frames[0], is_keyframe=is_keyframe))
        return True

    def _id_of(self, topic: bytes, *, is_keyframe: bool) -> int:
        if self._topics is None:
            return 0
        topic_id = self._topics.intern(topic).id
        keyframe = self._topics.keyframe(topic)
        return keyframe.id if keyframe is not None and is_keyframe else topic_id

    def kill(self, worker: Worker) -> list[Subscriber]:
        """A worker is no more; returns whom it had. The log is held for them."""
        self.around(worker).life.points = None
        self.take_reports(worker)
        slot = self.around(worker).slot
        orphans = [one for one in self.subscribers.values() if self.served[one.number] is worker]
        for one in orphans:
            stream = StreamSlot(self.log.written.segment, one.number - 1)
            if may_have_sent(slot.sending, stream):
                self.unknown.append(one)
        orphans = [one for one in orphans if one not in self.unknown]
        self.hold = min([self.hold, *(self._needed(one) for one in orphans)])
        at = self.workers.index(worker)
        del self.workers[at], self.places[at]
        self.dead.append(worker)
        slot.release()
        _end(worker)
        return orphans

    def _needed(self, one: Subscriber) -> int:
        record = self.record_of(one)
        return NO_TAIL if record is None else record.needed

    def record_of(self, one: Subscriber) -> Any:
        return StreamSlot(self.log.written.segment, one.number - 1).read(one.number)

    def move(self, one: Subscriber, worker: Worker) -> str:
        """Have it go to another worker, which goes on in its next turns; returns why not."""
        owner = self.served[one.number]
        slot = self.around(owner).slot
        self.hold = min(self.hold, slot.tail, slot.resume, self.log.log.head())
        owner.orders.carry_out(Release(one.number, self.hold), [])
        self.take_reports(owner)
        answer = self.released[-1]
        if answer.ok:
            self.hand_over([one], worker, quiet=True, boxes=answer.boxes)
        return answer.reason

    def hand_over(
        self,
        orphans: list[Subscriber],
        worker: Worker,
        *,
        quiet: bool = False,
        boxes: Sequence[bytes] = (),
    ) -> None:
        """Have them go on with another worker; they do in its next turns."""
        for one in orphans:
            self.served[one.number] = worker
            record = self.record_of(one)
            base: dict[bytes, None] = {}
            later: list[Subscriptions] = []
            for change in one.changes:
                if record is not None and change.sequence <= record.wanted_from:
                    for prefix in change.cancelled:
                        base.pop(prefix, None)
                    base.update(dict.fromkeys(change.added))
                else:
                    later.append(change)
            parts = split_wants(one.number, 0, list(base), [])
            for change in later:
                parts += split_wants(one.number, change.sequence, change.added, change.cancelled)
            for part in parts:
                worker.orders.carry_out(part, [])
            fields: Any = one.policy.as_dict()
            known: Any = {"quiet": quiet, "slow": one.slow, "stalled": one.stalled}
            chosen_by = "publisher" if one.policy is POLICY else "call"
            known |= {"boxes": list(boxes), "chosen_by": chosen_by}
            known_as = one.number, one.number - 1, self.protocol, one.version
            resume = Resume(*known_as, fields, **known)
            worker.orders.carry_out(resume, [os.dup(one.ours.fileno())])

    def settle(self, worker: Worker) -> None:
        """Turns until all of its subscribers have got what there is for them."""
        mine = [one for one in self.subscribers.values() if self.served[one.number] is worker]
        until = time.monotonic() + DEADLINE_S
        head = self.log.log.head()
        is_done = False
        for number in count():
            assert time.monotonic() < until, "somebody does not get on"
            self.turn(worker, tick=number % 10 == 9)
            came = sum(one.read() for one in mine)
            pump = worker.pump
            unsent = [peer.unsent_in_kernel() for peer in worker.desk.peers.values()]
            behind = [one for one in pump.blocked if one not in pump.rests or one.queued]
            is_busy = came or behind or worker.orders.resuming.are_due or any(unsent)
            was_done, is_done = is_done, not is_busy
            if was_done and is_done and (pump.front >= head or not pump.needs_log):
                return
            if not came:
                select.select([one.socket for one in mine], [], [], 0.005)

    def fill(self, worker: Worker) -> None:
        """Turns until nobody's socket takes more, however late the network was to take it in."""
        sent = -1
        while sent != (sent := worker.pump.totals.sent_bytes):
            self.turn(worker)
            for peer in worker.desk.peers.values():
                wait_until(partial(_has_arrived, peer.socket), "the network takes in what was sent")

    def close(self) -> None:
        for worker in self.workers:
            _end(worker)
        for one in self.subscribers.values():
            one.close()
        self.listening.close()
        self.log.close()


def _topics(log: Around) -> KeptTopics | None:
    """Those of which the last values are kept."""
    writer = log.written.writer
    return KeptTopics(1_000, writer.values, (b"",)) if isinstance(writer, ValuedLog) else None


def _has_arrived(sock: socket.socket) -> bool:
    """Whether nothing of it is on its way; what the other side has no room for is not."""
    return not tcp_info(sock, _UNACKNOWLEDGED)[0]


def _listen_on_unix() -> socket.socket:
    listening = socket.socket(socket.AF_UNIX)
    listening.bind("")  # a free abstract name
    listening.listen()
    return listening


def _end(worker: Worker) -> None:
    """What the system does for a process that is dead."""
    for peer in worker.desk.peers.values():
        peer.socket.close()
    for waiting in worker.orders.resuming.waiting:
        os.close(waiting.descriptor)
    worker._write_set.close()
    worker.reads.set.close()


def messages_in(stream: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The (topic, payload) of each message in a stream after its handshake, PONGs left out."""
    session = SubscriberSession([b""])
    for event in session.receive_data(stream):
        frames = getattr(event, "frames", None)
        if frames is not None:
            yield frames[0], frames[1]
