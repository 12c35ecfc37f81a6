"""The publisher of one seed that keeps last values, and who has a turn while it does something.

Between any two of its stores a worker may have a turn, or it is interrupted there.
"""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any

from fanout.options import Options
from fanout.send.kept_topics import KeptTopics
from fanout.send.poison import PoisonGuard
from fanout.send.topics import NOT_INTERNED
from fanout.shm.layout import MESSAGE_PART, PAGE, Layout
from fanout.shm.log import NO_SPACE
from fanout.shm.segment import Segment
from fanout.shm.value_layout import ValueTable
from fanout.shm.worker_slot import WorkerSlot
from fanout.subscriber.stream import NUMBER
from fanout.terms.last_values import LastValues
from fanout.zmtp.frames import encode_message
from tests.simulation.memory import attach, read_tails
from tests.simulation.published import History, Published
from tests.simulation.shown.feed import Feed, Message
from tests.simulation.shown.memory import SteppedValuedWriter
from tests.simulation.violated import require

if TYPE_CHECKING:
    from tests.simulation.shown.worker import ShownWorker

SUBSCRIBERS_MAX = 6
TOPICS = [b"%c%c%d" % (a, b, n) for a in b"xy" for b in b"kv" for n in range(3)]
KEYED = [topic for topic in TOPICS if topic[1:2] == b"k"]
NEVER = 86_400.0  # seconds
POLICIES_FROM = 10_000  # seeds from here on have subscribers with other policies than to block
CANCELS_FROM = 20_000  # and from here on they cancel subscriptions, too
ASKS_FROM = 30_000  # from here on they ask for what they have missed; all have to block
CROWDS_FROM = 40_000  # from here on it is as before that, and some come at once, and want the same
# From here on all have to block, some of the seeds are each of the others, and workers die.
DEATHS_FROM = 50_000
READS_FROM = 60_000  # from here on who comes has a `fanout.Subscriber`, and workers die as well
LEAVES_FROM = 70_000  # and from here on it wants less at times, too
# From here on who reads goes on where another process has stopped, and wants what was published
# before of what it subscribes to later.
PAST_FROM = 100_000
SEVERAL_FROM = 110_000  # from here on it has several lines, and wants more at any time
RESTARTS_FROM = 120_000  # from here on the publisher is started anew, once
TWINS_FROM = 130_000  # from here on there are two of it, which send the same
LIMITED_FROM = 140_000  # from here on some of what is published is too large for who reads
LIMITED_TWINS_FROM = 150_000  # and from here on there are two again, which send the same
EPOCH = 4_711  # of the publisher
RUSH = 6  # times that the publisher fills the log while somebody goes back


class Interrupted(BaseException):
    """Stands for KeyboardInterrupt inside the send path."""


