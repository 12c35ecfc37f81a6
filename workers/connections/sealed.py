"""Sealed sending: plain frames in, boxes out, and the count of plain bytes that are done. Pure.

It stands where `socket.send` stands for others, below the pump, which knows nothing of boxes: it
hands over the next bytes of a stream, cut anywhere, and goes on where the returned count ends.

    pending    the rest of the one box that the socket has taken in part: it goes out first
    skip       plain bytes of boxes that are out, which were not reported yet
    partial    the begin of a frame whose end has not been handed over yet; it is reported as done
    waiting    boxes that the socket has not begun: they go out next, if what is handed over then
               begins with the very bytes that they are of; else they are thrown away

A box is sealed once and never again, and one that is thrown away takes its nonce with it. So no
nonce meets two plaintexts, whatever the pump does meanwhile. Nor if another worker goes on: what
is pending goes with it as it is, what waits is thrown away, and whoever has handed over seals
nothing any more.

As long as a box is pending, at least one byte of its frame is not reported. So the pump's place in
the stream is in the middle of that message, which it then never leaves out; and it takes the
connection for blocked, so that nothing is left here that nobody asks for.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING, NamedTuple

from fanout.workers.connections.boxing import SEAL_BYTES, Boxing
from fanout.zmtp.frames import LONG_HEADER_BYTES
from fanout.zmtp.layout import frame_at

if TYPE_CHECKING:
    from collections.abc import Callable

    from fanout.workers.connections.boxing import Boxes
    from fanout.workers.stream.member import Send
    from fanout.zmtp.sealer import Sealer

TURN_BYTES = 256 * 1024  # for one in a turn: some 0.3 ms of CPU, or 0.6 in Python; then come others
BOX_BYTES = 512  # as which a box counts there beyond its own: what it takes however small it is


def _never() -> bool:
    return False


class KeptBoxes(NamedTuple):
    """What is kept between two calls, and has to go along; see above."""

    raw: int = 0  # bytes of the handshake that are still to come, and go out as they are
    wire_bytes: int = 0  # that the socket has taken
    owed: int = 0  # plain bytes of the pending box that were not reported yet
    skip: int = 0
    pending: bytes = b""
    partial: bytes = b""


NOTHING_KEPT = KeptBoxes()


class SealedSend:
    """Sends what comes after the handshake of one connection.

    Its mutable state: what is pending, to be skipped, partial, or waiting, see above; and how much
    it may still seal, which is nothing unless it is let.

    Args:
        send: of the socket.
        sealer: of this connection.
        rest: where it begins: behind a handshake, or where another worker has left it.
        boxing: of all who may be sent the same; None = it shares nothing.
        is_over: is asked after each send: whether others wait for their turn.

    Attributes:
        more: whether a call has ended since `let()` though the socket is not known to be full.
        wire_bytes: bytes that the socket has taken.
        kept_from: see `Sealed`; of what is kept here, the cursor is in the middle.
    """

    __slots__ = ("_boxing", "_is_over", "_left", "_owed", "_partial", "_pending", "_raw",
                 "_sealer", "_send", "_skip", "_waiting", "kept_from", "more",
                 "wire_bytes")  # fmt: skip

    def __init__(
        self,
        send: Send,
        sealer: Sealer,
        rest: KeptBoxes = NOTHING_KEPT,
        boxing: Boxing | None = None,
        is_over: Callable[[], bool] = _never,
    ) -> None:
        self._send = send
        self._is_over = is_over
        self._sealer = sealer
        self._raw = rest.raw
        self._pending = rest.pending
        self._owed = rest.owed
        self._skip = rest.skip
        self._partial = bytearray(rest.partial)
        self._waiting: Boxes | None = None
        self._boxing = Boxing() if boxing is None else boxing
        self._left = 0
        self.more = False
        self.wire_bytes = rest.wire_bytes
        self.kept_from: int | None = None

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

    @property
    def kept_bytes(self) -> int:
        """Nothing: of what is kept here, a byte at least was not reported."""
        return 0

    @property
    def remainder(self) -> KeptBoxes:
        """What is kept, for who goes on."""
        kept = self._raw, self.wire_bytes, self._owed, self._skip
        return KeptBoxes(*kept, bytes(self._pending), bytes(self._partial))

    def hand_over(self) -> tuple[bytes, int]:
        """Another one goes on with the rest: nothing is sent here any more.

        Returns:
            Its key, and the counter of the last nonce that was used.
        """
        self._send = _refuse
        self._waiting = None
        return self._sealer.hand_over()

    def flush(self) -> bool:
        """What is kept goes out with what comes next."""
        return True

    def finish(self) -> None:
        """CURVE has no word for it."""

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
            boxes = self._next(view[done:])
            if boxes is None:
                self._partial += view[done:]
                done = len(view)
                break
            taken, size = self._try(boxes.wire), len(boxes.wire)
            cost = size + boxes.frames * BOX_BYTES
            self._left = 0 if self._is_over() else self._left - cost
            is_full = taken < size
            done += self._account(boxes, taken)
        if not done and is_full:
            raise BlockingIOError
        return done

    def _try(self, wire: bytes | memoryview) -> int:
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

    def _next(self, rest: memoryview) -> Boxes | None:
        """The boxes of the frames that come next: those that wait, if it is them, or new ones.

        Returns:
            None: the next frame is not there as a whole.
        """
        waiting, self._waiting = self._waiting, None
        data = self._joined(rest) if self._partial else rest
        if data is None:
            return None
        if waiting is not None and bytes(data[: len(waiting.plain)]) == waiting.plain:
            return waiting
        return self._boxing.of(data, self._sealer)

    def _joined(self, rest: memoryview) -> memoryview | None:
        """The frame that has begun, and some that follow it; None: it is not whole yet."""
        partial = self._partial
        head = bytes(partial[:LONG_HEADER_BYTES]) + bytes(rest[:LONG_HEADER_BYTES])
        place = frame_at(memoryview(head), 0)
        if place is None or place[2] > len(partial) + len(rest):
            return None
        return memoryview(bytes(partial) + bytes(rest[: place[2] + SEAL_BYTES]))

    def _account(self, boxes: Boxes, taken: int) -> int:
        """The socket has taken so much of these; what it has not begun waits.

        Returns:
            How many bytes that were not reported yet are done.
        """
        if not taken:
            self._waiting = boxes.behind(0)
            return 0
        reported = len(self._partial)
        self._partial.clear()  # it was the begin of the first of them
        if taken == len(boxes.wire):
            return len(boxes.plain) - reported
        ends, box_ends = boxes.ends()
        whole = bisect_right(box_ends, taken)
        done = ends[whole - 1] - reported if whole else 0
        if whole and box_ends[whole - 1] == taken:
            self._waiting = boxes.behind(whole)
            return done
        self._pending = bytes(boxes.wire[taken : box_ends[whole]])
        self._owed = ends[whole] - (ends[whole - 1] if whole else reported)
        self._waiting = boxes.behind(whole + 1)
        begun = taken - (box_ends[whole - 1] if whole else 0)
        return done + self._report(begun, self._owed)


class Sealing:
    """Puts boxes into what members are sent. Its mutable state: what all of them share.

    Args:
        is_over: see `SealedSend`.
    """

    def __init__(self, is_over: Callable[[], bool] = _never) -> None:
        self._boxing = Boxing()
        self._is_over = is_over

    def under(self, sealer: Sealer, rest: KeptBoxes) -> Callable[[Send], SealedSend]:
        """What is to be put before the `send` of a socket; see `SealedSend`."""
        return lambda send: SealedSend(send, sealer, rest, self._boxing, self._is_over)


def _refuse(_data: bytes | memoryview) -> int:
    raise RuntimeError("boxes of a connection that another worker goes on with")
