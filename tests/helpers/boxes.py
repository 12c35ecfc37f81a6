"""Boxes that are none, and notice each nonce that comes twice: for what is done with boxes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fanout.zmtp.boxes import MAC_BYTES, SERVER_TEXT, Counting
from fanout.zmtp.layout import OneByOne, lay_out
from fanout.zmtp.opener import Opener
from fanout.zmtp.sealer import Sealer

if TYPE_CHECKING:
    from collections.abc import Callable

    from fanout.zmtp.batches import LaidOut, StretchSealing

KEY = b"k" * 32
_MAC = b"M" * MAC_BYTES
_ALL = 1 << 62  # bytes, or frames


class InStretches:
    """See `fanout.zmtp.batches.StretchSealing`: the same in Python, frame by frame.

    Args:
        seal: as that of `Primitives`.
    """

    def __init__(self, seal: Callable[[bytes, bytes, bytes], bytes]) -> None:
        self._seal = seal

    def cut(self, plain: memoryview, enough: int, most: int, /) -> tuple[int, int, int]:
        layout = lay_out(plain, enough, most)
        if layout is None:
            return 0, 0, 0
        return len(layout.ends), layout.ends[-1], layout.box_ends[-1]

    def ends(self, plain: memoryview, /) -> tuple[list[int], list[int]]:
        layout = lay_out(plain, _ALL, _ALL)
        return ([], []) if layout is None else (layout.ends, layout.box_ends)

    def seal(
        self, plain: memoryview, first: int, frames: int, key: bytes, text: bytes, out: bytearray, /
    ) -> int:
        layout = lay_out(plain, _ALL, _ALL)
        ends, box_ends = self.ends(plain)
        if layout is None or len(ends) != frames or ends[-1] != len(plain):
            raise RuntimeError("there are more frames, or fewer")
        if box_ends[-1] > len(out):
            raise RuntimeError("there is no room for the boxes")
        out[: box_ends[-1]] = OneByOne(layout, self._seal).seal(text, first, key)
        return box_ends[-1]


class NoBoxes:
    """See `fanout.zmtp.boxes.Primitives`; what is sealed can be read, and a nonce has one text.

    Attributes:
        IN_STRETCHES: whether those that are made from now on seal many frames by one call.
    """

    IN_STRETCHES = False

    def __init__(self) -> None:
        self.sealed: dict[bytes, bytes] = {}
        self.stretches: StretchSealing | None = None
        if self.IN_STRETCHES:
            self.stretches = InStretches(self.seal)

    def public_of(self, secret: bytes) -> bytes:
        return secret

    def shared(self, public: bytes, secret: bytes) -> bytes:
        return min(public, secret)

    def seal(self, data: bytes, nonce: bytes, key: bytes) -> bytes:
        assert key == KEY
        assert nonce not in self.sealed, "a nonce for two texts"
        self.sealed[nonce] = data
        return _MAC + data

    def batch(self, layout: LaidOut) -> OneByOne:
        return OneByOne(layout, self.seal)

    def open(self, box: bytes, nonce: bytes, key: bytes) -> bytes:
        assert (key, box[:MAC_BYTES]) == (KEY, _MAC)
        data = box[MAC_BYTES:]
        assert self.sealed[nonce] == data, "not what was sealed"
        return data


class Kernel:
    """A socket's `send` that takes as much as it has room for, and a peer that opens it all."""

    def __init__(self, room: int = 0, max_frame_bytes: int = 1 << 24) -> None:
        self.room = room
        self.boxes = NoBoxes()
        self.sealer = Sealer(self.boxes, KEY, SERVER_TEXT, 1)
        self.opener = Opener(self.boxes, KEY, SERVER_TEXT, Counting(), max_frame_bytes)
        self.wire = b""
        self.sends = 0
        self._raw = 0  # bytes before the first box

    def raw(self, count: int) -> None:
        """So many bytes come before the first box."""
        self._raw = count

    def send(self, data: bytes | memoryview) -> int:
        self.sends += 1
        taken = min(self.room, len(data))
        if not taken:
            raise BlockingIOError
        self.room -= taken
        self.wire += data[:taken]
        return taken

    def received(self) -> bytes:
        """The plain frames that have come in whole since this was asked last."""
        new, self.wire = self.wire[self._raw :], self.wire[: self._raw]
        return self.opener.open(new)
