"""The pump: new messages to the members that are ready, and the blocked ones after them. Pure.

It owns no socket and no clock: members have a `send`, `now` comes in, and what happened comes out
as effects. One turn is bounded; whoever drives it says how often.

The front is one sequence for the whole worker: every ready member has been sent all that it wants
below it. `advance()` takes the next batch, sends each cohort its share of it, and moves the front.
A member whose socket does not take its share becomes blocked and trails behind; the front does not
wait. `serve()` lets it continue, from its own cursor, whenever its socket is writable, until it has
caught up.
"""

from __future__ import annotations

from bisect import bisect_right
from itertools import accumulate, islice, takewhile
from operator import attrgetter
from typing import TYPE_CHECKING

from fanout.workers.stream.backlog import SPAN_BYTES, Backlog, Step
from fanout.workers.stream.cohorts import Cohort, Cohorts
from fanout.workers.stream.effects import Effect, Lost, Recovered, Slowed
from fanout.workers.stream.pace import Pace
from fanout.workers.stream.sorting import Sorting

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fanout.shm.reader import LogReader
    from fanout.workers.policy.limits import LagPolicy
    from fanout.workers.stream.member import Member

BATCH_BYTES = 8 * 1024 * 1024  # of log in a batch that has to be sorted: copied once, then cut
SERVE_STEPS = 4  # sends to one blocked member before others get their turn
LAST_CHANCES_PER_TURN = 64  # members lost in a turn, each after one more try to send to it
OLDER_MAX = 256  # changes of subscriptions of a member that takes nothing; each costs 100 bytes
CONTROL_BYTES_MAX = 64 * 1024  # answers to its PINGs that a member may leave unread

_position = attrgetter("position")


