"""What one peer says: looked at first, and taken from the kernel when all is done on it. Shell.

A worker may be lost at any time. What it has looked at only is still in the kernel then, and who
goes on with the connection finds it there. So a part of a frame is left where it is, and a whole
one until what it has changed is reported, and the answer to it stands in the record.

Some input is taken first: in the handshake; what comes in boxes, which open once; and a frame that
is too large to be waited for in the kernel. Whose worker is lost in the middle of that is closed.

The kernel counts how much of the input of a TCP connection was taken. Of Unix sockets it does not:
see `unix_inbox.py`.
"""

from __future__ import annotations

import contextlib
import errno
import select
import socket
from typing import TYPE_CHECKING, Protocol

from fanout.transport import kernel
from fanout.transport.socket_queues import KERNEL, SocketQueues, unread_in_kernel
from fanout.workers.connections.budgets import LIST_BYTES, READ_BYTES_FIRST, READ_BYTES_MAX
from fanout.zmtp import SessionState
from fanout.zmtp.session import are_subscriptions

if TYPE_CHECKING:
    from fanout.shm.stream_record import StreamSlot
    from fanout.zmtp import Session, SessionEvent

# A frame is left in the kernel until it is whole if it is at most a quarter (1 / `ROOM_PART`) of
# the socket's receive buffer: one larger than the buffer would never be whole there.
ROOM_PART = 4
# The smallest receive buffer that one can set is 2,304 bytes, a quarter of which is more than this:
# for frames of up to so many bytes the kernel is not asked how large the buffer is.
SMALL_BYTES = 512

# Room in the kernel for the input of who has much to say, and not of anybody else. What is left of
# a frame keeps the whole packet that it came in, 64 KiB by loopback, and the peer is told of no
# room unless there is that for another packet: with the 128 KiB that a connection begins with, it
# stands still until it asks again, after 0.2 s. So for two packets, and as much again for what the
# kernel counts beside the bytes. (Autotuning gives it as well, after a while, and much more.)
ROOM_BYTES = 4 * READ_BYTES_MAX

_EVENTS = select.EPOLLIN | select.EPOLLRDHUP
# EPOLLHUP and EPOLLERR are in any set. Our own end of a half-closed connection is one, too: it must
# not be told of in each turn from then on.
_HANGUP = int(select.EPOLLET)
_PEEK, _TRUNCATE = int(socket.MSG_PEEK), int(socket.MSG_TRUNC)

_nowhere = memoryview(bytearray(READ_BYTES_MAX))  # for what is thrown away; one for all


class Receive(Protocol):
    """What `recv` of a socket is."""

    def __call__(self, size: int, flags: int = 0, /) -> bytes:
        """At most so many bytes; BlockingIOError = there are none yet."""


