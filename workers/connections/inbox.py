"""What one peer says: looked at first, and taken from the kernel when all is done on it. Shell.

A worker may be lost at any time. What it has looked at only is still in the kernel then, and who
goes on with the connection finds it there. So a part of a frame is left where it is, and a whole
one until what it has changed is reported, and the answer to it stands in the record.

Some input is taken first: of Unix sockets, where the kernel does not count what was read; in the
handshake; and a frame that is too large to be waited for in the kernel. Whose worker is lost in the
middle of that is closed.
"""

from __future__ import annotations

import contextlib
import errno
import socket
from typing import TYPE_CHECKING

from fanout.transport import kernel
from fanout.workers.connections.budgets import READ_BYTES_MAX
from fanout.zmtp import SessionState

if TYPE_CHECKING:
    from fanout.shm.stream_record import StreamSlot
    from fanout.zmtp import Session, SessionEvent

# A frame waits in the kernel until it is whole, if it takes no more than this part of the room
# there; what is above that room never comes. The smallest room that one can set is 2,304 bytes, so
# nobody is asked for the room of frames that are as small as:
ROOM_PART = 4
SMALL_BYTES = 512

_nowhere = memoryview(bytearray(READ_BYTES_MAX))  # for what is thrown away; one for all


class Inbox:
    """The input of one connection.

    Attributes:
        acted: bytes on which all is done; those of a frame that is skipped are among them before
            they come.
        taken: bytes that were taken from the kernel.
        looked: bytes after these that were acted upon, and are not taken yet.
        left: bytes after those that are there, and are left.
        is_full: whether they are left because there is no room for the answer to what comes next.
        looks: whether what was seen last is in the kernel, and to be looked at; else it was taken.
    """

    __slots__ = (
        "_awaited",
        "_is_tcp",
        "_missing",
        "_record",
        "_session",
        "_socket",
        "_was_cut",
        "acted",
        "is_full",
        "left",
        "looked",
        "looks",
        "taken",
    )

    def __init__(self, sock: socket.socket, session: Session, record: StreamSlot) -> None:
        self._socket = sock
        self._session = session
        self._record = record
        self._is_tcp = sock.family != socket.AF_UNIX
        self._awaited = 1  # bytes that must be there, or nobody hears of them
        self._missing = 0  # bytes that what is left has still to get, at least
        self._was_cut = False  # there may be more than what was looked at
        self.acted = self.taken = self.looked = self.left = 0
        self.is_full = self.looks = False

    def go_on(self, taken: int, acted: int) -> None:
        """Another worker has served this connection."""
        self.taken, self.acted = taken, acted
        kernel.await_bytes(self._socket, 1)

    @property
    def has_news(self) -> bool:
        """Whether there is something that nobody has looked at, or had the time to act upon."""
        return self.is_full or kernel.unread_in_kernel(self._socket) > self.left

    def see(self, size: int) -> bytes | None:
        """What has come, at most so many bytes; empty = end of file, None = nothing yet.

        Raises:
            OSError: the connection broke.
        """
        session = self._session
        is_tracked = self._is_tcp and session.state is SessionState.TRAFFIC
        self.looks = is_tracked and not session.has_part
        try:
            if self.looks:
                size = max(size, self._awaited)
                data = self._socket.recv(size, socket.MSG_PEEK)
                self._was_cut = len(data) == size
                return data
            if is_tracked:
                size = min(size, session.missing)  # what follows is looked at
            data = self._socket.recv(size)
        except BlockingIOError:
            return None
        self.taken += len(data)
        return data

    def look(self, data: bytes, room: int) -> list[SessionEvent]:
        """What these bytes say, which come next, as far as there are whole frames, and answers fit.

        Args:
            room: bytes of answers.
        """
        events, used, self._missing = self._session.look_at(data, room)
        self.looked += used
        self.left = len(data) - used
        self.is_full = self.left > 0 and not self._missing
        return events

    def has_acted(self) -> None:
        """All is done on what was looked at, or taken, when the next record is written."""
        session = self._session
        # What is skipped is given up only where the kernel says how far somebody has come with it.
        if not session.has_part and (self._is_tcp or not session.skipping):
            self.acted = self.taken + self.looked + session.skipping

    def take(self) -> None:
        """Take what was acted upon, which whoever goes on will not see again.

        Raises:
            OSError: the connection broke.
        """
        self._record.acted = self.acted
        used, self.looked = self.looked, 0
        self._discard(used)
        wanted = 1
        if self._missing and self.left and not (used and self._was_cut):
            wanted = self.left + self._missing
            is_stuck = not used and self.left < self._awaited  # there is no room, or nothing comes
            if is_stuck or wanted > self._most(wanted):
                wanted = self._keep()
        if wanted != self._awaited:
            if not kernel.await_bytes(self._socket, wanted) and wanted > 1:
                wanted = self._keep()
            self._awaited = wanted

    def let_go(self) -> None:
        """Forget what was looked at: else the end of the connection would look like a failure."""
        with contextlib.suppress(OSError):
            self._discard(self.looked + self.left)

    def _most(self, wanted: int) -> int:
        """How large a frame may be of which a part is left in the kernel."""
        if wanted <= SMALL_BYTES:
            return wanted
        room = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)
        return min(READ_BYTES_MAX, room // ROOM_PART)

    def _keep(self) -> int:
        """Take a part of a frame."""
        part = self._socket.recv(self.left)
        self.taken += len(part)
        self.left = 0
        self._session.receive_data(part)
        return 1

    def _discard(self, count: int) -> None:
        while count:
            # TCP does not copy what is only to be counted.
            size = min(count, READ_BYTES_MAX)
            done = self._socket.recv_into(_nowhere, size, socket.MSG_TRUNC)
            if not done:
                raise ConnectionResetError(errno.ECONNRESET, "what was there is gone")
            self.taken += done
            count -= done
