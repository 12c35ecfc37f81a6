"""One connection to a peer, from the greeting to its end. Pure: time is passed in.

What is to be sent waits in `entries`, as whole messages. What was written of the first one is a
number of bytes, so when the connection is lost it is known which have not got out whole.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from fanout.sockets.inbox import Lane
from fanout.sockets.level import Level
from fanout.sockets.limits import PENDING_BYTES
from fanout.subscriber.blame import LostError
from fanout.subscriber.feed import Feed
from fanout.subscriber.heartbeat import Heartbeat
from fanout.subscriber.line import CONNECT_TIMEOUT_S
from fanout.zmtp import PingReceived, PongReceived, Ready, Violation
from fanout.zmtp.metadata import IDENTITY, SOCKET_TYPE

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from fanout.sockets.limits import Limits
    from fanout.subscriber.parsing import Frames
    from fanout.zmtp.errors import Refusal
    from fanout.zmtp.greeting import SocketType

NO_HANDSHAKE = "the handshake was not done in time"
RECEIVERS = (b"PULL", b"SUB")  # send no messages: nothing of ours can be in the way of a PING
SILENT = "the peer has been silent for too long"


class Outgoing:
    """A message on its way, or what the protocol says between two.

    Attributes:
        wire: its bytes.
        peer: to whom; None: to any.
        is_message: False: the protocol's, of this connection only.
    """

    __slots__ = ("is_message", "peer", "wire")

    def __init__(self, wire: bytes, peer: Peer | None = None, *, is_message: bool = True) -> None:
        self.wire = wire
        self.peer = peer
        self.is_message = is_message


class Peer:
    """Who is at the other end. Owned by the actor; other threads reserve room, and put nothing.

    Args:
        name: of it, for people.
        role: the socket type of ours.
        properties: what our READY says beside that.

    Attributes:
        is_ready: the handshake is done.
        is_gone: the connection is over.
        is_condemned: it is to be closed, and gets no more.
        refusal: why no handshake with it can succeed, if that is known.
        identity: as the socket has named it, or it has itself.
        lane: where it stands among those whose messages wait.
        room: for messages that are for it alone; held by `reserve`.
        sent: messages that were handed to the kernel whole.
        begun: bytes of a message that is not whole, but for those of one read.
    """

    def __init__(
        self,
        name: str,
        role: SocketType,
        properties: Mapping[bytes, bytes],
        limits: Limits,
        now: float,
    ) -> None:
        self.name = name
        self.is_ready = False
        self.is_gone = False
        self.is_condemned = False
        self.refusal: Refusal | None = None
        self.identity = b""
        self.lane = Lane()
        self.entries: deque[Outgoing] = deque()
        self.sent = 0
        self.begun = 0
        self.feed = Feed(limits.max_message_bytes, role)
        self.feed.introduce = lambda: properties
        self.level = Level(limits.outbox_messages, limits.outbox_bytes, self._sizes)
        self.others: deque[Outgoing] = deque()  # where more of its messages may be, not taken yet
        self._pending = 0  # bytes in `entries`, with what was written of the first
        self._written = 0  # bytes of the first entry
        self._is_saying = False  # one of the entries is the protocol's
        self._until: float | None = now + CONNECT_TIMEOUT_S
        self._heartbeat = Heartbeat(now)
        self._may_send = role.socket_type not in RECEIVERS

    def __repr__(self) -> str:
        return f"<Peer {self.name}>"

    @property
    def own_identity(self) -> bytes:
        """What it calls itself; b"" = nothing."""
        return self.feed.metadata.get(IDENTITY, b"")

    @property
    def socket_type(self) -> str:
        """What it is, as it says."""
        return self.feed.metadata.get(SOCKET_TYPE, b"").decode("ascii", "replace")

    # What comes.

    def receive(self, data: bytes, now: float, found: list[Frames]) -> None:
        """Take bytes of the peer, and add its messages to `found`.

        Raises:
            LostError: the peer cannot be understood; what came before is found.
        """
        self._heartbeat.hear(now)
        count = len(found)
        for event in self.feed.receive(data, found):
            if isinstance(event, Ready):
                self.is_ready = True
                self._until = None
            elif isinstance(event, PongReceived):
                self._heartbeat.answers = True
            elif isinstance(event, PingReceived):
                self._heartbeat.ttl_s = event.ttl_s
            elif isinstance(event, Violation):
                self.refusal = event.refusal
                raise LostError(event.reason, violation=event.reason)
        is_whole = len(found) > count or not self.is_ready or not self.feed.has_part
        self.begun = 0 if is_whole else self.begun + len(data)

    # What goes.

    @property
    def has_room(self) -> bool:
        """Whether it may be given a message that others could have, too."""
        return self.is_ready and not self.is_condemned and self._pending < PENDING_BYTES

    def give(self, outgoing: Outgoing) -> None:
        """Have this sent."""
        self.entries.append(outgoing)
        self._pending += len(outgoing.wire)

    def next_piece(self) -> bytes | memoryview:
        """What is to be written next, of as many messages as one call takes; empty = nothing."""
        # One at a time: what a peer that does not read has us answer stays bounded there.
        if not self._is_saying and (said := self.feed.data_to_send()):
            self._is_saying = True
            outgoing = Outgoing(said, is_message=False)
            self.entries.insert(1 if self._written else 0, outgoing)
            self._pending += len(said)
        if not self.entries:
            return b""
        first = self.entries[0].wire
        if len(self.entries) == 1 or len(first) - self._written >= PENDING_BYTES:
            return memoryview(first)[self._written :] if self._written else first
        pieces, size = [], -self._written
        for outgoing in self.entries:
            pieces.append(outgoing.wire)
            size += len(outgoing.wire)
            if size >= PENDING_BYTES:
                break
        return memoryview(b"".join(pieces))[self._written :]

    def wrote(self, count: int) -> None:
        """So many bytes of that have been handed to the kernel."""
        entries, count = self.entries, count + self._written
        while entries and count >= len(entries[0].wire):
            outgoing = entries.popleft()
            count -= len(outgoing.wire)
            self._pending -= len(outgoing.wire)
            self.sent += outgoing.is_message
            self._is_saying = self._is_saying and outgoing.is_message
        self._written = count

    @property
    def has_unsent(self) -> bool:
        """Whether anything waits to be written."""
        return bool(self.entries)

    @property
    def unsent_bytes(self) -> int:
        """Of all that waits."""
        return self._pending - self._written

    @property
    def unsent(self) -> list[Outgoing]:
        """Messages that the peer cannot have got whole: what it has of the first one it drops, if
        nothing follows."""
        return [outgoing for outgoing in self.entries if outgoing.is_message]

    def _sizes(self) -> list[int]:
        """Of the messages that are for it alone: here, and on their way here."""
        here = [len(outgoing.wire) for outgoing in self.entries.copy()]
        return here + [len(one.wire) for one in self.others.copy() if one.peer is self]

    # The clock.

    def tick(self, now: float) -> None:
        """Do what is due by now: PINGs.

        Raises:
            LostError: it was silent for too long.
        """
        if not self.is_ready:
            if self._until is not None and now >= self._until:
                raise LostError(NO_HANDSHAKE)
            return
        if self._heartbeat.is_over(now) or self._is_overdue(now):
            raise LostError(SILENT)
        # One that cannot even be written is enough.
        if self.feed.speaks_pings and self._heartbeat.begin_ping(now) and not self._is_saying:
            self.feed.ping()

    def _is_overdue(self, now: float) -> bool:
        return self._heartbeat.answers and self._heartbeat.is_overdue(now)

    def may_be_busy(self, now: float) -> bool:
        """Whether its silence is none if its host is there: see `vouch`.

        Who is sent to reads nothing while its program takes nothing, and our PING waits behind
        messages there: it makes us wait, and libzmq waits as long as that takes. Were it connected
        to again, it would read both connections in turn, and the order of what we send would be
        lost; what is for one peer alone would be dropped.
        """
        return self._may_send and self.is_ready and self._is_overdue(now)

    def vouch(self, now: float) -> None:
        """Its host is there: it does not have to answer a PING for as long again."""
        self._heartbeat.vouch(now)

    def paused(self, now: float) -> None:
        """Nothing was read up to now, for want of room here: that was not its silence."""
        self._heartbeat.hear(now)

    def next_at(self) -> float | None:
        """When `tick` is to be called next, at the latest; None: not by the clock."""
        if not self.is_ready:
            return self._until
        beat = self._heartbeat
        return beat.next_at(pings=self.feed.speaks_pings, judged=beat.answers)


def earliest(times: Iterable[float | None]) -> float | None:
    """The first of these; None: there is none."""
    return min((time for time in times if time is not None), default=None)
