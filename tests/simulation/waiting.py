"""What waits for one subscriber, and what it has got, as a naive model has it."""

from __future__ import annotations

from collections import Counter, deque
from itertools import islice
from typing import TYPE_CHECKING, Any

from tests.simulation.peers import Kind
from tests.simulation.policies import Behind
from tests.simulation.telling import Telling

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fanout.terms.slow_policy import SlowPolicy
    from tests.simulation.late import Late
    from tests.simulation.policies import Rules
    from tests.simulation.published import History, Published
    from tests.simulation.saying import Reports
    from tests.simulation.sockets import FakeSocket

LAG_LOG = "lag_log"
COUNTED_REASONS = ("lag", "lag_messages", "lag_age", LAG_LOG)
COMMAND = 4
NOT_BEHIND = Behind(0, 0, 0, 0, 0)


class ByReason:
    """What one subscriber has lost, by reason.

    Attributes:
        messages: how many.
        drops: the same for all reasons but the first, and then their bytes.
    """

    def __init__(self) -> None:
        self.messages: Counter[str] = Counter()
        self._bytes: Counter[str] = Counter()
        self.drops = (0,) * (2 * len(COUNTED_REASONS) - 2)

    def add(self, reason: str, size: int) -> None:
        """It has lost one message of so many bytes."""
        self.messages[reason] += 1
        self._bytes[reason] += size
        counts = self.messages, self._bytes
        self.drops = tuple(each[reason] for each in counts for reason in COUNTED_REASONS[1:])


