"""The control channel: packets and descriptors over a Unix socket pair, never blocking.

What does not fit into the socket waits in a bounded queue here; who sends more than that is told,
and must stop taking on work until the channel has drained.
"""

from __future__ import annotations

import array
import errno
import os
import socket
from collections import deque

from fanout.control import PACKET_BYTES_MAX, Message, decode, encode

DESCRIPTORS_MAX = 8  # descriptors in one packet; Hello has three
QUEUE_PACKETS_MAX = 65_536  # packets waiting for the other side; a worker's subscribers, each twice
RECEIVE_PACKETS_MAX = 256  # packets taken in one turn, so that others get theirs
# The system is short of something, descriptors in flight for one: it is worth trying again later.
_EXHAUSTED = {errno.ETOOMANYREFS, errno.ENOBUFS, errno.ENOMEM}


class ChannelFull(Exception):
    """The other side has not read for very long; nothing was queued."""


class Channel:
    """One end; not thread-safe. Owns the socket and descriptors that wait to be sent.

    Attributes:
        closed: the other side is gone (end of file) or the socket broke.
    """

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self.socket = sock
        self.closed = False
        self._waiting: deque[tuple[bytes, tuple[int, ...]]] = deque()

    @staticmethod
    def pair() -> tuple[socket.socket, socket.socket]:
        """Two connected sockets, for a coordinator and its worker."""
        return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)

    @property
    def pending(self) -> int:
        """Packets that wait for the other side to read."""
        return len(self._waiting)

    def send(self, message: Message, descriptors: tuple[int, ...] = ()) -> None:
        """Send, or queue in order; takes over `descriptors` and closes them once they are sent.

        Raises:
            ChannelFull: too much is waiting; the descriptors are closed.
        """
        if len(self._waiting) >= QUEUE_PACKETS_MAX:
            _close_all(descriptors)
            raise ChannelFull(f"{QUEUE_PACKETS_MAX:,} control packets wait to be read")
        self._waiting.append((encode(message), descriptors))
        self.flush()

    def flush(self) -> bool:
        """Send what waits; False if something waits for the other side to read.

        What the system has no resources for waits too, for the next call.
        """
        while self._waiting and not self.closed:
            packet, descriptors = self._waiting[0]
            try:
                self._send_packet(packet, descriptors)
            except BlockingIOError:
                return False
            except OSError as error:
                if error.errno in _EXHAUSTED:
                    return True
                self.closed = True
                break
            self._waiting.popleft()
            _close_all(descriptors)
        if self.closed:
            self._discard()
        return True

    def receive(self, limit: int = RECEIVE_PACKETS_MAX) -> list[tuple[Message, list[int]]]:
        """Messages that have arrived, with their descriptors, which the caller then owns.

        Args:
            limit: messages to take at most.

        Raises:
            ControlError: the other side sent something that is not of this version.
        """
        received: list[tuple[Message, list[int]]] = []
        while len(received) < limit:
            try:
                packet, descriptors = self._receive_packet()
            except BlockingIOError:
                break
            except OSError:
                self.closed = True
                break
            if not packet:
                self.closed = True
                break
            received.append((decode(packet), descriptors))
        return received

    def close(self) -> None:
        """Close this end; the other side reads what was sent, then end of file."""
        self.closed = True
        self._discard()
        self.socket.close()

    def _send_packet(self, packet: bytes, descriptors: tuple[int, ...]) -> None:
        if not descriptors:
            self.socket.send(packet)
            return
        rights = array.array("i", descriptors)
        self.socket.sendmsg([packet], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])

    def _receive_packet(self) -> tuple[bytes, list[int]]:
        space = socket.CMSG_SPACE(DESCRIPTORS_MAX * 4)
        packet, ancillary, _flags, _address = self.socket.recvmsg(
            PACKET_BYTES_MAX, space, socket.MSG_CMSG_CLOEXEC
        )
        descriptors = array.array("i")
        for level, kind, data in ancillary:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                descriptors.frombytes(data[: len(data) - len(data) % descriptors.itemsize])
        return packet, descriptors.tolist()

    def _discard(self) -> None:
        for _packet, descriptors in self._waiting:
            _close_all(descriptors)
        self._waiting.clear()


def _close_all(descriptors: tuple[int, ...]) -> None:
    for descriptor in descriptors:
        os.close(descriptor)
