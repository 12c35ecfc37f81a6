"""What a producer has sent and is not published when its connection ends: so that it is counted."""

from __future__ import annotations

import fcntl
import struct
import termios
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from fanout.zmtp import RemoteProtocolError
from fanout.zmtp.cutting import Mark, StreamCutter
from fanout.zmtp.frames import COMMAND, MORE
from fanout.zmtp.lost_long import lost_long_size

if TYPE_CHECKING:
    import socket

    from fanout.ingress.sources import Connection

PIECE_BYTES = 64 * 1024
COUNT_SECONDS = 1.0  # of all connections that end at once; sockets may hold gigabytes together
_ANY = 1 << 63  # nothing is kept of what is counted, and nothing refused


class MessageCount(StreamCutter[None]):
    """Counts the messages of a stream from any place on, and keeps none. Pure.

    Attributes:
        count: messages that ended.
    """

    __slots__ = ("_flags", "_owed", "count")

    def __init__(self, mark: Mark, *, has_commands: bool) -> None:
        super().__init__(
            max_command_bytes=_ANY,
            max_message_bytes=_ANY,
            max_frames=_ANY,
            costs=(0, 0),
            counting="",
        )
        self.has_commands = has_commands
        self.count = 0
        self._rest, self._owed, self._flags, self._count = mark

    def take(self, data: bytes) -> None:
        """Go on by these bytes.

        Raises:
            RemoteProtocolError: they are no frames.
        """
        if self._owed:
            passed = min(self._owed, len(data))
            self._owed -= passed
            if self._owed:
                return
            data = data[passed:]
            if not self._is_command(self._flags):
                self.count += not self._flags & MORE
                self._count = self._count + 1 if self._flags & MORE else 0
        self.split(data, None)
        self.commands.clear()

    @property
    def has_part(self) -> bool:
        """Whether a message has begun and not ended."""
        if self._count:
            return True
        if self._owed:
            return not self._is_command(self._flags)
        began = self._gathered or self._rest
        return bool(began) and not self._is_command(began[0])

    def _is_command(self, flags: int) -> bool:
        return bool(flags & COMMAND) and self.has_commands

    def _cut_fast(self, data: bytes, offset: int, found: None) -> int:
        del data, found
        return offset

    def _add(self, body: bytes) -> None:
        del body

    def _end(self, body: bytes, found: None) -> None:
        del body, found
        self.count += 1

    def _lost_size(self, window: bytes) -> int | None:
        return lost_long_size(window)


def left_of(connection: Connection, until: float) -> tuple[int, int]:
    """Messages that a producer has sent and that are not published, and their bytes.

    Those count that were read, and are not among the pieces for the log, with one that has begun.
    What its socket still holds is read too, up to what is there now.

    Args:
        until: when no more is read; then the bytes are exact, and one message stands for them.
    """
    intake, taken = connection.intake, connection.taken
    tally = MessageCount(
        connection.mark if taken else intake.mark, has_commands=intake.has_commands
    )
    held = taken or intake.rest
    size = (connection.begun if taken else intake.part_bytes) + len(held)
    unread = _unread(connection.sock) if until and intake.violation is None else 0
    with suppress(RemoteProtocolError, OSError):
        tally.take(held)
        while unread > 0 and time.monotonic() < until:
            data = connection.sock.recv(min(unread, PIECE_BYTES))
            if not data:
                break
            unread -= len(data)
            size += len(data)
            tally.take(data)
    unread = max(0, unread)
    return tally.count + (tally.has_part or unread > 0), size + unread


def _unread(sock: socket.socket) -> int:
    """Bytes that wait in the kernel; 0 if it does not say."""
    try:
        return int(struct.unpack("i", fcntl.ioctl(sock, termios.FIONREAD, bytes(4)))[0])
    except OSError:
        return 0
