"""Connections by TLS: what stands between the socket and everything else. Shell, but `TlsSend`.

    pump, session ──plain──► TlsSend  ──records──► socket
          session ◄──plain── TlsInbox ◄──records── socket

A record is made once, of bytes that are reported as done thereby: whatever the pump does next, it
goes on behind them. What the socket does not take of a record is kept, and as long as it is, no
other is made, and the member stays blocked though it may have got everything: the pump asks for the
rest (`flush()`) when the socket has room, as for what it would send itself.

A send of several records costs less than as many sends. But all of it may have to be kept, and who
is slow must not take more memory for that: so it is as many as the socket has shown to have room
for, a quarter of what it took until it was full last, or has taken since.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from fanout.security.records import RECORD_BYTES
from fanout.workers.connections.inbox import Inbox

if TYPE_CHECKING:
    from collections.abc import Callable

    from fanout.security.records import TlsRecords
    from fanout.workers.connections.peer import Peer
    from fanout.workers.stream.member import Send
    from fanout.workers.stream.pump import Pump

TURN_BYTES = 512 * 1024  # of records for one in a turn: some 0.5 ms; then come others
RECORDS_MAX = 8  # in one send, all of which may have to be kept
FLOW_PART = 4  # of what the socket takes until it is full; the kernel holds that much for it


def _never() -> bool:
    return False


class TlsSend:
    """Sends what one member is sent in records; see `Sealed`. Pure.

    Its mutable state: the rest of records that the socket has not taken, how many bytes it has
    taken since it was full last and until then, and how much may still be done in this turn, which
    is nothing unless it is let.

    Args:
        send: of the socket.
        is_over: is asked after each send: whether others wait for their turn.

    Attributes:
        more: whether a call has ended since `let()` though the socket is not known to be full.
        wire_bytes: bytes that the socket has taken.
        kept_from: see `Sealed`.
    """

    __slots__ = ("_flow", "_flow_before", "_is_over", "_left", "_pending", "_records", "_send",
                 "kept_from", "more", "wire_bytes")  # fmt: skip

    def __init__(
        self, send: Send, records: TlsRecords, is_over: Callable[[], bool] = _never
    ) -> None:
        self._send = send
        self._records = records
        self._is_over = is_over
        self._pending = b""
        self._flow = self._flow_before = 0
        self._left = 0
        self.more = False
        self.wire_bytes = 0
        self.kept_from: int | None = None

    @property
    def kept_bytes(self) -> int:
        """Of records, or of a handshake, that are reported as done and the socket has not taken.

        Up to one record of 16 KiB of plain bytes, or eight where the socket had taken 512 KiB until
        it was full, or the time before; in a handshake, what we say in that.
        """
        return len(self._pending)

    def let(self) -> None:
        """It may do as much as one may in a turn."""
        self._left = TURN_BYTES
        self.more = False

    def stop(self) -> None:
        """It may do nothing until it is let again."""
        self._left = 0

    def flush(self) -> bool:
        """Send what is kept, and what TLS says by itself; returns whether nothing is kept any more.

        Raises:
            OSError: the connection broke.
        """
        while True:
            # What is said meanwhile stays where it is counted.
            self._pending = self._pending or self._records.take_output()
            if not self._pending:
                return True
            self._pending = self._pending[self._try(self._pending) :]
            if self._pending:
                return False

    def __call__(self, data: bytes | memoryview) -> int:
        """Send what comes next in the stream; returns how many bytes of it are done.

        Raises:
            BlockingIOError: none are, for the socket is full, or nothing may be done now, or the
                handshake is not done. OSError: the connection broke.
        """
        if self._left <= 0:
            self.more = True
            raise BlockingIOError
        if not self._records.is_ready or not self.flush():
            raise BlockingIOError
        view = memoryview(data)
        done, size = 0, len(view)
        while done < size:
            if self._left <= 0:
                self.more = True
                break
            piece = view[done : done + self._piece_bytes()]
            wire = self._records.seal(piece)
            done += len(piece)
            taken = self._try(wire)
            self._flow += taken
            self._left = 0 if self._is_over() else self._left - len(wire)
            if taken < len(wire):
                self._pending = wire[taken:]
                self._flow, self._flow_before = 0, self._flow
                break
        return done

    def _piece_bytes(self) -> int:
        shown = max(self._flow, self._flow_before) // (FLOW_PART * RECORD_BYTES)
        return max(1, min(shown, self._left // RECORD_BYTES + 1, RECORDS_MAX)) * RECORD_BYTES

    def finish(self) -> None:
        """Say the last words as far as the socket takes them: that it ends, or why."""
        self._records.end()
        with suppress(OSError):  # it is gone already
            self.flush()

    def _try(self, wire: bytes) -> int:
        try:
            taken = self._send(wire)
        except BlockingIOError:
            return 0
        self.wire_bytes += taken
        return taken


class TlsInbox(Inbox):
    """The input of one connection by TLS: as `Inbox`, but that what is seen came in records.

    It is taken from the kernel at once, since a record opens once; so nobody else can go on with
    such a connection, and what is noted of it for that is nothing. A peer that ends its own side
    has left: there is no half-closed connection of this kind.

    Args:
        progressed: is called when TLS has something to say by itself, or its handshake is done.
    """

    __slots__ = ("_progressed", "_records")

    def __init__(self, peer: Peer, records: TlsRecords, progressed: Callable[[], None]) -> None:
        super().__init__(peer.socket, peer.session, peer.record)
        self._records = records
        self._progressed = progressed

    @property
    def is_open(self) -> bool:
        """Whether anything can be said to this peer."""
        return self._records.is_ready

    @property
    def _is_tracked(self) -> bool:
        return False

    def has_acted(self) -> None:
        """Nothing is noted."""

    def see(self, size: int) -> bytes | None:
        """The plain bytes of what has come; empty = it has ended, None = nothing yet.

        Raises:
            RemoteProtocolError: the peer does not speak TLS as it should, or refuses us; it was
                told, if the socket takes that. OSError: the connection broke.
        """
        came = super().see(size)
        if not came:
            return came
        was_ready = self._records.is_ready
        plain = self._records.receive(came)
        if not was_ready:
            self._progressed()
        if self._records.has_ended:
            return b""
        return plain or None


def put_under(peer: Peer, records: TlsRecords, pump: Pump, progressed: Callable[[], None]) -> None:
    """Have all that this peer says and is sent go through TLS; nothing was said yet."""
    peer.inbox = TlsInbox(peer, records, progressed)
    is_over = pump.sealed_turns.is_over
    pump.throttles.put_under(peer.member, lambda send: TlsSend(send, records, is_over))