class ShownPublishing:
    """A publisher that keeps last values, and its memory.

    Attributes:
        epoch: what it calls this run of it.
        joined: how often a worker has joined some for somebody.
        shared: how often somebody was sent what had been joined for others.
    """

    epoch = EPOCH

    def __init__(self, seed: int) -> None:
        self.rng = rng = Random(seed)
        self.fate = Random(
            f"{seed}"
        )  # decides about policies, and does not change what else happens
        self.joined = self.shared = 0
        dies, kind = seed >= DEATHS_FROM, seed % 4
        self.may_crowd = kind == 1 if dies else seed >= CROWDS_FROM
        self.may_ask = kind == 2 if dies else seed >= ASKS_FROM and not self.may_crowd
        self.has_policies = seed >= POLICIES_FROM and not (self.may_ask or dies)
        self.may_cancel = seed >= CANCELS_FROM and not self.may_ask
        self.now = 10_000_000_000
        log_bytes = rng.choice((64, 64, 256)) * 1024
        entries = 1 << rng.choice((6, 8, 12))
        may_evict = rng.random() < 0.15
        places = rng.choice((4, 8)) if may_evict else len(TOPICS)
        ring = PAGE if may_evict else 64 * PAGE
        self.is_numbered = seed >= READS_FROM
        self.options = self._options(log_bytes)
        layout = Layout(log_bytes, entries, SUBSCRIBERS_MAX, table=ValueTable(places + 1, ring))
        self.segment = Segment.create(layout)
        self.readable = attach(self.segment, writable=False)
        self.history = History()
        self.feed = Feed(self.options.replay_limit, log_bytes, entries)
        self.haste = rng.choice((0.0, 0.05, 0.5))
        self.slots = [WorkerSlot(self.segment, i) for i in range(self.options.workers)]
        for slot in self.slots:
            slot.release()
        self.writer = SteppedValuedWriter(self.segment, self._reader_step, rng)
        self.guard = PoisonGuard(self.writer)
        self.table = KeptTopics(100, self.writer.values, (b"",))
        self._watch_evictions()
        self.writing = self.settling = self._interruptible = False
        self._eager = rng.choice((0.0, 0.02, 0.1))
        self._keys = rng.choice((0.01, 0.1, 0.4))  # of messages on topics that have some
        self._sizes: tuple[int, ...] = rng.choice(((0, 9), (0, 9, 60), (60, 300), (0, 30, 3_000)))
        self._lapping = rng.choice((1, 1, 30))  # messages at once
        self._forgets = rng.choice((0.0, 0.0, 0.3))
        self._rude = rng.choice((0.0, 0.03, 0.5))  # of sends that are interrupted, perhaps
        self.workers: list[ShownWorker] = []

    def _options(self, log_bytes: int) -> Options:
        return _options(self.rng, log_bytes)

    def _watch_evictions(self) -> None:
        """What loses its place, or its value, is up to the publisher, which has too few of them."""
        values: Any = self.writer.values
        give, evict = values.give, values._evict

        def given(place: int, topic_id: int) -> None:
            former = [topic for _place, topic in self.table.named(place, place + 1)]
            for topic in former:
                self.feed.begin_to_forget(topic)
            give(place, topic_id)
            if former:
                self.feed.has_forgotten()

        def evicted(place: int) -> None:
            evict(place)
            for _place, topic in self.table.named(place, place + 1):
                self.feed.evict(topic)

        values.give, values._evict = given, evicted

    def _publish(self) -> None:
        if self.writing:
            return
        for _ in range(self._lapping):
            topic = self.rng.choice(TOPICS)
            is_keyframe = topic in KEYED and self.rng.random() < self._keys
            if not self._publish_one(topic, is_keyframe=is_keyframe):
                return

    def _publish_one(self, topic: bytes, *, is_keyframe: bool = False) -> bool:
        """Publish a message, or be interrupted; whether there was room."""
        rng, writer, history = self.rng, self.writer, self.history
        before = writer.head
        is_value = is_keyframe or self._is_value(before)
        payload = (b"%d:" % before).ljust(rng.choice(self._sizes), b".")
        if len(payload) > self.segment.layout.data_bytes // MESSAGE_PART // 2:
            payload = b"%d:" % before
        # A message of one frame is a topic of its own.
        number = (NUMBER.pack(self.epoch, before),) if self.is_numbered else ()
        frames = (topic, payload, *number) if is_value else (self._alone(topic, before), *number)
        wire = encode_message(frames)
        self.writing = True
        try:
            if is_value:
                self.table.intern(topic)
            history.add([Published(frames, wire)], wire, [len(wire)], self.now)
            message = Message(frames[0], is_keyframe)
            self.feed.begin(message, len(wire), self.now, is_value=is_value)
            self._interruptible = rng.random() < self._rude
            result = self._append(wire, topic, is_keyframe=is_keyframe, is_value=is_value)
        except Interrupted:
            self._interruptible = False
            self.table.settle()
            self.guard.settle()
            result = before
        finally:
            self.writing = self._interruptible = False
        history.cut(writer.head)
        self.feed.end(writer.head, is_value=is_value)
        if result == NO_SPACE:
            self._make_room(len(wire))
        return result != NO_SPACE

    def _alone(self, topic: bytes, number: int) -> bytes:
        """A message that is a topic of its own."""
        return topic + b"#%d:" % number

    def _is_value(self, _number: int) -> bool:
        """Whether a message has a last value, and is no topic of its own."""
        return self.rng.random() < 0.95

    def _append(self, wire: bytes, topic: bytes, *, is_keyframe: bool, is_value: bool) -> int:
        if not is_value:
            return self.writer.append(wire, NOT_INTERNED)
        known = self.table.keyframe(topic) if is_keyframe else self.table.find(topic)
        require(known is not None, "a topic without a place")
        is_batch = self.rng.random() < 0.3

        def append() -> int:
            assert known is not None
            if is_batch:
                return self.writer.append_batch([wire], [known.id])
            return self.writer.append(wire, known.id)

        values = self.writer.values
        values.begin_marking()
        try:
            return append()
        finally:
            values.end_marking()

    def _make_room(self, size: int) -> None:
        self.writing = True  # under the send lock, like an append
        try:
            self._refresh()
            if not self.writer.fits(size, 1):
                self.writer.values.hurry(self.writer.head)
                self._refresh()
        finally:
            self.writing = False

    def _refresh(self) -> None:
        def again() -> list[int]:
            return read_tails(self.slots, self._reader_step)

        self.writer.refresh(again(), again)

    def rush(self) -> None:
        """Somebody goes back: the publisher may fill all that it does not protect."""
        if self.has_policies and not (self.writing or self.settling) and self.fate.random() < 0.2:
            for _ in range(RUSH):
                self._publish()

    def _forget(self) -> None:
        topic = self.rng.choice(TOPICS)
        found = self.table.find(topic)
        if self.writing or found is None or self.rng.random() >= self._forgets:
            return
        self.writing = True
        self.feed.begin_to_forget(topic)
        self.table.forget(found)
        self.feed.has_forgotten()
        self.writing = False

    # Interleaving.

    def _reader_step(self) -> None:
        """The publisher is between two stores: a worker may have its turn, or it is interrupted."""
        if self._interruptible and self.rng.random() < 0.3:
            self._interruptible = False
            raise Interrupted
        if not self.settling and self.workers and self.rng.random() < self._eager:
            worker = self.rng.choice(self.workers)
            worker.run(worker.real.turn)

    def writer_step(self, worker: ShownWorker) -> None:
        """A worker is between two steps: the publisher may have its turn."""
        if worker.busy and not (self.writing or self.settling) and self.rng.random() < self._eager:
            self._publish()


def _options(rng: Random, log_bytes: int) -> Options:
    return Options(
        workers=rng.choice((1, 1, 2)),
        log_bytes=log_bytes,
        slow_policy="block",  # of what it wants by itself nobody loses anything
        last_values=LastValues(),
        send_timeout=NEVER,
        stall_timeout=NEVER,
        handshake_timeout=NEVER,
        heartbeat_interval=0.0,
    )
