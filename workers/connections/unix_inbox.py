"""What is different with a Unix socket: who counts its bytes, and how a part of a frame is awaited.

The kernel does not count what was taken from it. But it counts what was looked at and not taken yet
(`SO_PEEK_OFF`), whoever has looked: by that number it can be told afterwards whether something was
taken. So before that is done it is written down how much was taken and looked at together, which
taking does not change, and afterwards how much was taken.

Nor can it be told to report a part of a frame when the frame is whole: it is told to report only
that more has come (`EPOLLET`). If there is no room for more, nothing comes: it cannot be known how
much there is, since that is the sender's. So a part that does not get on is taken after a while.
"""

from __future__ import annotations

import select
import socket
from typing import TYPE_CHECKING

from fanout.shm.layout import UNCOUNTED
from fanout.shm.own_counts import counted, handed
from fanout.transport import kernel
from fanout.transport.kernel import Counts
from fanout.transport.socket_queues import KERNEL, SocketQueues
from fanout.workers.connections.inbox import Inbox

if TYPE_CHECKING:
    from fanout.shm.own_counts import Send
    from fanout.shm.stream_record import StreamSlot
    from fanout.shm.worker_slot import WorkerSlot
    from fanout.zmtp import Session


class UnixInbox(Inbox):
    """The input of one connection by a Unix socket."""

    __slots__ = ("_looked_at",)

    _may_be_stuck = True

    def __init__(
        self,
        sock: socket.socket,
        session: Session,
        record: StreamSlot,
        queues: SocketQueues = KERNEL,
    ) -> None:
        super().__init__(sock, session, record, queues)
        self._receive = self._count
        self._looked_at = -1  # bytes, as the kernel has counted them, too; -1 = it does not

    def go_on(self, taken: int, acted: int) -> None:
        record = self._record
        record.taken = self.taken = taken
        record.taking = 0
        self.acted = acted
        self.looks = self._is_tracked

    def _events(self) -> int:
        return super()._events() | (select.EPOLLET if self._awaited > 1 else 0)

    def _count(self, size: int, flags: int = 0, /) -> bytes:
        if flags:
            if self._looked_at != 0:
                kernel.look_from_start(self._socket)
            data = self._socket.recv(size, flags)
            self._looked_at = len(data)
            return data
        record, before = self._record, self.taken
        record.taken = UNCOUNTED
        try:
            data = self._socket.recv(size)
        except OSError:
            record.taken = before
            raise
        record.taken = before + len(data)
        self._looked_at = -1
        return data

    def _discard(self, count: int) -> None:
        if not count:
            return
        record, looked_at = self._record, self._looked_at
        record.taking = self.taken + looked_at
        super()._discard(count)
        self._looked_at = looked_at - count
        record.taken = self.taken
        record.taking = 0

    def _make_room(self) -> None:
        self._has_room = True  # the peer's own, in which nothing is kept for the sake of a part

    def _is_stuck(self) -> bool:
        return self._queues.has_ended(self._socket)

    def _await(self, wanted: int) -> bool:
        self._awaited = wanted
        if self._set is not None:
            self._set.modify(self._socket, self._events())  # what is there is reported once more
        return True


def inbox_of(
    sock: socket.socket, session: Session, record: StreamSlot, queues: SocketQueues = KERNEL
) -> Inbox:
    """The input of a connection, of whose queues these tell."""
    kind = UnixInbox if sock.family == socket.AF_UNIX else Inbox
    return kind(sock, session, record, queues)


def send_of(sock: socket.socket, worker: WorkerSlot, record: StreamSlot) -> Send:
    """The `send` of a connection; the bytes are counted by the kernel, or by this."""
    send: Send = sock.send
    return counted(send, worker, record) if sock.family == socket.AF_UNIX else send


def own_counts(sock: socket.socket, record: StreamSlot) -> Counts | None:
    """What was sent and taken on a Unix socket, by all who ever had it.

    Returns:
        None: its end has begun on our side, or it is not known what was taken.
    """
    written, taken = handed(record), record.taken
    if written is None:
        return None
    if record.taking:
        looked_at = kernel.looked_at(sock)
        if looked_at is None:
            return None
        taken = record.taking - looked_at
    return Counts(written, taken)
