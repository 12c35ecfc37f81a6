"""A member: where one subscriber's stream stands. Pure data; the pump and the backlog change it.

A member is READY while everything below the front has been handed to its socket: then its cursor
is the front, and nothing of its own moves. From the moment its socket does not take all of a batch
it is *blocked*: it has a cursor of its own, and its socket's having room again is waited for.

    READY    its socket has taken everything below the front
    BLOCKED  it has a cursor of its own, and is served when its socket has room
    HELD     as BLOCKED, but not served: the report of its last change has not got out
    LOST     its connection is of no use any more, or closed; it is not served again

The stream of a blocked member is, in this order: `spill`, `control`, the segments in `older`, and
what its present cohort wants up to the front.
"""

from __future__ import annotations

import enum
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

from fanout.reasons import DROPPING
from fanout.shm.subscriber_slot import Checkpoint

if TYPE_CHECKING:
    from fanout.reasons import Reason
    from fanout.shm.census import Amount
    from fanout.workers.policy.base import Policy
    from fanout.workers.stream.cohort import Cohort
    from fanout.workers.stream.gaps import Gaps
    from fanout.workers.stream.replay import Replay
    from fanout.workers.stream.sealed import Sealed
    from fanout.workers.stream.snapshot import Snapshots
    from fanout.workers.stream.values import Values
    from fanout.zmtp.encoding import Encoding

    Wants: TypeAlias = Cohort["Member"] | Values | None  # in a segment; None = nothing

_OTHERS = len(DROPPING) - 1  # reasons that have counters of their own
NO_DROPS = (0, 0, 0, 0, 0, 0)  # messages for each of them, then bytes

Send: TypeAlias = Callable[[bytes | memoryview], int]


class MemberState(enum.Enum):
    """See above."""

    READY = "ready"
    BLOCKED = "blocked"
    HELD = "held"
    LOST = "lost"


READY, BLOCKED, HELD, LOST = MemberState
TRANSITIONS: dict[MemberState, frozenset[MemberState]] = {
    READY: frozenset((BLOCKED, HELD, LOST)),
    BLOCKED: frozenset((READY, HELD, LOST)),
    HELD: frozenset((BLOCKED, LOST)),
    LOST: frozenset(),
}


