"""Boxes sealed by libsodium where they are sent from: without a copy, and a third of the calls.

PyNaCl's public functions copy each text twice and check what is known here. What they call is in
`nacl._sodium`, which is private. So it is used only if it is there, and if it makes the very same
boxes as the public ones of frames of several sizes; else these are used, and all works the same,
more slowly.
"""

from __future__ import annotations

from collections import deque
from itertools import repeat
from struct import Struct
from typing import TYPE_CHECKING, Any

from fanout.security.tried import TRIED_COUNTS, TRIED_KEY, tried_frames
from fanout.zmtp.boxes import SERVER_TEXT, SHORT_NONCE_BYTES
from fanout.zmtp.layout import OneByOne

if TYPE_CHECKING:
    from collections.abc import Callable

    from fanout.zmtp.batches import LaidOut, SealingBatch


class InPlace:
    """Seals the frames of a layout into one buffer; see `SealingBatch`. It reuses what it returns.

    Args:
        ffi: of PyNaCl.
        seal: crypto_box_easy_afternm(box, text, size, nonce, key) of libsodium; not 0 = it failed.
    """

    __slots__ = ("_boxes", "_counters", "_cut", "_out", "_pack", "_seal", "_sizes", "_texts",
                 "_view", "layout")  # fmt: skip

    def __init__(self, layout: LaidOut, ffi: Any, seal: Callable[..., int]) -> None:
        self.layout = layout
        self._seal = seal
        self._out = bytearray(layout.template)
        self._view = memoryview(self._out)
        # What these point into is kept by `_view`, so that it cannot move, and by the layout.
        out = ffi.from_buffer("unsigned char[]", self._out)
        inner = ffi.from_buffer("unsigned char[]", layout.inner)
        places = layout.places
        self._counters = [slice(at, at + SHORT_NONCE_BYTES) for at, _, _ in places]
        self._boxes = [out + (at + SHORT_NONCE_BYTES) for at, _, _ in places]
        self._texts = [inner + start for _, start, _ in places]
        self._sizes = [size for _, _, size in places]
        self._pack = Struct(f">{len(places)}Q").pack
        self._cut = Struct(f"{SHORT_NONCE_BYTES}s" * len(places)).unpack

    def seal(self, text: bytes, first: int, key: bytes) -> memoryview:
        """See `SealingBatch`.

        The loops are those of `map`, since what Python does for a small box is a third of its cost.
        """
        shorts = self._cut(self._pack(*range(first, first + len(self._sizes))))
        deque(map(self._out.__setitem__, self._counters, shorts), maxlen=0)
        nonces = map(text.__add__, shorts)
        if any(map(self._seal, self._boxes, self._texts, self._sizes, nonces, repeat(key))):
            raise RuntimeError("libsodium did not seal a box")
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
    layout = tried_frames()
    try:
        batch = made(layout)
        return all(
            batch.seal(SERVER_TEXT, count, TRIED_KEY)
            == OneByOne(layout, seal).seal(SERVER_TEXT, count, TRIED_KEY)
            for count in TRIED_COUNTS
        )
    except (TypeError, ValueError, AttributeError, RuntimeError):
        return False
