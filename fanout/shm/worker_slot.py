"""Worker slots: what a worker says about itself, and what the coordinator says about it.

A worker writes the first half while it lives, and nobody else does; the coordinator writes the
second half, and the first between the end of one process and the start of the next.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, TypeVar

from fanout.shm import layout as at
from fanout.shm.census import NOTHING
from fanout.shm.credit import FREE, USED_UP, Credit, least, read_credit, write_credit
from fanout.shm.fence import keep_order
from fanout.shm.words import Record, Word, words_at

if TYPE_CHECKING:
    from collections.abc import Callable

    from fanout.shm.census import Amount
    from fanout.shm.segment import Segment

NO_TAIL = at.NO_TAIL
HOLDS = 1 << 62  # in the number of a sleep: the publisher is to look at the credit
# What the byte of a sleeper is; the second has a bit more, that a look at all of them shows.
ASLEEP = 1
HOLDING = 3  # it is to be rung whatever is published: its sleep `HOLDS`
_HALF = at.WC_PID  # words

T = TypeVar("T")


class WorkerState(enum.IntEnum):
    """Where a worker is in its life."""

    STARTING = 1  # until it has said that it serves
    READY = 2
    WAITING = 3  # for its back-off to pass
    GONE = 4  # given up: it failed again and again, and has not served for minutes
    RETIRED = 5  # there are to be fewer workers: it gets a process when there are to be more

    @classmethod
    def _missing_(cls, value: object) -> WorkerState:
        return cls.STARTING  # nobody has said yet


class WorkerSlot(Record):
    """The words of one worker.

    Args:
        index: of the worker, 0 to WORKERS_MAX - 1.
    """

    __slots__ = ("_sleeper",)

    def __init__(self, segment: Segment, index: int) -> None:
        offset = segment.layout.worker_slots + index * at.WORKER_SLOT_BYTES
        super().__init__(words_at(segment, offset, at.WORKER_SLOT_BYTES))
        self._sleeper = sleeper_byte(segment, index)

    # Written by the worker.
    tail = Word(at.W_TAIL, "oldest message it may still read, NO_TAIL = none")
    resume = Word(at.W_RESUME, "oldest message that another worker may have to go on from")
    resuming = Word(at.W_RESUMING, "with whom it is about to go on, or met a bug; 0 = with none")
    sending = Word(at.W_SENDING, "to whom on a Unix socket, from which byte on: see `own_counts`")
    flushed = Word(at.W_FLUSHED, "everything below was handed to the kernel, for every subscriber")
    heartbeat = Word(at.W_HEARTBEAT, "monotonic ns of its last sign of life")
    load = Word(at.W_LOAD, "CPU time used in the last second, in thousandths")
    subscribers = Word(at.W_SUBSCRIBERS, "connections it owns, half-open ones too")
    wanted_seen = Word(at.W_WANTED_SEEN, "the `wanted` that it last rang the publisher for")
    progress = Word(at.W_PROGRESS, "turns that did something or found nothing to do")
    cpu_ns = Word(at.W_CPU_NS, "CPU time of its process")
    rss_bytes = Word(at.W_RSS_BYTES, "resident memory of its process")
    cohorts = Word(at.W_COHORTS, "different wants of its subscribers")
    front = Word(at.W_FRONT, "sequence up to which every ready subscriber was served")
    matched = Word(at.W_MATCHED, "messages that matched, all connections it ever had")
    sent = Word(at.W_SENT, "of those: handed to the kernel, whole")
    sent_bytes = Word(at.W_SENT_BYTES, "bytes of messages handed to the kernel")
    dropped = Word(at.W_DROPPED, "lost by subscribers that were too slow")
    conflated = Word(at.W_CONFLATED, "a newer message on their topic took their place")
    discarded = Word(at.W_DISCARDED, "not delivered when their connections ended")
    replayed = Word(at.W_REPLAYED, "messages that matched, and were published before")
    from_snapshot = Word(at.W_FROM_SNAPSHOT, "messages that matched, and were last values")
    keyframes_lost = Word(at.W_KEYFRAMES_LOST, "times that of a topic no keyframe was left to send")
    in_snapshot = Word(at.W_IN_SNAPSHOT, "subscribers that are sent what was there when they came")
    matched_bytes = Word(at.W_MATCHED_BYTES, "bytes of the messages that matched")
    dropped_bytes = Word(at.W_DROPPED_BYTES, "of those that were lost")
    conflated_bytes = Word(at.W_CONFLATED_BYTES, "of those that were conflated")
    discarded_bytes = Word(at.W_DISCARDED_BYTES, "of those that were not delivered")
    unrecorded = Word(at.W_UNRECORDED, "times that nobody could go on with one of its subscribers")
    channel_full = Word(at.W_CHANNEL_FULL, "times that its reports were not read, and waited")
    channel_short = Word(at.W_CHANNEL_SHORT, "and that they waited for memory of the system")
    holding = Word(at.W_HOLDING, "subscriber for which the publisher is to wait, 0 = for nobody")
    past = Word(at.W_PAST, "1 = what it has counted of the past is lost if its process is")

    # Written by the coordinator.
    pid = Word(at.WC_PID, "of its process, 0 = none runs")
    state = Word(at.WC_STATE, "see `WorkerState`")
    restarts = Word(at.WC_RESTARTS, "how often it was replaced")
    started = Word(at.WC_STARTED, "monotonic ns")
    area = Word(at.WC_AREA, "which `SpillArea` its process writes to, 0 = none")
    heard = Word(at.WC_HEARD, "messages of its process that were acted on")

    @property
    def credit(self) -> Credit:
        """How far the publisher may go for its subscribers. The worker's."""
        return read_credit(self.words, at.W_CREDIT)

    @credit.setter
    def credit(self, credit: Credit) -> None:
        write_credit(self.words, at.W_CREDIT, credit)

    def fall_asleep(self, sleep: int) -> None:
        """Ask to be rung for; `sleep` is a number that is new each time. The worker's.

        With `HOLDS` in it the publisher goes by a credit that was taken back, and is to look.
        """
        self.words[at.W_SLEEPING] = sleep
        self._sleeper[0] = HOLDING if sleep & HOLDS else ASLEEP

    def wake(self) -> None:
        """Be rung for no more. The worker's, and the coordinator's once its process has ended."""
        self._sleeper[0] = 0
        self.words[at.W_SLEEPING] = 0

    def release(self, moved: Amount = NOTHING) -> None:
        """Hold nothing back any more: no process runs. The coordinator's.

        The totals stay, for the replacement to go on from. What was queued for subscribers of that
        process went with it; if it died between two of the stores, they are made to add up.

        Args:
            moved: of what was queued, that of subscribers who go on with other workers: these have
                it in their totals.
        """
        accounted = self.sent + self.dropped + self.conflated + self.discarded
        self.matched = max(self.matched, accounted)
        self.matched -= min(moved.messages, self.matched - accounted)
        self.discarded += self.matched - accounted
        accounted = self.sent_bytes + self.dropped_bytes
        accounted += self.conflated_bytes + self.discarded_bytes
        self.matched_bytes = max(self.matched_bytes, accounted)
        self.matched_bytes -= min(moved.bytes, self.matched_bytes - accounted)
        self.discarded_bytes += self.matched_bytes - accounted
        self.tail = at.NO_TAIL
        self.resume = at.NO_TAIL
        self.resuming = 0
        self.sending = 0
        self.past = self.holding = 0
        self.credit = FREE
        self.flushed = at.NO_TAIL
        self.wake()
        self.subscribers = 0
        self.load = 0
        self.pid = 0


