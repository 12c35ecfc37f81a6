"""The header: what there is once for each publisher. The coordinator's process writes all of it."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

from fanout.shm import layout as at
from fanout.shm import value_layout as places
from fanout.shm.credit import read_credit, write_credit
from fanout.shm.fence import keep_order
from fanout.shm.words import Record, Word, read_text, write_text

if TYPE_CHECKING:
    from fanout.shm.credit import Credit
    from fanout.shm.segment import Segment


class PublisherState(enum.IntEnum):
    """Where a publisher is in its life; a segment that was given back reads as NONE."""

    NONE = 0
    STARTING = 1
    SERVING = 2
    ENDING = 3
    ENDED = 4

    @classmethod
    def _missing_(cls, value: object) -> PublisherState:
        return cls.NONE  # what is none of these was written by no publisher


class Header(Record):
    """The first page of the segment.

    Head and poison are the log's and the guard's affair; they are here for who only reads.
    """

    __slots__ = ()

    def __init__(self, segment: Segment) -> None:
        super().__init__(segment.words[: at.PAGE // at.WORD])

    head = Word(at.H_HEAD, "sequence of the next message; the writer's")
    poison = Word(at.H_POISON, "the head that is being, or was last, committed; the writer's")
    wanted = Word(at.H_WANTED, "0, or the tail at which the waiting publisher is to be woken")
    workers = Word(at.H_WORKERS, "how many workers there are")
    pid = Word(at.H_PID, "of the publisher's process")
    epoch = Word(at.H_EPOCH, "another number for each run of a publisher")
    started = Word(at.H_STARTED, "wall clock when it started, ns since 1970")
    state = Word(at.H_STATE, "see `PublisherState`")
    heartbeat = Word(at.H_HEARTBEAT, "monotonic ns of the coordinator's last turn")
    floor = Word(at.H_FLOOR, "nothing from there on is overwritten for now; the writer's")
    expired = Word(places.H_VALUES_EXPIRED, "what is older than this message is no last value")
    compiled = Word(at.H_COMPILED, "whether the usual append is compiled")
    value_topics = Word(places.H_VALUES_KNOWN, "topics with a place for a last value; the writer's")
    values_from = Word(places.H_VALUES_FROM, "values are kept from there on; the writer's")
    values_to = Word(places.H_VALUES_TO, "and up to there; the writer's")
    values_evicted = Word(places.H_VALUES_EVICTED, "topics that lost theirs; the writer's")
    hold = Word(at.H_HOLD, "from which message on connections need it that nobody serves")
    holds = Word(at.H_HOLDS, "how often that was changed")
    slots_used = Word(at.H_SLOTS_USED, "the first so many slots have been somebody's")
    ends_begun = Word(at.H_ENDS_BEGUN, "ends of connections that are booked or being booked")
    ends_booked = Word(at.H_ENDS_BOOKED, "the same, but for one that is being booked")

    def hold_back(self, sequence: int, credit: Credit) -> None:
        """Have the log keep what comes from this message on, NO_TAIL = nothing; see `Tails`.

        Args:
            credit: how far the publisher may go.
        """
        self.holds += 1
        keep_order()
        write_credit(self.words, at.H_CREDIT, credit)
        self.hold = sequence
        keep_order()

    @property
    def credit(self) -> Credit:
        """How far the publisher may go for connections that nobody serves."""
        return read_credit(self.words, at.H_CREDIT)

    @property
    def known_credit(self) -> Credit:
        """How far it does go; the writer's."""
        return read_credit(self.words, at.H_KNOWN_CREDIT)

    @property
    def name(self) -> str:
        """What the user calls this publisher; empty if nothing."""
        return read_text(self.words, at.H_NAME, at.NAME_BYTES)

    @name.setter
    def name(self, name: str) -> None:
        write_text(self.words, at.H_NAME, at.NAME_BYTES, name)


_ACCOUNTS = at.H_ACCOUNTS - at.H_LEDGER


