"""What both halves of a connection share, once the handshake is done: heartbeats, and the end.

Theory of operation
-------------------
Bytes go in by `receive_data`, which returns events; bytes to send come out by `data_to_send`.
There is no socket, no clock and no thread here. The state is one of `states.py`; which object reads
the input follows from it:

    GREETING    `Greeting`; it is dropped when done, so that an idle connection stays small
    HANDSHAKE   `FrameReader`; the first frame must be the READY (ZMTP 2.0: the identity), or what
                the mechanism wants. Both are in `handshake.py`
    TRAFFIC     `FrameReader`; each frame goes to `_on_command` or `_on_message` of the half,
                which may take a run of commands of one kind at once.
                ZMTP 1.0 peers have no frames for us: their input is ignored.
                With CURVE an `Opener` before it, which makes plain frames of boxes
    CLOSED      nothing

Nothing that a peer sends raises: the parts below raise `RemoteProtocolError`, which becomes the
last event, `Violation`, here and only here. Frames are read in a loop, never by recursion.

Rule R2 is why the handshake is so still: until the peer's READY was read we send nothing but our
own, because libzmq closes for good if a message or PING arrives before it has sent its READY.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fanout.zmtp import commands
from fanout.zmtp.errors import LocalProtocolError, RemoteProtocolError
from fanout.zmtp.events import PingReceived, PongReceived, SessionEvent
from fanout.zmtp.frames import COMMAND, SHORT_HEADER_BYTES
from fanout.zmtp.greeting import GreetingStage
from fanout.zmtp.handshake import Handshake
from fanout.zmtp.looked import Looked, NoRoomError
from fanout.zmtp.metadata import WrongSocketTypeError
from fanout.zmtp.states import SessionState

if TYPE_CHECKING:
    from fanout.zmtp.greeting import SocketType
    from fanout.zmtp.mechanisms import Mechanism

PENDING_PONG_BYTES_MAX = 64 * 1024  # a peer that sends PINGs and never reads is cut off here


_PING_HEAD = bytes((len(commands.PING),)) + commands.PING
_PING_HEAD_BYTES = len(_PING_HEAD)
_TRAFFIC, _CLOSED = SessionState.TRAFFIC, SessionState.CLOSED  # each look at an enum is a call


class Half(Handshake):
    """One half of a connection; private, see `Session` and `SubscriberSession`.

    Owned by one thread. Mutable state: everything below, and that of the handshake.
    """

    __slots__ = ("_again", "_has_pinged", "_room")

    def __init__(
        self,
        role: SocketType,
        max_frame_bytes: int,
        *,
        allow_zmtp_1: bool = False,
        mechanism: Mechanism | None = None,
    ) -> None:
        super().__init__(role, max_frame_bytes, allow_zmtp_1=allow_zmtp_1, mechanism=mechanism)
        self._has_pinged = False  # it has sent a PING or a PONG
        self._again = 0  # bytes that come next and were perhaps acted upon already
        self._room: int | None = None  # bytes of answers for which there is room, if not for all

    def receive_data(self, data: bytes | bytearray | memoryview) -> list[SessionEvent]:
        """Take bytes of the peer, cut anywhere, and return what happened, in order.

        Never raises for anything that a peer sends: a `Violation` is then the last event, the state
        is `CLOSED`, and later input is ignored. Call `data_to_send` afterwards in any case.
        """
        events: list[SessionEvent] = []
        if self.state is _CLOSED:
            return events
        try:
            self._receive(bytes(data), events)
        except WrongSocketTypeError as error:
            self._output += commands.error(b"Invalid socket type")
            events.append(self._fail(error))
        except RemoteProtocolError as error:
            events.append(self._fail(error))
        if self._again:
            self._read_again(len(data), events)
        return events

    def look_at(self, data: bytes, room: int) -> Looked:
        """As `receive_data`, but whole frames only; nothing is kept of what is left.

        For who leaves that where it came from, and shows it again with what follows. Not in the
        middle of a frame (`has_part`), and once the handshake is done.

        Args:
            room: for so many bytes of answers. A PING is left for want of it, with all behind it:
                then nothing is missing, though not all was used.
        """
        events: list[SessionEvent] = []
        if self.state is _CLOSED:
            return Looked(events, len(data), 0)
        self._room = room
        used, missing, size = 0, 0, len(data)
        try:
            used, is_full = self._look_at_first(data, events)
            if used < size and not is_full:
                used, missing = self._look_at_rest(data, used, events)
        except RemoteProtocolError as error:
            events.append(self._fail(error))
            used = size
        self._room = None
        if self._again:
            self._read_again(used, events)
        return Looked(events, used, missing)

    def _look_at_first(self, data: bytes, events: list[SessionEvent]) -> tuple[int, bool]:
        """Take the PINGs at the beginning, or a short frame that is alone: this costs little.

        Returns:
            How many bytes these are, and whether a PING follows for whose answer there is no room.
        """
        reader, size = self._reader, len(data)
        if not reader.repair or reader.skipping:  # without commands, or in the middle of a frame
            return 0, False
        begin = 0
        while begin + SHORT_HEADER_BYTES < size:
            flags, body_bytes = data[begin], data[begin + 1]
            body = begin + SHORT_HEADER_BYTES
            end = body + body_bytes
            if end > size or not body_bytes or body_bytes > reader.max_frame_bytes:
                break
            if flags == COMMAND and data.startswith(_PING_HEAD, body):
                try:
                    self._on_ping(data[body + _PING_HEAD_BYTES : end], events)
                except NoRoomError:
                    return begin, True
            elif end < size:
                break  # what comes next may be of the same kind
            elif flags == COMMAND:
                self._on_command(data[body:end], events)
            elif not flags:
                self._on_message(flags, data[body:end], events)
            else:
                break
            begin = end
        return begin, False

    def _look_at_rest(self, data: bytes, begin: int, events: list[SessionEvent]) -> tuple[int, int]:
        """Take what there is of any kind from there on.

        Returns:
            How many bytes were used, of all, and how many are missing for one more frame.
        """
        reader, missing = self._reader, 0
        try:
            self._receive(data, events, begin)
            if reader.kept_bytes:
                missing = reader.missing
        except NoRoomError:
            reader.give_back()
        used = len(data) - reader.kept_bytes
        reader.let_go()
        return used, missing

    def data_to_send(self) -> bytes:
        """Return and forget what must go out now; to be sent whole and in order."""
        data = bytes(self._output)
        self._output.clear()
        return data

    def ping(self, context: bytes = b"", ttl_ds: int = 0) -> None:
        """Queue a PING.

        Args:
            context: what the peer is to echo, 0 to 16 bytes (libzmq 4.2 does not echo it).
            ttl_ds: the peer may close after so many tenths of a second of silence; 0 to 655.

        Raises:
            LocalProtocolError: not in `TRAFFIC`, a peer that may not know PINGs, or an argument out
                of range; nothing was queued.
        """
        if self.state is not SessionState.TRAFFIC:
            raise LocalProtocolError(f"no PING in {self.state}")
        if not self.speaks_pings:
            raise LocalProtocolError(f"ZMTP {self.version} has no PING, and the peer sent none")
        self._output += commands.ping(context, ttl_ds)

    @property
    def speaks_pings(self) -> bool:
        """Whether the peer is known to understand a PING (rule R11).

        ZMTP 3.1 has PING and PONG, 3.0 has not: there a peer has shown that it knows them once it
        has sent one. False until the greeting is through.
        """
        return self.version == "3.1" or self._has_pinged

    @property
    def has_part(self) -> bool:
        """Whether something has come in that is not acted upon, for it is not whole."""
        return self._greeting is not None or self._reader.kept_bytes > 0

    @property
    def missing(self) -> int:
        """If it has a part of a frame: how many bytes have still to come, at least."""
        return self._reader.missing

    @property
    def skipping(self) -> int:
        """Bytes that have still to come of a frame that is too long, and concerns nobody."""
        return self._reader.skipping

    def _receive(self, data: bytes, events: list[SessionEvent], taken: int = 0) -> None:
        """Take all of this, but for the first bytes that were taken already."""
        if self._greeting is not None:
            taken = self._greeting.receive(data)
            if self._greeting.stage is not GreetingStage.DONE:
                return
            self._on_greeted(self._greeting, events)
        if self.version == "1.0":
            return
        if self.opener is not None:
            data, taken = self.opener.open(data), 0
        reader = self._reader
        reader.feed(data, taken)
        for flags, body in reader.frames():
            if self.state is not _TRAFFIC:
                rest = self._on_handshake(flags, body, events)
                if rest:
                    self._receive(rest, events)
            elif flags & COMMAND and reader.repair:
                self._on_command(body, events)
            else:
                self._on_message(flags, body, events)

    def _read_again(self, count: int, events: list[SessionEvent]) -> None:
        self._again = max(0, self._again - count)
        if not self._again and self.state is not SessionState.CLOSED:
            self._on_news(events)

    def _on_news(self, events: list[SessionEvent]) -> None:
        """From here on nothing was acted upon already."""

    def _on_message(self, flags: int, body: bytes, events: list[SessionEvent]) -> None:
        """Take one frame of a message."""
        raise NotImplementedError

    def _on_command(self, body: bytes, events: list[SessionEvent]) -> None:
        """Take a command; unknown and malformed ones are ignored (rule R7)."""
        name, data = commands.split_command(body)
        if name == commands.PING:
            self._on_ping(data, events)
        elif name == commands.PONG:
            self._has_pinged = True
            events.append(PongReceived(data))

    def _on_ping(self, data: bytes, events: list[SessionEvent]) -> None:
        """Answer at once, one PONG for each PING, with its context exactly (rule R8)."""
        ping = commands.split_ping(data)
        if ping is None:
            return
        self._has_pinged = True
        ttl_ds, context = ping
        pong = commands.pong(context)
        if self._room is not None and len(self._output) + len(pong) > self._room:
            raise NoRoomError
        if len(self._output) + len(pong) > PENDING_PONG_BYTES_MAX:
            self._output.clear()
            raise RemoteProtocolError("PINGs come in faster than PONGs go out")
        self._output += pong
        events.append(PingReceived(ttl_ds / 10, context))
