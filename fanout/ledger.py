"""What became of messages and connections: totals of a publisher that outlive connections. Pure."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fanout.statistics import Undelivered

if TYPE_CHECKING:
    from fanout.control import Closed
    from fanout.roster import Connection

CLOSED_KEPT = 10_000  # final figures kept of connections that have ended, the newest


@dataclass(frozen=True, slots=True)
class Final:
    """The last figures of a connection."""

    connection: Connection
    closed: Closed
    at_close: bool  # whether the publisher's own end ended it

    def undelivered(self) -> Undelivered | None:
        """What it had not been sent, None if nothing."""
        closed = self.closed
        if not closed.discarded and not closed.kernel_bytes:
            return None
        return Undelivered(
            closed.subscriber, self.connection.peer, closed.discarded, closed.kernel_bytes
        )


class Ledger:
    """Counters that only grow; one owner, the coordinator's thread."""

    def __init__(self) -> None:
        self.accepted = 0
        self.refused = 0
        self.evicted = 0
        self.disconnected = 0
        self.failed_handshakes = 0
        self.sent = 0
        self.dropped = 0
        self.discarded = 0
        self.closing = False  # set when the publisher's end has begun
        self.finals: deque[Final] = deque(maxlen=CLOSED_KEPT)

    def close(self, connection: Connection, closed: Closed) -> None:
        """Book the end of a connection."""
        if connection.version is None:
            self.failed_handshakes += 1
        elif closed.evicted:
            self.evicted += 1
        else:
            self.disconnected += 1
        self.sent += closed.sent
        self.dropped += closed.dropped
        self.discarded += closed.discarded
        self.finals.append(Final(connection, closed, self.closing))
