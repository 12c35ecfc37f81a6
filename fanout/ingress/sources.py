"""The endpoints that take messages of producers, and who is connected there, with their figures."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fanout.ingress.shares import FIRST_BYTES
from fanout.send.attempt import NO_SPACE
from fanout.statistics import IngestStatistics, ProducerStatistics
from fanout.zmtp.cutting import Mark

if TYPE_CHECKING:
    import socket

    from fanout.ingress.admission import Admission
    from fanout.ingress.intake import ProducerHalf
    from fanout.send.attempt import Attempt
    from fanout.terms.places import Places
    from fanout.transport.listener import Listener

START = Mark(b"", 0, 0, 0)


@dataclass(slots=True, eq=False)
class Source:
    """One endpoint. Its figures are written by the thread that reads, and read by any."""

    listener: Listener
    admission: Admission
    places: Places
    connections: dict[int, Connection] = field(default_factory=dict)  # by descriptor
    accepted: int = 0
    refused: int = 0
    evicted: int = 0
    messages: int = 0
    bytes: int = 0
    dropped: int = 0
    dropped_bytes: int = 0
    accept_pauses: int = 0
    accept_queue_full: int = 0

    @property
    def endpoint(self) -> str:
        """What is bound, with the real port."""
        return self.listener.endpoint

    def statistics(self) -> IngestStatistics:
        """The figures as they are now; any thread."""
        connected = [one for one in list(self.connections.values()) if one.is_ready]
        return IngestStatistics(
            endpoint=self.endpoint,
            producers=tuple(
                ProducerStatistics(one.peer, one.intake.version or "", one.messages, one.bytes)
                for one in connected
            ),
            accepted=self.accepted,
            refused=self.refused,
            evicted=self.evicted,
            messages=self.messages,
            bytes=self.bytes,
            dropped=self.dropped,
            dropped_bytes=self.dropped_bytes,
            accept_pauses=self.accept_pauses,
            accept_queue_full=self.accept_queue_full,
        )


@dataclass(slots=True, eq=False)
class Connection:
    """One producer, from its accept on. Owned by the thread that reads."""

    source: Source
    sock: socket.socket
    peer: str
    intake: ProducerHalf
    is_ready: bool = False  # its handshake was done
    is_open: bool = True
    is_due: bool = False  # its socket has something, and it waits for its turn
    begun: int = 0  # bytes of a message that is not whole
    taken: bytes = b""  # what was read and not made into pieces yet
    mark: Mark = START  # where its stream was before that
    share: int = FIRST_BYTES  # that are read next time
    unsent: bytes = b""  # what its socket did not take yet, of READY and PONGs
    messages: int = 0  # published
    bytes: int = 0  # of these, on the wire as they are in the log


@dataclass(slots=True, eq=False)
class Piece:
    """Messages that were taken of a producer, for one commit.

    The thread may be interrupted at any line; so each statement below counts whole or not at all,
    with that it was counted.
    """

    connection: Connection
    attempt: Attempt
    is_counted: bool = False

    def publish(self) -> int:
        """Append and count it, if there is room; returns the sequence of the first, or NO_SPACE."""
        sequence = self.attempt.append()
        if sequence != NO_SPACE:
            one, source = self.connection, self.connection.source
            count, size = self.attempt.count, self.attempt.size
            self.is_counted, one.messages, one.bytes, source.messages, source.bytes = (
                *(True, one.messages + count, one.bytes + size),
                *(source.messages + count, source.bytes + size),
            )
        return sequence

    def drop(self) -> None:
        """Count it as not published. Idempotent."""
        if not self.is_counted:
            source = self.connection.source
            count, size = self.attempt.count, self.attempt.size
            self.is_counted, source.dropped, source.dropped_bytes = (
                *(True, source.dropped + count, source.dropped_bytes + size),
            )
