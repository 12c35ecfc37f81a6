"""Boxes sealed by libsodium where they are sent from: without a copy, and a third of the calls.

PyNaCl's public functions copy each text twice and check what is known here. What they call is in
`nacl._sodium`, which is private. So it is used only if it is there, and if it makes the very same
boxes as the public ones of frames of several sizes; else these are used, and all works the same,
more slowly.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fanout.zmtp.boxes import KEY_BYTES, SERVER_TEXT, SHORT_NONCE_BYTES
from fanout.zmtp.frames import MORE, frame_header
from fanout.zmtp.layout import OneByOne, lay_out

if TYPE_CHECKING:
    from collections.abc import Callable

    from fanout.zmtp.batches import LaidOut, SealingBatch

_TRIED_KEY = bytes(range(KEY_BYTES))
_TRIED_SIZES = (0, 1, 31, 32, 33, 63, 64, 65, 255, 256, 1000)  # around the cipher's blocks
_TRIED_COUNTS = (1, 1 << 40)


class InPlace:
    """Seals the frames of a layout into one buffer; see `SealingBatch`. It reuses what it returns.

    Args:
        ffi: of PyNaCl.
        seal: crypto_box_easy_afternm(box, text, size, nonce, key) of libsodium; not 0 = it failed.
    """

    __slots__ = ("_boxes", "_inner", "_out", "_seal", "_view", "layout")

    def __init__(self, layout: LaidOut, ffi: Any, seal: Callable[..., int]) -> None:
        self.layout = layout
        self._seal = seal
        self._out = bytearray(layout.template)
        self._view = memoryview(self._out)
        # Both keep what they point into.
        out = ffi.from_buffer("unsigned char[]", self._out)
        self._inner = inner = ffi.from_buffer("unsigned char[]", layout.inner)
        self._boxes = [
            (slice(at, at + SHORT_NONCE_BYTES), out + (at + SHORT_NONCE_BYTES), inner + start, size)
            for at, start, size in layout.places
        ]

    def seal(self, text: bytes, first: int, key: bytes) -> memoryview:
        """See `SealingBatch`."""
        out, seal, count = self._out, self._seal, first
        for where, box, inner, size in self._boxes:
            short = count.to_bytes(SHORT_NONCE_BYTES, "big")
            out[where] = short
            if seal(box, inner, size, text + short, key):
                raise RuntimeError("libsodium did not seal a box")
            count += 1
        return self._view


def sealing_in_place(
    seal: Callable[[bytes, bytes, bytes], bytes],
) -> Callable[[LaidOut], SealingBatch] | None:
    """What seals layouts in place; None: it cannot be done with this PyNaCl.

    Args:
        seal: the public function, which it must do the same as.
    """
    try:
        from nacl._sodium import ffi, lib

        call = lib.crypto_box_easy_afternm
    except (ImportError, AttributeError):
        return None

    def made(layout: LaidOut) -> SealingBatch:
        return InPlace(layout, ffi, call)

    return made if does_the_same(made, seal) else None


def does_the_same(
    made: Callable[[LaidOut], SealingBatch], seal: Callable[[bytes, bytes, bytes], bytes]
) -> bool:
    """Whether it makes the same boxes as the public function."""
    text = bytes(range(256)) * 4
    frames = [frame_header(size, MORE) + text[:size] for size in _TRIED_SIZES]
    layout = lay_out(memoryview(b"".join(frames)), len(text) * len(frames))
    assert layout is not None
    try:
        batch = made(layout)
        return all(
            batch.seal(SERVER_TEXT, count, _TRIED_KEY)
            == OneByOne(layout, seal).seal(SERVER_TEXT, count, _TRIED_KEY)
            for count in _TRIED_COUNTS
        )
    except (TypeError, ValueError, AttributeError, RuntimeError):
        return False
