"""What one subscriber must have got, told by a naive model: lists, startswith, and no cursor.

The model learns of subscriptions from the worker's reports, of messages from the publisher, and of
everything else from the bytes that the fake socket took.
"""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING, Any

from tests.simulation.peers import Kind
from tests.simulation.policies import Behind
from tests.simulation.telling import MARKER_HEAD, Telling, marker_bytes
from tests.simulation.violated import Violated, require

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fanout.slow_policy import SlowPolicy
    from tests.simulation.late import Late
    from tests.simulation.policies import Rules
    from tests.simulation.published import History, Published
    from tests.simulation.saying import Reports
    from tests.simulation.sockets import FakeSocket

GREETING_BYTES = 64
LEGACY_GREETING_BYTES = 10  # ends where a ZMTP 1.0 peer takes the rest for messages
LAG_LOG = "lag_log"
COUNTED_REASONS = ("lag", "lag_messages", "lag_age", LAG_LOG)
COMMAND = 4
LONG = 2
NOT_BEHIND = Behind(0, 0, 0, 0, 0)


@dataclass
class Sums:
    """What a worker has done for all subscribers it ever had."""

    matched: int = 0
    sent: int = 0
    sent_bytes: int = 0
    dropped: int = 0
    discarded: int = 0
    matched_bytes: int = 0
    dropped_bytes: int = 0
    discarded_bytes: int = 0
    conflated: int = 0
    conflated_bytes: int = 0

    def add(self, model: SubscriberModel, *, ended: bool = False) -> None:
        """One subscriber more."""
        self.matched += model.matched
        self.matched_bytes += model.matched_bytes
        self.dropped_bytes += model.dropped_bytes
        self.sent += model.sent
        self.sent_bytes += model.counted_bytes()[0]
        self.dropped += model.dropped
        self.conflated += model.conflated
        self.conflated_bytes += model.conflated_bytes
        if ended:
            self.discarded += model.queued
            self.discarded_bytes += model.queued_bytes

    def copy(self) -> Sums:
        return replace(self)


