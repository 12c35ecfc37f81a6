"""The control channel: messages and descriptors over a Unix socket pair, never blocking.

What does not fit into the socket waits in a queue here. That of the coordinator has a bound: who
sends more than that is told, and ends the worker, which does not read. That of a worker is bounded
by whom it serves: while anything waits it reads from nobody, so there are a few reports of each
subscriber at most, above all of its end, and to give up for these would be to lose what they say.
What waits together travels together: a packet costs both sides a system call, and one of them
perhaps a wake-up.
"""

from __future__ import annotations

import array
import errno
import os
import select
import socket
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from fanout.basics.descriptors import standard_taken
from fanout.basics.system_calls import needed
from fanout.control.messages import (
    PACKET_BYTES_MAX,
    Message,
    decode,
    descriptors_with,
    encode,
    pack,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

DESCRIPTORS_MAX = 16  # descriptors in one packet; Hello has three, an Adopt one
PACKET_BYTES_AIM = 32 * 1024  # a soft limit: a single message that is larger still goes, alone
QUEUE_MESSAGES_MAX = 65_536  # that wait to be read: two for each of 32,768 subscribers
RECEIVE_MESSAGES = 256  # messages after which no further packet is read in a turn
# The system is short of something, descriptors in flight for one: it is worth trying again later.
_EXHAUSTED = {errno.ETOOMANYREFS, errno.ENOBUFS, errno.ENOMEM}


class ChannelFull(Exception):
    """The other side has not read for very long; nothing was queued."""


class HowOften(Protocol):
    """How often messages had to wait, each time from the first that waited to the last.

    Attributes:
        channel_full: the other side did not read.
        channel_short: the system had no memory for them, or no place for their descriptors.
    """

    channel_full: int
    channel_short: int


@dataclass(slots=True)
class Strain:
    """Such counts, in no shared memory."""

    channel_full: int = 0
    channel_short: int = 0


class Channel:
    """One end; not thread-safe. Owns the socket and descriptors that wait to be sent.

    Args:
        is_bounded: whether there is a bound to what waits.

    Attributes:
        closed: the other side is gone (end of file) or the socket broke.
        posted: messages that were ever sent or queued.
        strain: counts how often messages had to wait.
        is_full: they wait for the other side to read.
        is_short: they wait for the system to have memory, or a place for descriptors. Nothing tells
            when it has: the socket seems to have room.
    """

    def __init__(
        self, sock: socket.socket, strain: HowOften | None = None, *, is_bounded: bool = True
    ) -> None:
        with needed("ioctl", "makes sockets that never block"):
            sock.setblocking(False)
        self.socket = sock
        self.closed = False
        self._is_bounded = is_bounded
        self.posted = 0
        self.strain = strain or Strain()
        self.is_full = self.is_short = False
        # A busy worker looks in each of its turns whether there is something to be read, mostly in
        # vain. To ask takes a quarter of what it takes to try.
        self._inbox = select.poll()
        self._inbox.register(sock, select.POLLIN)
        self._waiting: deque[tuple[bytes, tuple[int, ...]]] = deque()
        self._descriptors = 0  # that wait

    @staticmethod
    def pair() -> tuple[socket.socket, socket.socket]:
        """Two connected sockets, for a coordinator and its worker."""
        with standard_taken(), needed("socketpair", "joins publisher and worker"):
            return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)

    @property
    def pending(self) -> int:
        """Messages that wait for the other side to read, or for `flush`."""
        return len(self._waiting)

    @property
    def _is_stuck(self) -> bool:
        """Whether the last packet could not be sent: `flush` tries again."""
        return self.is_full or self.is_short

    @property
    def departed(self) -> int:
        """How many of the messages that were posted are not lost with this process any more."""
        return self.posted - len(self._waiting)

    def send(self, message: Message, descriptors: tuple[int, ...] = ()) -> None:
        """Send, or queue in order; takes over `descriptors` and closes them once they are sent.

        Raises:
            ChannelFull: too much is waiting; the descriptors are closed.
        """
        self.post(message, descriptors)
        if not self._is_stuck:
            self.flush()

    def post(self, message: Message, descriptors: tuple[int, ...] = ()) -> None:
        """As `send`, but it goes out with the next `flush`, in one packet with what else there is.

        Descriptors do not wait: they are few, and open here until they are sent.

        Raises:
            ChannelFull: as with `send`.
        """
        if self.closed:
            _close_all(descriptors)
            return
        if self._is_bounded and len(self._waiting) >= QUEUE_MESSAGES_MAX:
            _close_all(descriptors)
            raise ChannelFull(f"{QUEUE_MESSAGES_MAX:,} control messages wait to be read")
        self._waiting.append((encode(message), descriptors))
        self.posted += 1
        self._descriptors += len(descriptors)
        if self._descriptors >= DESCRIPTORS_MAX and not self._is_stuck:
            self.flush()

    def flush(self) -> bool:
        """Send what waits; False if something waits for the other side to read.

        What the system has no resources for waits too, for the next call.
        """
        while self._waiting and not self.closed:
            messages, descriptors = self._next_packet()
            try:
                self._send_packet(pack(messages), descriptors)
            except BlockingIOError:
                self.strain.channel_full += not self.is_full
                self.is_full, self.is_short = True, False
                return False
            except OSError as error:
                if error.errno in _EXHAUSTED:
                    self.strain.channel_short += not self.is_short
                    self.is_full, self.is_short = False, True
                    return True
                self.closed = True
                break
            for _ in messages:
                self._waiting.popleft()
            self._descriptors -= len(descriptors)
            _close_all(descriptors)
        if self.closed:
            self._discard()
        self.is_full = self.is_short = False
        return True

    def receive(self, limit: int = RECEIVE_MESSAGES) -> list[tuple[Message, list[int]]]:
        """Messages that have arrived, with their descriptors, which the caller then owns.

        A message may have fewer descriptors than it should: the system drops what it finds no
        number for.

        Args:
            limit: messages after which no further packet is taken.

        Raises:
            ControlError: the other side sent something that is not of this version.
        """
        received: list[tuple[Message, list[int]]] = []
        while len(received) < limit and self._inbox.poll(0):
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
            try:
                for message in decode(packet):
                    count = descriptors_with(message)
                    received.append((message, descriptors[:count]))
                    del descriptors[:count]
            finally:
                _close_all(descriptors)  # more than the messages say: a bug, but no leak
        return received

    def close(self) -> None:
        """Close this end; the other side reads what was sent, then end of file."""
        self.closed = True
        self._discard()
        if self.socket.fileno() >= 0:
            self._inbox.unregister(self.socket)  # the number will be somebody else's
        self.socket.close()

    def _next_packet(self) -> tuple[list[bytes], tuple[int, ...]]:
        """The first messages that wait, as many as one packet takes; at least one."""
        messages: list[bytes] = []
        carried: tuple[int, ...] = ()
        size = 0
        for encoded, descriptors in self._waiting:
            size += len(encoded)
            too_many = len(carried) + len(descriptors) > DESCRIPTORS_MAX
            if messages and (too_many or size > PACKET_BYTES_AIM):
                break
            messages.append(encoded)
            carried += descriptors
        return messages, carried

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
        for _encoded, descriptors in self._waiting:
            _close_all(descriptors)
        self._waiting.clear()
        self._descriptors = 0


def _close_all(descriptors: Iterable[int]) -> None:
    for descriptor in descriptors:
        os.close(descriptor)