class Tails:
    """What the first so many workers hold back of the log, read all at once."""

    def __init__(self, segment: Segment, workers: int) -> None:
        first = segment.layout.worker_slots // at.WORD
        each = at.WORKER_SLOT_BYTES // at.WORD
        self._words = segment.words
        self._slots = [first + index * each for index in range(workers)]
        self._sleepers = segment.view[at.H_SLEEPERS * at.WORD :][: at.WORKERS_MAX]

    def read(self) -> list[int]:
        """In the order of the workers; NO_TAIL = it holds nothing back.

        The smaller of what it may still read, and of what another one may have to that takes its
        place.
        """
        words = self._words
        return [min(words[slot + at.W_TAIL], words[slot + at.W_RESUME]) for slot in self._slots]

    def look(self) -> tuple[list[int], int]:
        """The same, and what the coordinator holds back for connections that nobody serves."""
        return self._while_unchanged(lambda: (self.read(), self._words[at.H_HOLD]))

    def are_held(self) -> bool:
        """Whether a worker has found somebody at a limit, or the coordinator has taken over."""
        words = self._words
        held = any(words[slot + at.W_HOLDING] for slot in self._slots)
        return held or words[at.H_HOLD] != at.NO_TAIL

    def credit(self, head: int, position: int) -> Credit:
        """What all of them allow for, and the coordinator, for those connections.

        Args:
            head, position: where the next message goes.
        """

        def look() -> Credit:
            found = read_credit(self._words, at.H_CREDIT)
            for worker in range(len(self._slots)):
                one = self._credit(worker, head, position)
                if one is not FREE:  # as those mostly are who have nobody with a limit
                    found = one if found is FREE else least((found, one))
            return found

        return self._while_unchanged(look)

    def _credit(self, worker: int, head: int, position: int) -> Credit:
        """What that worker allows for.

        Of what was committed while it sleeps and was not rung, it wants nothing: so it has said how
        much is left, from wherever the log is. Once it was rung that is void until it has looked.
        """
        words, slot = self._words, self._slots[worker]
        sleep = words[slot + at.W_SLEEPING]
        keep_order()
        credit = read_credit(words, slot + at.W_CREDIT)
        if not credit.is_left:
            return credit
        is_asleep = self._sleepers[worker] == ASLEEP
        keep_order()
        if not (is_asleep and sleep == words[slot + at.W_SLEEPING]):
            return USED_UP
        return credit.beyond(head, position)

    def _while_unchanged(self, look: Callable[[], T]) -> T:
        """What a look finds that sees either what a worker has, or the coordinator in its place.

        That changes when a worker is lost, before its words are released, and when another one has
        taken over, after it has set its own. So what was seen counts only if it has not changed
        meanwhile: else both might have been seen when they did not have it.
        """
        words = self._words
        while True:
            changes = words[at.H_HOLDS]
            keep_order()
            found = look()
            keep_order()
            if words[at.H_HOLDS] == changes:
                return found


def sleeper_byte(segment: Segment, index: int) -> memoryview:
    """The byte of worker `index`: not 0 while it sleeps; who rings for it sets it to 0, too."""
    first = at.H_SLEEPERS * at.WORD + index
    return segment.view[first : first + 1]


def sleepers(segment: Segment, workers: int = at.SLEEPERS_EACH) -> memoryview:
    """The bytes of so many workers, as words, one for each SLEEPERS_EACH: 0 if none sleeps."""
    return segment.words[at.H_SLEEPERS :][: max(1, -(-workers // at.SLEEPERS_EACH))]
