"""Opens the boxes of a peer: MESSAGE frames as they come, cut anywhere, into plain frames.

    07 MESSAGE | counter(8) | box of: flags(1) data

Only authentic frames in their order come out; what does not open ends the connection. Outside of
the box only the size of the frame counts: libzmq writes no other bits there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fanout.zmtp.boxes import (
    INNER_COMMAND,
    INNER_MORE,
    MAC_BYTES,
    MESSAGE_HEAD,
    MESSAGE_OVERHEAD,
    SHORT_NONCE_BYTES,
    ForgedError,
)
from fanout.zmtp.errors import OverLimitError, RemoteProtocolError
from fanout.zmtp.frames import COMMAND, LONG_HEADER_BYTES, MORE, FrameReader, frame_header

if TYPE_CHECKING:
    from fanout.zmtp.boxes import Counting, Primitives

_COUNTER_END = len(MESSAGE_HEAD) + SHORT_NONCE_BYTES
_LEAST = _COUNTER_END + MAC_BYTES + 1


class Opener:
    """What one peer sends after its handshake; mutable state: the part of a frame, the counter.

    Attributes:
        skims: a frame that is too large is never the last of its message, and is let go as it
            comes: zeros come out in its place, for who skips them. Nobody knows whether it is
            authentic: so it may take something away, but adds nothing.

    Args:
        key: what both transient keys have in common.
        text: the first 16 bytes of its nonces.
        counting: of its frames, the handshake's among them.
        max_frame_bytes: body of a plain frame; a larger one is refused by its header.
        part: what has come of a frame that is not whole.
    """

    __slots__ = ("_box_left", "_counting", "_key", "_plain_left", "_primitives", "_reader",
                 "_text", "skims")  # fmt: skip

    def __init__(
        self,
        primitives: Primitives,
        key: bytes,
        text: bytes,
        counting: Counting,
        max_frame_bytes: int,
        part: bytes = b"",
    ) -> None:
        self._primitives = primitives
        self._key = key
        self._text = text
        self._counting = counting
        self._reader = FrameReader(max_frame_bytes + MESSAGE_OVERHEAD)
        self._reader.feed(part)
        self.skims = False
        self._box_left = 0  # bytes that are to come of a frame that is let go
        self._plain_left = 0  # zeros that are to come out for these

    @property
    def part(self) -> bytes:
        """What has come of a frame that is not whole, in its box."""
        part = self._reader.take_rest()
        self._reader.let_go()
        self._reader.feed(part)
        return part

    def hand_over(self) -> int:
        """Another one opens what comes from now on, and this one nothing; returns the counter."""
        self._key = b""
        return self._counting.last

    def open(self, data: bytes) -> bytes:
        """Take what has come next; return the plain frames of what is whole by that.

        Raises:
            RemoteProtocolError: a frame is no MESSAGE, was changed, repeated or out of order, or a
                command without anything; what was before it is lost as well.
            OverLimitError: a frame is too large; it has what was before that.
        """
        pieces: list[bytes] = []
        if self._box_left:
            data = self._let_go(data, pieces)
        reader = self._reader
        reader.feed(data)
        while True:
            try:
                for _, body in reader.frames():
                    pieces.append(self._open(body))  # not by `+=`: one may be too large behind it
                return b"".join(pieces)
            except OverLimitError as error:
                if not self.skims:
                    error.before = b"".join(pieces)
                    raise
            rest = reader.take_rest()
            reader.let_go()
            if len(rest) >= LONG_HEADER_BYTES + _COUNTER_END:
                rest = self._begin_to_let_go(rest, pieces)
                reader.feed(rest)
            else:
                reader.feed(rest)
                return b"".join(pieces)

    def _begin_to_let_go(self, data: bytes, pieces: list[bytes]) -> bytes:
        """Count a frame that is too large, and say how large it is; returns what is behind it."""
        size = int.from_bytes(data[1:LONG_HEADER_BYTES], "big")
        body = data[LONG_HEADER_BYTES:]
        if not body.startswith(MESSAGE_HEAD):
            raise RemoteProtocolError("CURVE: a frame that is no MESSAGE")
        self._counting.next(body[len(MESSAGE_HEAD) : _COUNTER_END], "MESSAGE")
        self._box_left, self._plain_left = size - _COUNTER_END, size - MESSAGE_OVERHEAD
        pieces.append(frame_header(self._plain_left, MORE))
        return self._let_go(body[_COUNTER_END:], pieces)

    def _let_go(self, data: bytes, pieces: list[bytes]) -> bytes:
        """Let go of what comes next of such a frame; returns what is behind it."""
        count = min(len(data), self._box_left)
        plain = min(count, self._plain_left)
        pieces.append(bytes(plain))
        self._box_left -= count
        self._plain_left -= plain
        return data[count:]

    def _open(self, body: bytes) -> bytes:
        if not body.startswith(MESSAGE_HEAD) or len(body) < _LEAST:
            raise RemoteProtocolError("CURVE: a frame that is no MESSAGE")
        short = body[len(MESSAGE_HEAD) : _COUNTER_END]
        self._counting.next(short, "MESSAGE")
        try:
            plain = self._primitives.open(body[_COUNTER_END:], self._text + short, self._key)
        except ForgedError:
            raise RemoteProtocolError("CURVE: a MESSAGE that does not open") from None
        flags = plain[0]
        if len(plain) == 1 and flags & INNER_COMMAND:  # else it is waited for what follows for ever
            raise RemoteProtocolError("CURVE: an empty command")
        outer = (MORE if flags & INNER_MORE else 0) | (COMMAND if flags & INNER_COMMAND else 0)
        return frame_header(len(plain) - 1, outer) + plain[1:]
