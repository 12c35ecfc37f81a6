"""A member: where one subscriber's stream stands. Pure data; the pump and the backlog change it.

A member is *ready* while everything below the front has been handed to its socket: then its cursor
is the front, and nothing of its own moves. It is *blocked* from the moment its socket does not take
all of a batch: then it has a cursor of its own, and the socket's writability is waited for.

The stream of a blocked member is, in this order: `spill`, `control`, the segments in `older`, and
what its present cohort wants up to the front.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from fanout.workers.stream.cohorts import Cohort

Send: TypeAlias = Callable[[bytes | memoryview], int]
Dialect: TypeAlias = Callable[[bytes], bytes]


class Member:
    """One subscriber's place in the log.

    Attributes:
        id: subscriber id.
        send: hands bytes to the socket, returns how many it took; BlockingIOError = none,
            OSError = the connection is dead.
        dialect: makes what its peer reads (ZMTP 1.0) of a message of the log; None = it reads what
            is in the log. Set before its first subscription.
        cohort: what it wants, for messages from the front on; None = nothing.
        joined_at: `cohort.matched` when it joined.
        matched: messages that matched before it joined its present cohort.
        blocked: whether it has a cursor of its own.
        held: blocked, and not to be served before the reports of the turn in which its
            subscriptions changed got out.
        sequence: when blocked: the next message that is not wholly sent.
        offset: when blocked: bytes of it that were sent, in its dialect.
        position: when blocked: the same as a position in the log, always up to date; sequence and
            offset follow it only when settled, if it takes everything. In a dialect: the start of
            that message, since offsets do not fit the log.
        older: when blocked: (until, cohort) for messages below `until`, oldest first.
        spill: the rest of a message that the log need not hold any more.
        spilled: which message that is.
        control: what is not in the log and has to be said before anything from it.
        sent, sent_bytes, dropped: messages handed over whole; bytes of messages; messages lost.
        spoken_bytes: bytes handed over that are not of messages.
        slow: whether it was reported as slow and has not recovered.
    """

    __slots__ = (
        "blocked",
        "cohort",
        "control",
        "dialect",
        "dropped",
        "held",
        "id",
        "joined_at",
        "matched",
        "offset",
        "older",
        "position",
        "send",
        "sent",
        "sent_bytes",
        "sequence",
        "slow",
        "spill",
        "spilled",
        "spoken_bytes",
    )

    def __init__(self, identifier: int, send: Send) -> None:
        self.id = identifier
        self.send = send
        self.dialect: Dialect | None = None
        self.cohort: Cohort | None = None
        self.joined_at = 0
        self.matched = 0
        self.blocked = False
        self.held = False
        self.sequence = 0
        self.offset = 0
        self.position = 0
        self.older: deque[tuple[int, Cohort | None]] = deque()
        self.spill: bytes | memoryview = b""
        self.spilled = 0
        self.control = b""
        self.sent = 0
        self.sent_bytes = 0
        self.dropped = 0
        self.spoken_bytes = 0
        self.slow = False

    @property
    def matched_in_all(self) -> int:
        """Messages that matched its subscriptions since it connected."""
        if self.cohort is None:
            return self.matched
        return self.matched + self.cohort.matched - self.joined_at

    @property
    def queued(self) -> int:
        """Messages that matched and are neither sent nor dropped."""
        return self.matched_in_all - self.sent - self.dropped