class Member:
    """One subscriber's place in the log.

    Attributes:
        id: subscriber id.
        send: hands bytes to the socket, returns how many it took; BlockingIOError = none,
            OSError = the connection is dead.
        free: bytes that its socket may surely be handed now; 0 = that is not known.
        policy: what happens to it when it is too far behind.
        encoding: makes what its peer reads of a message of the log; None = it reads what is in the
            log. Set before its first subscription.
        state: changed by `become()` only.
        blocked: whether it has a cursor of its own: in every state but READY. The same as the
            state says, kept beside it because it is asked often.
        cohort: what it wants, for messages from the front on; None = nothing.
        joined_at, joined_at_bytes: `cohort.matched` and its bytes when it joined.
        matched_before, matched_bytes_before: what matched before it joined its present cohort; and
            of what was sent, the bytes that its encoding added.
        sequence: when blocked: the next message that is not wholly sent.
        offset: when blocked: bytes of it that were sent, in its encoding.
        position: when blocked: the same as a position in the log, always up to date; sequence and
            offset follow it only when settled, if it takes everything. With an encoding: the start
            of that message, since offsets do not fit the log.
        older: when blocked: (until, cohort) for messages below `until`, oldest first.
        spill: the rest of a message that the log need not hold any more.
        spilled: which message that is.
        control: what is not in the log and has to be said before anything from it.
        sent, sent_bytes: messages handed over whole; bytes of messages.
        dropped, dropped_bytes: messages lost.
        drops: the same by reason: messages for each of `DROPPING` but the first, then bytes.
        conflated, conflated_bytes: messages that a newer one on their topic took the place of.
        spoken_bytes: bytes handed over that are not of messages.
        gaps: what it was not told yet of what it does not get; None = it does not want to be told.
        conflating: whether it is sent the newest of each topic only, of all that waits for it.
        finishing: None; or it loses what comes until it has got what is before the last segment in
            `older`, in which it wants nothing, and this is why.
        lossy_until: below this message are some that it loses without having to jump for it.
        untold_until: what it is to get below this message is not what was reported that it wants.
        replay: how far it is sent what was published before it wanted it; None = it is not.
        mark: at which message its peer is told that it has got all that it had missed; None = it is
            not told so.
        snapshots: what it is sent of last values, each when its cursor is there; None = nothing.
        watch: a number that is another one whenever what is known of when to look at it is void; 0
            = nothing is.
        sealed: what makes boxes of what it is sent, at the end of `send`; None = nothing does.
        slow, stalled: whether it was reported as that, and has not recovered.
    """

    __slots__ = (
        "blocked",
        "cohort",
        "conflated",
        "conflated_bytes",
        "conflating",
        "control",
        "counted",
        "dropped",
        "dropped_bytes",
        "drops",
        "encoding",
        "finishing",
        "free",
        "gaps",
        "id",
        "joined_at",
        "joined_at_bytes",
        "lossy_until",
        "mark",
        "matched_before",
        "matched_bytes_before",
        "offset",
        "older",
        "policy",
        "position",
        "replay",
        "sealed",
        "send",
        "sent",
        "sent_bytes",
        "sequence",
        "slow",
        "snapshots",
        "spill",
        "spilled",
        "spoken_bytes",
        "stalled",
        "state",
        "untold_until",
        "watch",
    )

    def __init__(self, identifier: int, send: Send, policy: Policy) -> None:
        self.id = identifier
        self.send = send
        self.free: Callable[[], int] = int
        self.policy = policy
        self.encoding: Encoding | None = None
        self.state = READY
        self.blocked = False
        self.cohort: Cohort[Member] | None = None
        self.joined_at = 0
        self.joined_at_bytes = 0
        self.matched_before = 0
        self.matched_bytes_before = 0
        self.sequence = 0
        self.offset = 0
        self.position = 0
        self.older: deque[tuple[int, Wants]] = deque()
        self.spill: bytes | memoryview = b""
        self.spilled = 0
        self.control = b""
        self.counted = 0
        self.sent = 0
        self.sent_bytes = 0
        self.dropped = 0
        self.dropped_bytes = 0
        self.drops = NO_DROPS
        self.conflated = 0
        self.conflated_bytes = 0
        self.spoken_bytes = 0
        self.gaps: Gaps | None = None
        self.conflating = False
        self.finishing: Reason | None = None
        self.lossy_until = 0
        self.untold_until = 0
        self.replay: Replay | None = None
        self.mark: int | None = None
        self.snapshots: Snapshots | None = None
        self.watch = 0
        self.sealed: Sealed | None = None
        self.slow = False
        self.stalled = False

    def become(self, state: MemberState) -> None:
        """Change the state; to the one it is in is no change."""
        if state is not self.state:
            assert state in TRANSITIONS[self.state], f"from {self.state} to {state}"
            self.state = state
            self.blocked = state is not READY

    def place(self, sequence: int, offset: int, start: int) -> None:
        """Put its cursor `offset` bytes of its stream into a message.

        Args:
            start: position of that message in the log.
        """
        self.sequence = sequence
        self.offset = offset
        self.position = start + offset if self.encoding is None else start

    @property
    def matched(self) -> int:
        """Messages that matched its subscriptions since it connected."""
        if self.cohort is None:
            return self.matched_before
        return self.matched_before + self.cohort.matched - self.joined_at

    @property
    def matched_bytes(self) -> int:
        """Their bytes: as they lie in the log, or with an encoding, as it was sent those it was."""
        return self._matched_in_all()[1]

    def _matched_in_all(self) -> tuple[int, int]:
        """Both; for the cohort of most without further calls."""
        cohort, matched, size = self.cohort, self.matched_before, self.matched_bytes_before
        if cohort is None:
            return matched, size
        matched, size = matched - self.joined_at, size - self.joined_at_bytes
        if cohort.everything:
            return matched + cohort.counted, size + cohort.counted_bytes
        return matched + cohort.matched, size + cohort.matched_bytes

    @property
    def is_to_be_told(self) -> bool:
        """Whether its peer is told something before it is sent anything new."""
        return self.mark is not None or (self.gaps is not None and bool(self.gaps.pending))

    @property
    def is_counted(self) -> bool:
        """Whether all that it is to be sent is in its figures: of the past, what it has come to."""
        if self.snapshots is not None:
            return False
        return self.replay is None or self.replay.counted >= self.replay.stop

    @property
    def older_wants(self) -> int:
        """How many wants are kept in `older`, in all."""
        if not self.older:
            return 0
        own = [one for _, one in self.older if one is not None]
        others = [one.without.key for one in own if one.without is not None]
        return sum([len(one.key) for one in own]) + sum(map(len, others))

    @property
    def queued(self) -> int:
        """Messages that matched and are neither sent nor dropped."""
        return self.matched - self.sent - self.dropped - self.conflated

    @property
    def queued_bytes(self) -> int:
        """Their bytes; of the one that is partly sent, the rest."""
        gone = self.sent_bytes + self.dropped_bytes + self.conflated_bytes
        return self.matched_bytes - gone

    def join(self, cohort: Cohort[Member]) -> None:
        """What it wants is what this cohort does; it has none."""
        self.cohort = cohort
        self.joined_at = cohort.matched
        self.joined_at_bytes = cohort.matched_bytes

    def leave(self) -> Cohort[Member]:
        """It wants nothing any more, and keeps what it has matched; returns its cohort."""
        cohort, before, size = self.cohort, self.matched, self.matched_bytes
        assert cohort is not None
        self.cohort, self.matched_before, self.matched_bytes_before = None, before, size
        return cohort

    def lose(self, lost: Amount, reason: Reason) -> None:
        """Count what it lost.

        Args:
            reason: one of `DROPPING`.
        """
        self.dropped += lost.messages
        self.dropped_bytes += lost.bytes
        place = DROPPING.index(reason) - 1
        if place >= 0:
            drops = [*self.drops]
            drops[place] += lost.messages
            drops[_OTHERS + place] += lost.bytes
            self.drops = (drops[0], drops[1], drops[2], drops[3], drops[4], drops[5])

    def figures(self) -> tuple[int, ...]:
        """What a record has of a checkpoint of this instant, in the order of that."""
        sent_bytes = self.sent_bytes
        matched, matched_bytes = self._matched_in_all()
        return (
            *(matched, self.sent, sent_bytes, self.dropped),
            *(sent_bytes + self.spoken_bytes, self.counted, matched_bytes, self.dropped_bytes),
            *(self.conflated, self.conflated_bytes, *self.drops),
        )

    def checkpoint(
        self,
        blocked_since: int,
        kernel_bytes: int = 0,
        rate: int = 0,
        rate_bytes: int = 0,
        *,
        is_going_back: bool = False,
    ) -> Checkpoint:
        """Where its stream stands and what it was counted; exact once it is settled.

        Args:
            blocked_since: monotonic ns of its last progress, 0 if it is ready.
            kernel_bytes, rate, rate_bytes: of its connection; see `Checkpoint`.
            is_going_back: it was promised what it has missed, and that is not begun; or something
                is kept that it is to be sent.
        """
        # All subscribers are asked, ten times a second: without a call for each figure.
        sent_bytes = self.sent_bytes
        matched, matched_bytes = self._matched_in_all()
        has_more = self.replay is not None or self.snapshots is not None
        fields = (
            self.position,
            self.sequence,
            self.offset,
            matched,
            self.sent,
            sent_bytes,
            self.dropped,
            blocked_since,
            sent_bytes + self.spoken_bytes,
            self.counted,
            matched_bytes,
            self.dropped_bytes,
            self.conflated,
            self.conflated_bytes,
            *self.drops,
            self.spilled if self.spill else self.sequence,
            kernel_bytes,
            rate,
            rate_bytes,
            int(is_going_back or (has_more and not self.is_counted)),
        )
        return tuple.__new__(Checkpoint, fields)  # as Checkpoint(*fields), in half the time
