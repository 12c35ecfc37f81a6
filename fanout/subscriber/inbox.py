"""What has come and waits for the program: bounded in bytes, with a policy for when it is full.

The thread that reads puts whole batches. Programs take from any thread, and mostly without a lock:
a deque gives each message to one taker. How many bytes wait is known to the reader alone, who
remembers what each batch counts for, and sees by the length of the deque which are gone. Only the
policies that take messages out again, from the front, need a lock.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING, Literal, TypeAlias

from fanout.subscriber.message import CONFLATED, QUEUE_FULL, Gap

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from fanout.subscriber.message import Message

QueuePolicy: TypeAlias = Literal["block", "drop_oldest", "drop_newest", "conflate", "disconnect"]

QUEUE_BYTES = 64 * 1024 * 1024
"""Half a second of a full 1 Gbit/s link; more than that hides from the publisher who is slow."""

MESSAGE_COST_BYTES = 176  # of a message in memory beside its bytes: object, tuple, two frames
RESUME_PART = 2  # when it was full, it is so until only 1/2 is: losses and pauses come in runs
KEPT_PART, KEPT_OF = 3, 4  # what is left when the oldest are lost: so it is not done each time
CONFLATED_BATCH = 32  # messages that are lost together if conflating does not make room enough


class Inbox:
    """A queue of messages, put to by one thread and taken from by any.

    Args:
        limit_bytes: what may wait; what is put when less does is taken whole.
        policy: what happens when it is full: "block" and "disconnect" are up to who reads, by
            `is_full`; the others lose messages, and say so on the next one.

    Attributes:
        messages: those that wait; whoever takes some by `pop` calls `taken` if it `is_stalled`.
        is_stalled: who reads waits until there is room.
        on_room: called by who takes, once, when there is room for who waits.
        received, dropped, conflated: messages put, lost again, and replaced by newer ones.
    """

    def __init__(self, limit_bytes: int, policy: QueuePolicy) -> None:
        self.messages: deque[Message] = deque()
        self.policy = policy
        self.is_stalled = False
        self.on_room: Callable[[], object] = int
        self.received = 0
        self.dropped = 0
        self.conflated = 0
        self._limit = limit_bytes
        self._end = 0  # messages ever put, less those that were dropped
        self._batches: deque[tuple[int, int]] = deque()  # the end after each, and its bytes
        self._bytes = 0  # of those
        self._is_full = False
        self._resume = 0  # messages that wait when who reads goes on
        self._gap: Gap | None = None  # what was lost at the end
        self._lock = threading.Lock()
        takes_out = policy in ("drop_oldest", "conflate")
        self.pop: Callable[[], Message] = self._locked_pop if takes_out else self.messages.popleft

    def _locked_pop(self) -> Message:
        message = None
        try:
            with self._lock:
                message = self.messages.popleft()
            return message  # noqa: RET504  # it is there for the handler
        except BaseException:
            if message is not None:
                self.put_back([message])
            raise

    # Who takes.

    def put_back(self, taken: list[Message]) -> None:
        """Whoever took these was interrupted, and nobody will see them: they are the next again."""
        if taken:
            with self._lock:
                self.messages.extendleft(reversed(taken))

    def taken(self) -> None:
        """Somebody has taken while who reads waits: it is told when there is room."""
        if len(self.messages) <= self._resume:
            try:
                self._say_that_there_is_room()
            except BaseException:  # an interrupt: who reads would wait for ever
                self._say_that_there_is_room()
                raise

    def _say_that_there_is_room(self) -> None:
        self.is_stalled = False
        self.on_room()

    @property
    def queued_bytes(self) -> int:
        """What waited when the reader looked last; 0 if nothing does."""
        return self._bytes if self.messages else 0

    def leave(self) -> None:
        """In a forked child: nothing waits, and nobody of this process holds what was locked."""
        self._lock = threading.Lock()
        self.messages.clear()

    # Who reads.

    @property
    def waiting_bytes(self) -> int:
        """What waits, as it counts: a batch for as long as there is one message of it."""
        gone = self._end - len(self.messages)
        batches = self._batches
        while batches and batches[0][0] <= gone:
            self._bytes -= batches.popleft()[1]
        return self._bytes

    @property
    def is_full(self) -> bool:
        """Whether no more should be put: until half of the limit is taken, once it was reached."""
        limit = self._limit // RESUME_PART if self._is_full else self._limit
        self._is_full = self.waiting_bytes > limit
        return self._is_full

    def stall(self) -> None:
        """Have `on_room` called when there is room again; at once if there is already."""
        self._resume = len(self.messages) // RESUME_PART
        self.is_stalled = True
        if len(self.messages) <= self._resume:  # they were taken before `is_stalled` was set
            self.taken()

    def put(self, messages: list[Message], size: int) -> None:
        """Add what came in one read.

        Args:
            size: bytes of them.
        """
        if not messages:
            return
        if self.policy == "drop_newest" and self.is_full:
            self.dropped += len(messages)
            self._gap = _gap_of(messages, QUEUE_FULL).after(self._gap)
            return
        if self._gap is not None:
            messages[0], self._gap = messages[0].after(self._gap), None
        self.received += len(messages)
        self._note(len(messages), size + MESSAGE_COST_BYTES * len(messages))
        self.messages.extend(messages)
        if self.policy in ("drop_oldest", "conflate") and self.waiting_bytes > self._limit:
            with self._lock:
                self._make_room()

    def _note(self, count: int, size: int) -> None:
        """A batch is there, or about to be."""
        self._end += count
        self._batches.append((self._end, size))
        self._bytes += size

    def _make_room(self) -> None:
        """Take messages out again; nobody else takes meanwhile."""
        if self.policy == "conflate":
            self._conflate()
        lost: list[Message] = []
        messages, batches = self.messages, self._batches
        while len(batches) > 1 and self._bytes * KEPT_OF > self._limit * KEPT_PART:
            end, size = batches.popleft()
            self._bytes -= size
            lost += [messages.popleft() for _ in range(end - (self._end - len(messages)))]
        if lost:
            self.dropped += len(lost)
            messages.appendleft(messages.popleft().after(_gap_of(lost, QUEUE_FULL)))

    def _conflate(self) -> None:
        """Keep the newest of each topic; each says how many are missing just before it."""
        waiting = list(self.messages)
        newest = {message.topic: message for message in waiting}
        self.messages.clear()
        self._batches.clear()
        self._bytes = 0
        self._end = 0
        lost: list[Message] = []
        size = 0
        for message in waiting:
            if newest[message.topic] is not message:
                lost.append(message)
                continue
            self.messages.append(message.after(_gap_of(lost, CONFLATED)) if lost else message)
            self.conflated += len(lost)
            lost.clear()
            size += MESSAGE_COST_BYTES + message.size
            noted = len(self.messages) - self._end
            if noted == CONFLATED_BATCH:
                self._note(noted, size)
                size = 0
        if len(self.messages) > self._end:
            self._note(len(self.messages) - self._end, size)


def _gap_of(lost: Sequence[Message], reason: str) -> Gap:
    """What is missing when these are: they, and what was missing before each of them."""
    first, last = lost[0], lost[-1]
    gap = Gap(reason, len(lost), first.sequence, last.sequence, last.epoch)
    if first.epoch != last.epoch:
        gap = Gap(reason, len(lost))
    for message in lost:
        if message.gap is not None:
            gap = gap.after(message.gap)
    return gap