class SubscriberModel:
    """One subscriber's stream, and what must be in it.

    Attributes:
        queue: messages that matched and that the socket has not taken whole; the first one may be
            partly there.
        partial: bytes that the socket took of an item that is not complete.
        spoken: answers to its PINGs that must come, in this order.
        rules: what may become of it when it is behind.
        doomed: messages that matched while it finishes what was queued: they are lost, and the
            system counts them as that when it comes to it. None = it does not finish.
        doomed_by: the reason why they are.
        dropped_by: messages lost, by reason.
        drops: the same for all reasons but the first, and then their bytes.
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
        self.dropped_by: Counter[str] = Counter()
        self._dropped_bytes_by: Counter[str] = Counter()
        self.drops = (0,) * (2 * len(COUNTED_REASONS) - 2)
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
        self._greeted = False
        self._in_marker = False  # whether what is partly taken is one

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

    def go_back(self, first: int, until: int, front: int, now: int) -> None:
        """The system sends it what it has missed, from one message up to another."""
        late = self.late
        require(late is not None, "it has missed nothing")
        assert late is not None
        wanted = late.begin(first, until, front)
        require(not self.in_message, "it goes back in the middle of what it has subscribed to")
        self.touch()
        self.queue.extendleft(reversed(wanted))
        self.seen.update(dict.fromkeys(wanted, now))
        self.matched += len(wanted)
        due = late.past.due
        if self.kind is not Kind.PLAIN:  # how many it wants is not seen from where they lie
            due = [(reason, low, high, 0) for reason, low, high, _count in due]
        self.telling.miss(due)
        if first < until:
            self.blocked_at = now  # its time begins again
        self.rules = late.rules

    def uncount(self, first: int, stop: int) -> None:
        """What it wants of this does not count as matched yet."""
        assert self.late is not None
        self.late.uncounted = first, stop
        self.matched -= len(self._uncounted())
        self.touch()

    def count_late(self, counted: int, stop: int) -> None:
        """Of what does not count as matched, only this does not any more."""
        assert self.late is not None
        if self.late.uncounted != (counted, stop):
            self.matched += self.late.count(counted, stop)
            self.touch()

    def require_caught_up(self) -> None:
        """What it has missed, it has got, if it goes by its own rules."""
        late = self.late
        if late is None or late.is_due or late.is_under_way or late.past.until < 0:
            return
        left = [one for one in self.unstarted if one < late.past.until]
        require(not left, f"it has come to what it wants by itself, and has not got {left}")

    def judge_again(self, now: int) -> None:
        """The system looks at it by its own rules: how old what waits is, it knows since then."""
        if self.late is not None and self.late.is_unjudged:
            self.late.is_unjudged = False
            self._ruled_since = now

    def end_late(self, now: int) -> None:
        """It has come to what it wants by itself: its own rules hold again."""
        late = self.late
        assert late is not None
        first = late.past.until
        late.is_under_way, late.is_unjudged = False, True
        self.rules = late.own
        self._ruled_since = now
        self.pass_until = max(self.pass_until, first)
        self._ruled_from = max(self._ruled_from, first)
        self._last_sent.clear()
        self.touch()

    def obey(self, rules: Rules, now: int) -> None:
        """From now on this becomes of it when it is behind."""
        if self.late is not None:
            self.late.own = rules
            rules = self.late.rules if self.late.is_under_way else rules
        if rules.policy.max_rate != self.rules.policy.max_rate:
            self.rated_since = now, sum(self.counted_bytes())
        self.rules = rules
        self._ruled_since = now
        self.touch()
        self.forget_times()

    def forget_times(self) -> None:
        """What it has been sent up to here does not count for how often it gets a topic."""
        self._ruled_from = self._scanned
        self._last_sent.clear()

    def require_its_rate(self, now: int) -> None:
        """It was sent no more than it may be, and a tenth of a second's worth at once."""
        rate = self.rules.policy.max_rate
        if not rate:
            return
        since, before = self.rated_since
        sent = sum(self.counted_bytes()) - before
        most = rate * (now - since) / 1e9 + rate / 10 + 1
        require(sent <= most, f"{sent} bytes were sent, {most} were allowed")

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

    def drop(self, reasons: list[str], front: int, now: int, *, of_log: bool) -> None:
        """The system counted these of the oldest as lost; none that it must keep.

        Args:
            reasons: why, of each.
            of_log: only the log is reason for that.
        """
        count = len(reasons)
        doomed = self.unstarted[:count]
        require(len(doomed) == count, f"{count} counted as dropped, {len(doomed)} were there")
        kept = self.rules.kept
        if doomed:
            lag = self.behind(front, now, doomed[-1])
            lag = lag._replace(age=now - self._history.times[doomed[-1]])
            if of_log:
                lag = lag._replace(bytes=0, messages=0, age=0)
            elif self.kind is not Kind.PLAIN:
                lag = lag._replace(bytes=kept.bytes + 1)  # it has other sizes
            over = any(one > limit for one, limit in zip(lag, kept, strict=True))
            require(over, f"message {doomed[-1]} was dropped, but may stay: {lag}, {kept}")
        self.touch()
        for sequence, reason in zip(doomed, reasons, strict=True):
            self.queue.remove(sequence)
            self._lose(sequence, reason)
        self._note_reasons()

    def superseded(self, first: int) -> list[int]:
        """What waits from message `first` on, and has a newer one on its topic behind it."""
        waiting = [one for one in self.unstarted if one >= first]
        newest = {self.message(one).topic: one for one in waiting}
        return [one for one in waiting if newest[self.message(one).topic] != one]

    def conflate(self, count: int, first: int, front: int) -> None:
        """The system counted so many as conflated, of those from message `first` on."""
        gone = self.superseded(first)
        require(len(gone) == count, f"{count} conflated, {len(gone)} have newer ones")
        self.touch()
        for sequence in gone:
            self.queue.remove(sequence)
            self.conflated_bytes += len(self.message(sequence).wire)
            self.telling.conflate(sequence)
        self.conflated += count
        self.pass_until = front

    def lose_newest(self, count: int) -> None:
        """The system counted so many as lost of those that came while it finishes."""
        require(self.doomed is not None, "messages were dropped under a policy that does not")
        assert self.doomed is not None
        require(count <= len(self.doomed), f"{count} dropped, {len(self.doomed)} have come")
        self.touch()
        for _ in range(count):
            self._lose(self.doomed.popleft(), self.doomed_by)
        self._note_reasons()

    def lose_what_does_not_fit(self, count: int) -> None:
        """It begins to finish, and the system counted so many of the newest as lost by that."""
        require(self.doomed is not None or not count, "messages were lost by who does not finish")
        limits, size, fitting = self.rules.limits, -len(self.partial) if self.in_message else 0, 0
        for sequence in self.queue:
            size += len(self.message(sequence).wire)
            over = fitting >= limits.messages or size > limits.bytes
            if fitting and sequence >= self.pass_until and over:
                break
            fitting += 1
        left = len(self.queue) - count
        if self.kind is Kind.PLAIN:  # others have other sizes
            require(left == fitting, f"{left} are kept, {fitting} fit")
        require(left > 0 or not count, "none is kept")
        self.touch()
        for sequence in [self.queue.pop() for _ in range(count)][::-1]:
            self._lose(sequence, self.doomed_by)
        self._note_reasons()

    def _lose(self, sequence: int, reason: str) -> None:
        size = len(self.message(sequence).wire)
        self.dropped += 1
        self.dropped_bytes += size
        self.dropped_by[reason] += 1
        self._dropped_bytes_by[reason] += size
        self.telling.lose(sequence, reason)

    def _note_reasons(self) -> None:
        counts = self.dropped_by, self._dropped_bytes_by
        self.drops = tuple(each[reason] for each in counts for reason in COUNTED_REASONS[1:])

    def take(self, now: int, *, of_log: bool = True) -> None:
        """Look at what the socket took since the last look.

        Args:
            of_log: whether what the system sends now is of a message, if a few bytes of it do not
                show that; what follows them will.
        """
        if not self.socket.accepted:
            return
        self.touch()
        self.progress_at = now
        self.partial += self.socket.accepted
        self.socket.accepted.clear()
        self._in_marker = False
        while self.partial and self._take_item(of_log=of_log):
            pass

    def counted_bytes(self) -> tuple[int, int]:
        """Bytes of messages and other bytes that the socket took."""
        messages, others = self.message_bytes, self.other_bytes
        if self.in_message:
            return messages + len(self.partial), others
        return messages, others + len(self.partial)

    def _take_item(self, *, of_log: bool) -> bool:
        if not self._greeted:
            return self._take_greeting()
        if self._in_command:
            return self._take_command()
        self._in_marker = self._is_marker(of_log=of_log)
        if self._in_marker:
            return self._take_marker()
        if not self.queue:
            raise Violated(f"bytes that nothing stands for: {bytes(self.partial[:40])!r}")
        wire = self._as_read(self.queue[0])
        is_whole = len(wire) <= len(self.partial)
        same = self.partial.startswith(wire) if is_whole else wire.startswith(self.partial)
        if not same:
            raise Violated(self._mismatch(wire))
        self.telling.take_message(self.queue[0])
        if not is_whole:
            return False
        self._note_topic(self.queue.popleft())
        self.sent += 1
        self.message_bytes += len(wire)
        del self.partial[: len(wire)]
        return True

    def _is_marker(self, *, of_log: bool) -> bool:
        """Whether a marker begins here; no message has a topic of that length."""
        if self.legacy:
            return False
        before = self.kind.around[0]
        begun = self.partial[before : before + len(MARKER_HEAD)]
        if len(begun) == len(MARKER_HEAD) or not MARKER_HEAD.startswith(begun):
            return begun == MARKER_HEAD
        may_be_message = self.queue and self._as_read(self.queue[0]).startswith(self.partial)
        return not (may_be_message and of_log)

    def _take_marker(self) -> bool:
        around = self.kind.around
        size = marker_bytes(around, self.partial)
        if not 0 < size <= len(self.partial):
            return False
        last = self.telling.take_marker(self.partial[around[0] : size - around[1]], self.queue)
        wire = self.partial[around[0] : size - around[1]]
        same = self.partial[:size] == self.kind.read(last, bytes(wire))
        require(same, f"a marker that no such peer can read: {bytes(self.partial[:size])!r}")
        self.other_bytes += size
        del self.partial[:size]
        self._in_marker = False
        return True

    def _as_read(self, sequence: int) -> bytes:
        message = self._history.messages[sequence]
        return message.legacy_wire if self.legacy else self.kind.read(sequence, message.wire)

    def _note_topic(self, sequence: int) -> None:
        interval = self.rules.interval
        if interval and sequence >= self._ruled_from:
            topic = self.message(sequence).topic
            passed = self.progress_at - self._last_sent.get(topic, -interval)
            if passed < interval:
                again = f"subscriber {self.id}: {topic!r} ({sequence}) again after {passed} ns"
                raise Violated(again)
            self._last_sent[topic] = self.progress_at

    def _mismatch(self, wire: bytes) -> str:
        got = bytes(self.partial[:40])
        return f"subscriber {self.id}: message {self.queue[0]} is {wire[:40]!r}, it got {got!r}"

    def _take_greeting(self) -> bool:
        greeting_bytes = LEGACY_GREETING_BYTES if self.legacy else GREETING_BYTES
        if len(self.partial) < greeting_bytes:
            return False
        require(self.partial[0] == 0xFF and self.partial[9] == 0x7F, "not a ZMTP greeting")
        self.other_bytes += greeting_bytes
        del self.partial[:greeting_bytes]
        self._greeted = True
        return True

    def _take_command(self) -> bool:
        if len(self.partial) < 2:
            return False
        require(self.partial[0] == COMMAND, f"flags {self.partial[0]:#x} of a command")
        size = 2 + self.partial[1]
        if len(self.partial) < size:
            return False
        body = bytes(self.partial[2:size])
        if body.startswith(b"\x04PONG"):
            require(bool(self.spoken), "a PONG that nothing asked for")
            require(body[5:] == self.spoken.popleft(), "a PONG with another context")
        else:
            require(body.startswith((b"\x05READY", b"\x04PING")), f"command {body!r}")
        self.other_bytes += size
        del self.partial[:size]
        return True
