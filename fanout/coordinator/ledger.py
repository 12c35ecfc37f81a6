"""What became of messages and connections: totals of a publisher that outlive connections. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fanout.statistics import Undelivered

if TYPE_CHECKING:
    from fanout.control.messages import Closed
    from fanout.coordinator.roster import Accepted


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
        self.undelivered: list[Undelivered] = []  # since then; one for each connection at most

    def close(self, connection: Accepted, closed: Closed) -> None:
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
        if self.closing and (closed.discarded or closed.kernel_bytes):
            self.undelivered.append(
                Undelivered(
                    closed.subscriber, connection.peer, closed.discarded, closed.kernel_bytes
                )
            )