class Inbox:
    """The input of one TCP connection.

    Attributes:
        acted: bytes on which all is done; those of a frame that is skipped are among them before
            they come.
        noted: what was noted of that last, in a record or beside it.
        taken: bytes that were taken from the kernel.
        looked: bytes after these that were acted upon, and are not taken yet.
        left: bytes after those that are there, and are left.
        is_full: whether they are left because there is no room for the answer to what comes next.
        looks: whether what is seen is to be looked at, and stays in the kernel; else it is taken.
    """

    __slots__ = (
        "_awaited",
        "_has_room",
        "_is_deaf",
        "_missing",
        "_muted",
        "_queues",
        "_receive",
        "_record",
        "_session",
        "_set",
        "_socket",
        "_was_cut",
        "acted",
        "is_full",
        "left",
        "looked",
        "looks",
        "noted",
        "taken",
    )

    # Whether a part of a frame may lie in the kernel to which no more comes, because there is no
    # room for the rest, without an event that says so.
    _may_be_stuck = False

    def __init__(
        self,
        sock: socket.socket,
        session: Session,
        record: StreamSlot,
        queues: SocketQueues = KERNEL,
    ) -> None:
        self._socket = sock
        self._queues = queues
        self._session = session
        self._record = record
        self._receive: Receive = sock.recv
        self._set: select.epoll | None = None  # that tells of its socket
        self._muted: select.epoll | None = None  # or that has it, and does not tell
        self._awaited = 1  # bytes that must be there, or nobody hears of them
        self._is_deaf = False  # nothing more is to be heard from it
        self._missing = 0  # bytes that what is left has still to get, at least
        self._was_cut = False  # there may be more than what was looked at
        self._has_room = False  # for as much as it may have to say
        self.acted = self.noted = self.taken = self.looked = self.left = 0
        self.is_full = self.looks = False

    def go_on(self, taken: int, acted: int) -> None:
        """Another worker has served this connection."""
        self.taken, self.acted = taken, acted
        self.looks = self._is_tracked
        kernel.await_bytes(self._socket, 1)

    def watch(self, by: select.epoll) -> None:
        """Have this set say when there is something to read.

        Raises:
            OSError: the system has no place for it there.
        """
        by.register(self._socket, self._events())
        self._set = by

    def unwatch(self) -> None:
        """Have nobody say it any more."""
        by, self._set, self._muted = self._set or self._muted, None, None
        if by is not None:
            by.unregister(self._socket)

    def mute(self) -> None:
        """Have nobody say it until `listen()`, which cannot fail: its place in the set is kept.

        That the connection is over is said once, whatever is asked for.
        """
        if self._set is not None:
            self._set.modify(self._socket, _HANGUP)
            self._muted, self._set = self._set, None

    def listen(self) -> None:
        """Have its set say it again, also what was there before."""
        if self._muted is not None:
            self._muted.modify(self._socket, _HANGUP if self._is_deaf else self._events())
            self._set, self._muted = self._muted, None

    def hear_no_more(self) -> None:
        """It has said all: have its set tell only once the connection is over, and only once."""
        self._is_deaf = True
        if self._set is not None:
            self._set.modify(self._socket, _HANGUP)

    @property
    def is_open(self) -> bool:
        """Whether anything can be said to this peer."""
        return True

    @property
    def has_news(self) -> bool:
        """Whether there is something that nobody has looked at, or had the time to act upon."""
        return self.is_full or unread_in_kernel(self._socket, self._queues) > self.left

    def see(self, size: int) -> bytes | None:
        """What has come, at most so many bytes, or LIST_BYTES; empty = it ends, None = nothing yet.

        Raises:
            OSError: the connection broke.
        """
        try:
            if self.looks:
                return self._see_all(size if size > self._awaited else self._awaited)
            if self._is_tracked:
                size = min(size, self._session.missing)  # what follows is looked at
            data = self._receive(size)
        except BlockingIOError:
            return None
        self.taken += len(data)
        return data

    def _see_all(self, size: int) -> bytes:
        """What is there and stays there, at most so many bytes; more of a list of subscriptions.

        In two parts a list is put into the matching twice, and what follows from it done twice.
        """
        most = LIST_BYTES if READ_BYTES_FIRST <= size < LIST_BYTES else size
        data = self._receive(most, _PEEK)
        if len(data) >= size and not self._has_room:
            self._make_room()
        if len(data) > size and not are_subscriptions(data):
            most, data = size, data[:size]
        self._was_cut = len(data) == most
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
        if not self.looks:
            self.looks = self._is_tracked and not session.has_part
            if session.has_part:
                return
        self.acted = self.taken + self.looked + session.skipping

    @property
    def _is_tracked(self) -> bool:
        session = self._session
        return session.state is SessionState.TRAFFIC and session.opener is None

    def take(self) -> bool:
        """Take what was acted upon, which whoever goes on will not see again.

        Returns:
            Whether a part of a frame is left of which nobody is told that there is no room for it:
            then it is to be kept if it does not get on.

        Raises:
            OSError: the connection broke.
        """
        if self.noted != self.acted:
            self._record.acted = self.noted = self.acted
        used, self.looked = self.looked, 0
        self._discard(used)
        wanted = 1
        if self._missing and self.left and not (used and self._was_cut):
            wanted = self.left + self._missing
            if (not used and self._is_stuck()) or wanted > self._most(wanted):
                wanted = self._take_part()
        if wanted != self._awaited:
            if not self._await(wanted) and wanted > 1:
                wanted = self._take_part()
            self._awaited = wanted
        return self._may_be_stuck and wanted > 1

    def keep(self) -> None:
        """Take the part of a frame that is left: it has not got on for long.

        Raises:
            OSError: the connection broke.
        """
        if self._awaited > 1 and self.left:
            self._awaited = self._take_part()
            self._await(1)

    def let_go(self) -> None:
        """Forget what was looked at: else the end of the connection would look like a failure."""
        with contextlib.suppress(OSError):
            self._discard(self.looked + self.left)

    def _events(self) -> int:
        """Of which its set is to say something."""
        return _EVENTS

    def _make_room(self) -> None:
        """It has more to say than is read at once: have the kernel keep more of it from now on."""
        self._has_room = True
        kernel.make_room(self._socket, ROOM_BYTES, self._awaited)

    def _is_stuck(self) -> bool:
        """Whether a part is reported though it is all that there is: there is no room for more,
        or no more comes."""
        return self.left < self._awaited

    def _await(self, wanted: int) -> bool:
        """Hear of so many bytes and more; False if the system does not do that."""
        return kernel.await_bytes(self._socket, wanted)

    def _most(self, wanted: int) -> int:
        """How large a frame may be of which a part is left in the kernel."""
        if wanted <= SMALL_BYTES:
            return wanted
        room = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)
        return min(READ_BYTES_MAX, room // ROOM_PART)

    def _take_part(self) -> int:
        """Take a part of a frame; returns how many bytes are to be awaited then."""
        part = self._receive(self.left)
        self.taken += len(part)
        self.left = 0
        self.looks = False
        self._session.receive_data(part)
        return 1

    def _discard(self, count: int) -> None:
        """Take so many bytes that were looked at."""
        while count:
            # TCP does not copy what is only to be counted.
            size = count if count < READ_BYTES_MAX else READ_BYTES_MAX
            done = self._socket.recv_into(_nowhere, size, _TRUNCATE)
            if not done:
                raise ConnectionResetError(errno.ECONNRESET, "what was there is gone")
            self.taken += done
            count -= done