class Waiting:
    """One subscriber's stream: what is queued for it, and what was counted.

    Attributes:
        queue: messages that matched and that the socket has not taken whole; the first one may be
            partly there.
        partial: bytes that the socket took of an item that is not complete.
        spoken: answers to its PINGs that must come, in this order.
        rules: what may become of it when it is behind.
        doomed: messages that matched while it finishes what was queued: they are lost, and the
            system counts them as that when it comes to it. None = it does not finish.
        doomed_by: the reason why they are.
        by_reason: what it has lost.
        reports: what it says of itself.
        telling: what it is still to be told of what it does not get.
        coming: policies that it will have, which its worker has been sent.
        slow: whether the system has called it that.
        late: what it is sent of the time before it has subscribed; None = nothing.
        seen: when the front has passed each message.
        version: another number whenever what follows from it may be another: what it has, waits
            for or may be sent, and by which rules.
        checked: what was found right the last time, and the bytes that have matched by then.
    """

    def __init__(
        self,
        identifier: int,
        sock: FakeSocket,
        history: History,
        rules: Rules,
        kind: Kind,
        reports: Reports,
        epoch: int,
        late: Late | None = None,
    ) -> None:
        self.id = identifier
        self.kind = kind
        self.legacy = kind is Kind.LEGACY
        self.socket = sock
        self.prefixes: set[bytes] = set()
        self._beginnings: tuple[bytes, ...] = ()  # the same
        self.queue: deque[int] = deque()
        self.version = 0
        self.checked: tuple[tuple[Any, ...], int] = (), 0
        self._waiting = -1, 0, 0  # the version of which these are: bytes queued, and with the lost
        self.matched = self.sent = self.dropped = self.dropped_bytes = 0
        self.conflated = self.conflated_bytes = 0
        self.pass_until = 0  # what was below this was thinned, and is being sent
        self.by_reason = ByReason()
        self.reports = reports
        self.telling = Telling(epoch)
        self.coming: deque[SlowPolicy] = deque()
        self._last_sent: dict[bytes, int] = {}
        self._ruled_from = 0
        self.message_bytes = self.other_bytes = 0
        self.partial = bytearray()
        self.spoken: deque[bytes] = deque()
        self.progress_at = 0
        self.blocked_at: int | None = None
        self.unheard_at: int | None = None  # since when it has had room, and nobody has heard of it
        self.in_the_way_at: int | None = None  # since when it has been, and silent too long
        self.rules = rules
        self.late = late
        self.doomed: deque[int] | None = None
        self.doomed_by = ""
        self.slow = False
        self.seen: dict[int, int] = {}
        self.behind_since: int | None = None
        self.rated_since = (0, 0)  # the time and what it had been sent when its rate was set
        self._ruled_since = 0
        self._history = history
        self._scanned = 0
        self._greeted = self._in_marker = False  # whether what is partly taken is a marker

    @property
    def in_message(self) -> bool:
        """Whether the first message of the queue was partly taken."""
        if not self.partial or not self._greeted:
            return False
        return not self._in_command and not self._in_marker

    @property
    def _in_command(self) -> bool:
        return not self.legacy and bool(self.partial[0] & COMMAND)

    @property
    def unstarted(self) -> list[int]:
        """Messages of the queue of which nothing was taken."""
        return list(islice(self.queue, int(self.in_message), None))

    def touch(self) -> None:
        """It is another one now than when it was last looked at."""
        self.version += 1

    @property
    def queued(self) -> int:
        """Messages of the queue that count as matched."""
        return len(self.queue) - len(self._uncounted())

    def _uncounted(self) -> list[int]:
        if self.late is None:
            return []
        first, stop = self.late.uncounted
        return [one for one in self.queue if first <= one < stop]

    @property
    def queued_bytes(self) -> int:
        """Of the queue: as it is in the log; of what was begun, what is left of what it reads."""
        return self._waiting_bytes()[1]

    def _waiting_bytes(self) -> tuple[int, int]:
        """Bytes of the queue as they are in the log, and as `queued_bytes` has them."""
        if self._waiting[0] != self.version:
            sizes = self._history.sizes.__getitem__
            queued = sum(map(sizes, self.queue))
            counted = queued - sum(map(sizes, self._uncounted()))
            if self.doomed:
                counted += sum(map(sizes, self.doomed))
            if self.in_message:
                first = self.queue[0]
                counted += len(self._as_read(first)) - len(self.partial) - sizes(first)
                queued -= len(self.partial)
            self._waiting = self.version, queued, counted
        return self._waiting[1:]

    @property
    def matched_bytes(self) -> int:
        """All that matched, wherever it is now."""
        return (
            self.counted_bytes()[0] + self.queued_bytes + self.dropped_bytes + self.conflated_bytes
        )

    @property
    def figures(self) -> tuple[int, ...]:
        """Messages matched, sent, dropped, conflated; bytes sent, matched, dropped, queued.

        Counted anew, whatever is remembered.
        """
        self.touch()
        return (
            *(self.matched, self.sent, self.dropped, self.conflated),
            *(self.counted_bytes()[0], self.matched_bytes, self.dropped_bytes, self.queued_bytes),
        )

    @property
    def has_more(self) -> bool:
        """Whether there is something that it has not got yet."""
        return bool(self.queue or self.telling.untold)

    def message(self, sequence: int) -> Published:
        """What was published with this number."""
        return self._history.messages[sequence]

    @property
    def own_rules(self) -> Rules:
        """Those that hold for what it wants by itself."""
        return self.late.own if self.late is not None else self.rules

    def forget_times(self) -> None:
        """What it has been sent up to here does not count for how often it gets a topic."""
        self._ruled_from = self._scanned
        self._last_sent.clear()

    def behind(self, front: int, now: int, oldest: int | None = None) -> Behind:
        """What waits for it, from the `oldest` message on that is still to be counted."""
        queue: Sequence[int] = self.queue
        if oldest is not None:
            queue = [one for one in queue if one >= oldest or self._begun(one)]
        if not queue:
            return NOT_BEHIND
        if oldest is None:
            size = self._waiting_bytes()[0]
        else:
            size = sum(map(self._history.sizes.__getitem__, queue))
            size -= len(self.partial) if self.in_message else 0
        oldest = oldest or next(islice(self.queue, int(self.in_message), None), front)
        end = self._history.start_of(front)
        age = now - self._history.times[queue[0]]
        return Behind(size, len(queue), age, end - self._history.start_of(oldest), front - oldest)

    def known_age(self, sequence: int, now: int) -> int:
        """How old a message is, as far as the system must know."""
        return now - max(self.seen[sequence], self.behind_since or now, self._ruled_since)

    def _begun(self, sequence: int) -> bool:
        return self.in_message and sequence == self.queue[0]

    def scan(self, front: int, now: int) -> None:
        """The worker's front has come so far: what matched below it is queued."""
        if self._beginnings and front > self._scanned:
            self.touch()
            queue = self.queue if self.doomed is None else self.doomed
            for sequence in range(self._scanned, front):
                if self._history.messages[sequence].topic.startswith(self._beginnings):
                    self.matched += 1
                    self.seen[sequence] = now
                    queue.append(sequence)
        self._scanned = front

    def all_waiting(self, head: int) -> int:
        """How many messages wait for it, with those that its worker has not come to yet."""
        coming = range(self._scanned, head)
        topics = (self._history.messages[one].topic for one in coming)
        return len(self.queue) + sum(one.startswith(self._beginnings) for one in topics)

    def change(self, since: int, front: int, prefixes: set[bytes], now: int) -> None:
        """Its subscriptions are these, for messages from `since` on."""
        while self.queue and self.queue[-1] >= since:
            self.queue.pop()
            self.matched -= 1
        self.touch()
        self.prefixes = set(prefixes)
        self._beginnings = tuple(prefixes)
        self._scanned = since
        self.scan(front, now)

    def counted_bytes(self) -> tuple[int, int]:
        """Bytes of messages and other bytes that the socket took."""
        messages, others = self.message_bytes, self.other_bytes
        if self.in_message:
            return messages + len(self.partial), others
        return messages, others + len(self.partial)

    def _as_read(self, sequence: int) -> bytes:
        message = self._history.messages[sequence]
        return message.legacy_wire if self.legacy else self.kind.read(sequence, message.wire)