class Pump:
    """Serves the members of one worker.

    Its mutable state: the front, the cohorts, the blocked members with the time of their last
    progress (in that order, so that the longest blocked is first), and those of them that have
    more to send although their socket is writable.
    """

    def __init__(self, log: LogReader, policy: LagPolicy) -> None:
        self._log = log
        self._policy = policy
        self.cohorts = Cohorts()
        self.backlog = Backlog(log, self.cohorts)
        self.sorting = Sorting(log, self.cohorts)
        self.front = log.head()
        self.cohorts.everything.matched = self.front
        self.blocked: dict[Member, int] = {}
        self.runnable: dict[Member, None] = {}
        self.effects: list[Effect] = []
        self._subscribed = 0  # members with a cohort
        self._pace = Pace()

    # Members.

    @property
    def needs_log(self) -> bool:
        """Whether any member wants anything, now or from before."""
        return bool(self._subscribed or self.blocked)

    @property
    def share(self) -> float:
        """Of the log's bytes that one send carries to a member, on average; 1.0 = all of them."""
        return 1.0 if self.cohorts.everything.ready else self._pace.share

    def follow(self, head: int) -> None:
        """Nobody wants anything: let the front be the head."""
        self.front = self.backlog.tail = head
        self.cohorts.everything.matched = head

    def subscribe(self, member: Member, prefixes: Iterable[bytes]) -> None:
        """The member's subscriptions are now these, for messages from the front on."""
        if member.blocked:
            self._keep_until(member, self.front)
        self._change_cohort(member, prefixes)

    def hold(self, member: Member) -> None:
        """Stop serving the member at the front, until `release()`."""
        if not member.blocked:
            self._block(member, self.front, 0, 0)
        member.held = True

    def release(self, member: Member, prefixes: Iterable[bytes], since: int, now: int) -> None:
        """Serve a held member again; its subscriptions are these from message `since` on.

        What came between `since` and the front was matched for it by its old subscriptions. If it
        had to jump beyond `since`, what it lost was theirs.
        """
        self.backlog.settle(member, self.front)
        since = max(since, member.sequence)
        member.matched -= self.backlog.count(member.cohort, since, self.front)
        member.held = False
        self._keep_until(member, since)
        self._change_cohort(member, prefixes)
        member.matched += self.backlog.count(member.cohort, since, self.front)
        del self.blocked[member]  # the dict stays in the order of the last progress
        self.blocked[member] = now
        self.runnable[member] = None

    def remove(self, member: Member) -> None:
        """The member's connection is closed; afterwards its counters are final."""
        if member.blocked:
            self.backlog.settle(member, self.front)
            self.blocked.pop(member, None)
            self.runnable.pop(member, None)
            member.blocked = False
        else:
            self._count_ready(member)
        if member.cohort is not None:
            member.cohort.ready.pop(member, None)
            self.cohorts.leave(member.cohort)
            self._subscribed -= 1
            member.matched = member.matched_in_all
            member.cohort = None

    def speak(self, member: Member, data: bytes, now: int) -> None:
        """Send the member something that is not in the log, between two messages."""
        if not member.blocked:
            count = self._try_send(member, data)
            if count < 0:
                return
            member.sent_bytes -= count
            member.spoken_bytes += count
            if count < len(data):
                self._block(member, self.front, 0, now)
                member.control = data[count:]
            return
        if len(member.control) + len(data) > CONTROL_BYTES_MAX:
            self._lose(member, "does not read the answers to its PINGs")
            return
        self.backlog.detach(member, self.front)
        member.control += data

    # Turns.

    def advance(self, head: int, now: int) -> bool:
        """Send the next batch below `head` to all ready members; True if there is more."""
        first = self.front
        if first >= head:
            return False
        stop = self._batch_end(first, head)
        everything = self.cohorts.everything
        if everything.ready:
            self._send_spans(everything, first, stop, now)
        if self.cohorts.has_filtered:
            self._distribute(first, stop, now)
        self.front = stop
        everything.matched = stop
        return stop < head

    def writable(self, member: Member) -> None:
        """The socket of this member has room again."""
        if member.blocked:
            self.runnable[member] = None

    def serve(self, member: Member, now: int) -> None:
        """Continue with a blocked member whose socket is writable, for a few sends."""
        if not member.blocked or member.held:
            return
        before = member.sent_bytes + member.spoken_bytes
        step = Step.MORE
        for _ in range(SERVE_STEPS):
            try:
                step = self.backlog.step(member, self.front)
            except OSError as error:
                self._lose(member, _broken(error), evicted=False)
                return
            if step is not Step.MORE:
                break
        if step is Step.DONE:
            self._unblock(member)
            return
        if member.sent_bytes + member.spoken_bytes != before:
            del self.blocked[member]  # the dict stays in the order of the last progress
            self.blocked[member] = now
        if step is Step.MORE:
            self.runnable[member] = None

    def serve_runnable(self, now: int, limit: int) -> None:
        """Continue with members whose sockets have room; neighbours in the log share its work."""
        for member in sorted(islice(self.runnable, limit), key=_position):
            del self.runnable[member]
            self.serve(member, now)

    def enforce(self, now: int) -> None:
        """Apply the limits: members that are too far behind jump, silent ones are lost."""
        deadline = now - self._policy.send_timeout_ns
        late = takewhile(lambda entry: entry[1] <= deadline, self.blocked.items())
        for member, since in list(islice(late, LAST_CHANCES_PER_TURN)):
            self.serve(member, now)  # a socket that drains slowly has room before it says so
            if not member.held and self.blocked.get(member) == since:
                seconds = self._policy.send_timeout_ns / 1e9
                self._lose(member, f"took nothing for {seconds:g} s (send_timeout)")
        lag_messages = self.front - self.tail()
        lag_bytes = self._log.start_of(self.front) - self._log.start_of(self.backlog.tail)
        if self._policy.is_over(lag_bytes, lag_messages):
            self._drop_oldest()
            self.tail()

    def tail(self) -> int:
        """The oldest message that a member may still have to be sent."""
        position = self._log.start_of(self.front)
        lowest = min(map(_position, self.blocked), default=position)
        backlog = self.backlog
        if lowest >= position:
            backlog.tail = self.front
        elif lowest >= self._log.start_of(backlog.tail + 1):
            backlog.tail = self._log.sequence_at(lowest, backlog.tail, self.front)
        return backlog.tail

    def flushed(self) -> int:
        """The message below which everything was handed to the sockets."""
        spilled = (member.spilled for member in self.blocked if member.spill)
        return min(self.backlog.tail, min(spilled, default=self.front))

    def settle(self, member: Member) -> None:
        """Bring the counters and the cursor of a member up to date."""
        if member.blocked:
            self.backlog.settle(member, self.front)
            return
        self._count_ready(member)
        member.sequence, member.offset = self.front, 0
        member.position = self._log.start_of(self.front)

    # Inside a turn.

    def _batch_end(self, first: int, head: int) -> int:
        if self.cohorts.has_filtered:
            stop = min(head, first + self._pace.messages)
            return self._log.batch_end(first, stop, BATCH_BYTES)
        return self._log.batch_end(first, head, SPAN_BYTES)

    def _send_spans(self, cohort: Cohort, first: int, stop: int, now: int) -> None:
        start, end = self._log.start_of(first), self._log.start_of(stop)
        span = self._log.span(start, end)
        size = len(span)
        wrapped = self._log.span(start + size, end) if size < end - start else None
        for member in tuple(cohort.ready):
            count = self._try_send(member, span)
            if count == size and wrapped is not None:
                more = self._try_send(member, wrapped)
                if more < 0:
                    member.position += count  # what the first piece completed was sent
                count = count + more if more >= 0 else -1
            if count >= 0 and count < end - start:
                self._block(member, first, count, now)

    def _distribute(self, first: int, stop: int, now: int) -> None:
        distinct = sends = sent_bytes = 0
        for cohort in self.sorting.sort(first, stop):
            if cohort.picks:
                cohort.matched += len(cohort.picks)
                if cohort.ready:
                    distinct += 1
                    sends += len(cohort.ready)
                    sent_bytes += len(cohort.ready) * self._send_picks(cohort, now)
                cohort.picks.clear()
        size = self._log.start_of(stop) - self._log.start_of(first)
        self._pace.learn(stop - first, size, distinct, sends, sent_bytes)

    def _send_picks(self, cohort: Cohort, now: int) -> int:
        """Send its picks to every ready member of a cohort; returns their size."""
        picks = cohort.picks
        if cohort.dialect is not None:
            picks = [cohort.dialect(piece) for piece in picks]
        blob = b"".join(picks) if len(picks) > 1 else picks[0]
        size = len(blob)
        matches = len(picks)
        for member in tuple(cohort.ready):
            count = self._try_send(member, blob)
            if count == size:
                member.sent += matches
            elif count >= 0:
                ends = list(accumulate(map(len, picks)))
                whole = bisect_right(ends, count)
                member.sent += whole
                sent_of_next = count - (ends[whole - 1] if whole else 0)
                sequence = self.sorting.sequence_of(cohort.picks[whole])
                self._block(member, sequence, sent_of_next, now)
        return size

    def _try_send(self, member: Member, data: bytes | memoryview) -> int:
        """Bytes that the socket took, -1 if the connection is dead."""
        try:
            count = member.send(data)
        except BlockingIOError:
            return 0
        except OSError as error:
            self._lose(member, _broken(error), evicted=False)
            return -1
        member.sent_bytes += count
        return count

    # States of members.

    def _block(self, member: Member, sequence: int, offset: int, now: int) -> None:
        """Give a ready member a cursor of its own: `offset` bytes into message `sequence`.

        For a member that takes everything, `offset` may reach into later messages.
        """
        self._count_ready(member)
        if member.cohort is not None:
            member.cohort.ready.pop(member, None)
        member.blocked = True
        member.sequence = sequence
        member.offset = offset
        member.position = self._log.start_of(sequence) + (0 if member.dialect else offset)
        self.blocked[member] = now

    def _unblock(self, member: Member) -> None:
        member.blocked = False
        del self.blocked[member]
        self.runnable.pop(member, None)
        if member.cohort is not None:
            member.cohort.ready[member] = None
        if member.slow:
            member.slow = False
            self.effects.append(Recovered(member))

    def _count_ready(self, member: Member) -> None:
        """A ready member that takes everything was sent all that matched: count it now."""
        if not member.blocked and member.cohort is not None and member.cohort.everything:
            member.sent = member.matched_in_all - member.dropped

    def _lose(self, member: Member, reason: str, *, evicted: bool = True) -> None:
        self.effects.append(Lost(member, evicted, reason))
        member.held = True  # not to be served again
        if member.cohort is not None:
            member.cohort.ready.pop(member, None)
        if not member.blocked:
            self._block(member, self.front, 0, 0)

    def _keep_until(self, member: Member, sequence: int) -> None:
        """Messages below `sequence` are for the member's present cohort, whatever it is later."""
        self.backlog.settle(member, self.front)
        if member.position >= self._log.start_of(sequence):
            return
        if len(member.older) >= OLDER_MAX:
            self._lose(member, f"changed its subscriptions {OLDER_MAX} times and took nothing")
            return
        member.older.append((sequence, member.cohort))

    def _change_cohort(self, member: Member, prefixes: Iterable[bytes]) -> None:
        old = member.cohort
        if old is not None:
            self._count_ready(member)
            member.matched += old.matched - member.joined_at
            old.ready.pop(member, None)
            self.cohorts.leave(old)
            self._subscribed -= 1
        new = self.cohorts.join(prefixes, member.dialect)
        member.cohort = new
        if new is not None:
            member.joined_at = new.matched
            self._subscribed += 1
            if not member.blocked:
                new.ready[member] = None

    def _drop_oldest(self) -> None:
        """Every member that is over the limit jumps to the newest that it may keep."""
        log, policy, front, tail = self._log, self._policy, self.front, self.backlog.tail
        position = log.start_of(front)
        first_kept = log.sequence_at(position - policy.kept_bytes - 1, tail, front) + 1
        target = min(max(first_kept, front - policy.kept_messages), front)
        lowest = position - policy.limit_bytes
        if front - policy.limit_messages > tail:
            lowest = max(lowest, log.start_of(front - policy.limit_messages))
        for member in self.blocked:
            if member.position < lowest:
                lost = self.backlog.jump(member, target, front)
                if lost and not member.slow:
                    member.slow = True
                    lag = f"{policy.limit_bytes:,} bytes or {policy.limit_messages:,} messages"
                    self.effects.append(Slowed(member, f"is more than {lag} behind"))


def _broken(error: OSError) -> str:
    return f"the connection broke: {error.strerror or error}"
