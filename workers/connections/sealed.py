"""Sealed sending: plain frames in, boxes out, and the count of plain bytes that are done. Pure.

It stands where `socket.send` stands for others, below the pump, which knows nothing of boxes: it
hands over the next bytes of a stream, cut anywhere, and goes on where the returned count ends.

    pending    the rest of the one box that the socket has taken in part: it goes out first
    skip       plain bytes of boxes that are out, which were not reported yet
    partial    the begin of a frame whose end has not been handed over yet; it is reported as done

A box is sealed once and never again: what the socket takes of it is never sealed anew, and what
it does not begin is thrown away with its nonce. So no nonce meets two plaintexts, whatever the pump
does meanwhile.

As long as a box is pending, at least one byte of its frame is not reported. So the pump's place in
the stream is in the middle of that message, which it then never leaves out; and it takes the
connection for blocked, so that nothing is left here that nobody asks for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fanout.zmtp.frames import COMMAND, LONG, LONG_HEADER_BYTES, MORE, SHORT_HEADER_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable

    from fanout.workers.stream.member import Send
    from fanout.zmtp.sealer import Sealer

SEAL_BYTES = 16 * 1024  # for one send(2), or one frame: more is thrown away if it is not taken
TURN_BYTES = 64 * 1024  # for one in a turn: some 2 ms of CPU for small messages; then come others


class SealedSend:
    """Sends what comes after the handshake of one connection.

    Its mutable state: what is pending, to be skipped, or partial, see above; and how much it may
    still seal, which is nothing unless it is let.

    Args:
        send: of the socket.
        sealer: of this connection.
        raw: bytes of the handshake that will be handed over before the first frame; they go out as
            they are.
        wire_bytes: that the socket has taken before.

    Attributes:
        more: whether a call has ended since `let()` though the socket is not known to be full.
        wire_bytes: bytes that the socket has taken.
    """

    __slots__ = ("_left", "_owed", "_partial", "_pending", "_raw", "_sealer", "_send", "_skip",
                 "more", "wire_bytes")  # fmt: skip

    def __init__(
        self, send: Callable[[bytes], int], sealer: Sealer, raw: int = 0, wire_bytes: int = 0
    ) -> None:
        self._send = send
        self._sealer = sealer
        self._raw = raw
        self._pending = b""
        self._owed = 0  # plain bytes of the pending box that are not reported yet
        self._skip = 0
        self._partial = b""
        self._left = 0
        self.more = False
        self.wire_bytes = wire_bytes

    def let(self) -> None:
        """It may do as much as one may in a turn."""
        self._left = TURN_BYTES
        self.more = False

    def stop(self) -> None:
        """It may do nothing until it is let again."""
        self._left = 0

    @property
    def is_empty(self) -> bool:
        """Whether nothing is kept here: all that was reported is out."""
        return not (self._pending or self._skip or self._partial or self._raw)

    def __call__(self, data: bytes | memoryview) -> int:
        """Send what comes next in the stream; returns how many bytes of it are done.

        Raises:
            BlockingIOError: none are, for the socket is full, or nothing may be done now. OSError:
                the connection broke.
        """
        if self._left <= 0:
            self.more = True
            raise BlockingIOError
        view = memoryview(data)
        done, is_full = self._finish(view)
        while not is_full and done < len(view):
            if self._left <= 0:
                self.more = True
                break
            boxes, sizes = self._seal(view[done:])
            if not boxes:
                self._partial += view[done:]
                done = len(view)
                break
            wire = b"".join(boxes)
            taken = self._try(wire)
            self._left -= len(wire)
            is_full = taken < len(wire)
            done += self._account(boxes, sizes, taken)
        if not done and is_full:
            raise BlockingIOError
        return done

    def _try(self, wire: bytes) -> int:
        try:
            taken = self._send(wire)
        except BlockingIOError:
            return 0
        self.wire_bytes += taken
        return taken

    def _finish(self, view: memoryview) -> tuple[int, bool]:
        """Go on with what is not out; returns how many bytes are done, and whether it is full."""
        done = 0
        if self._raw:
            first = bytes(view[: self._raw])
            done = self._try(first)
            self._raw -= done
            if done < len(first):
                return done, True
        if self._pending:
            taken = self._try(self._pending)
            self._pending = self._pending[taken:]
            if self._pending:
                return done + self._report(taken, len(view) - done), True
            self._skip += self._owed
            self._owed = 0
        skipped = min(self._skip, len(view) - done)
        self._skip -= skipped
        return done + skipped, False

    def _report(self, taken: int, there: int) -> int:
        """So much of the pending box is out: report as much of its frame, but for one byte."""
        reported = max(0, min(taken, self._owed - 1, there))
        self._owed -= reported
        return reported

    def _seal(self, view: memoryview) -> tuple[list[bytes], list[int]]:
        """Seal the frames that come next, for one send.

        Returns:
            The boxes, and how many bytes of `view` each is for.
        """
        boxes: list[bytes] = []
        sizes: list[int] = []
        begin = size = 0
        before = self._partial
        while size < SEAL_BYTES and begin < len(view):
            head = before + bytes(view[begin : begin + LONG_HEADER_BYTES])
            place = _frame(head)
            if place is None:
                break
            flags, start, end = place
            last = begin + end - len(before)
            if last > len(view):
                break
            body = (
                (before + bytes(view[begin:last]))[start:] if before else view[begin + start : last]
            )
            box = self._sealer.seal(flags, bytes(body))
            boxes.append(box)
            sizes.append(last - begin)
            size += len(box)
            begin, before = last, b""
        return boxes, sizes

    def _account(self, boxes: list[bytes], sizes: list[int], taken: int) -> int:
        """The socket has taken so many bytes of these; what it has not begun is thrown away."""
        done = 0
        for box, plain in zip(boxes, sizes, strict=True):
            if not taken:
                break
            self._partial = b""  # it was the begin of the first of them
            if taken < len(box):
                self._pending = box[taken:]
                self._owed = plain
                done += self._report(taken, plain)
                break
            taken -= len(box)
            done += plain
        return done


def seal_with(sealer: Sealer, raw: int, wire_bytes: int) -> Callable[[Send], SealedSend]:
    """What is to be put before the `send` of a socket; see `SealedSend`."""
    return lambda send: SealedSend(send, sealer, raw, wire_bytes)


def _frame(head: bytes) -> tuple[int, int, int] | None:
    """Flags, and where the body of a frame starts and ends, by its header; None: more is needed."""
    if len(head) < SHORT_HEADER_BYTES:
        return None
    flags = head[0] & (MORE | COMMAND)
    if not head[0] & LONG:
        return flags, SHORT_HEADER_BYTES, SHORT_HEADER_BYTES + head[1]
    if len(head) < LONG_HEADER_BYTES:
        return None
    size = int.from_bytes(head[1:LONG_HEADER_BYTES], "big")
    return flags, LONG_HEADER_BYTES, LONG_HEADER_BYTES + size