def slots_used(segment: Segment) -> int:
    """How many slots of subscribers have been somebody's, the first ones.

    The others are zeros, and most publishers have very many of them: to touch them takes long the
    first time, 2 s for a million, and maps their memory.
    """
    return min(segment.words[at.H_SLOTS_USED], segment.layout.subscribers)


class SharedTotals(Record):
    """What became of connections, and of the messages of those that have ended; only grows.

    Args:
        words: of the segment, or of a page that stands for its first.
    """

    __slots__ = ()

    def __init__(self, words: memoryview) -> None:
        super().__init__(words[at.H_LEDGER : at.H_ACCOUNTS + at.ACCOUNTS])

    accepted = Word(0, "connections ever accepted")
    refused = Word(1, "connections refused because of a limit")
    evicted = Word(2, "subscribers closed by us")
    disconnected = Word(3, "subscribers that left, or were closed by close()")
    failed_handshakes = Word(4, "connections that never became a subscriber")
    sent = Word(5, "messages handed to the kernel, of connections that have ended")
    dropped = Word(6, "messages lost by slow subscribers, of connections that have ended")
    discarded = Word(7, "messages queued for a subscriber when its connection ended")
    throttled = Word(8, "times that a subscriber was named for what its talking takes")
    channel_full = Word(10, "times that messages between publisher and worker had to wait")
    takeover_pauses = Word(11, "times that nobody could be handed on: no descriptors, no memory")
    past_inexact = Word(12, "workers lost since which what is counted of the past may be off")
    half_closed = Word(9, "subscribers that have ended their side, and were served on")
    # Of connections that have ended, as those above.
    matched = Word(_ACCOUNTS, "messages that matched")
    matched_bytes = Word(_ACCOUNTS + 1, "their bytes")
    sent_bytes = Word(_ACCOUNTS + 2, "bytes of messages handed to the kernel")
    dropped_bytes = Word(_ACCOUNTS + 3, "of `dropped`")
    discarded_bytes = Word(_ACCOUNTS + 4, "of `discarded`")
    conflated = Word(_ACCOUNTS + 5, "messages that a newer one on their topic took the place of")
    conflated_bytes = Word(_ACCOUNTS + 6, "their bytes")
    dropped_messages = Word(_ACCOUNTS + 7, "of `dropped`: because of a limit in messages")
    dropped_age = Word(_ACCOUNTS + 8, "of `dropped`: because of a limit in seconds")
    dropped_log = Word(_ACCOUNTS + 9, "of `dropped`: because of the log")
    dropped_messages_bytes = Word(_ACCOUNTS + 10, "of `dropped_messages`")
    dropped_age_bytes = Word(_ACCOUNTS + 11, "of `dropped_age`")
    dropped_log_bytes = Word(_ACCOUNTS + 12, "of `dropped_log`")
    takeovers = Word(_ACCOUNTS + 14, "workers that were lost and had connections that others took")
    resumed = Word(_ACCOUNTS + 15, "times that a connection went on with another worker")
    not_resumed = Word(_ACCOUNTS + 16, "subscribers that were closed since no worker could go on")
    moved = Word(_ACCOUNTS + 17, "times that one went on with another worker while both served")
    subscriptions_refused = Word(_ACCOUNTS + 18, "of who has no right to them")
    accept_pauses = Word(_ACCOUNTS + 19, "times that accepting paused: no descriptors, no memory")
    accept_queue_full = Word(_ACCOUNTS + 20, "looks that found an accept queue full")
    clock_sets = Word(_ACCOUNTS + 21, "times that the time of day was set")
    machine_sleeps = Word(_ACCOUNTS + 22, "times that the machine slept")
    standstills = Word(_ACCOUNTS + 23, "times that the coordinator came late to a look")
    inexact = Word(_ACCOUNTS + 13, "connections of lost workers whose figures may be too small")


def reason_counters(words: memoryview) -> memoryview:
    """A counter for each number of a `Reason`: connections that were closed or refused for it."""
    return words[at.H_REASONS : at.H_REASONS + at.REASONS]
