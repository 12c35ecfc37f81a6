"""Boxes that are none, and notice each nonce that comes twice: for what is done with boxes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fanout.zmtp.boxes import MAC_BYTES, SERVER_TEXT, Counting
from fanout.zmtp.layout import OneByOne
from fanout.zmtp.opener import Opener
from fanout.zmtp.sealer import Sealer

if TYPE_CHECKING:
    from fanout.zmtp.batches import LaidOut

KEY = b"k" * 32
_MAC = b"M" * MAC_BYTES


class NoBoxes:
    """See `fanout.zmtp.boxes.Primitives`; what is sealed can be read, and a nonce has one text."""

    def __init__(self) -> None:
        self.sealed: dict[bytes, bytes] = {}

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
