"""Boxes sealed many at once by the compiled part `fanout._boxes`, which calls libsodium itself.

What it calls is PyNaCl's, in `nacl._sodium`, which is private: its place in memory is asked for, so
that libsodium is there once. It is called only if it is declared as is expected, and used only if
the boxes are those of the public functions; else these are made in Python (`in_place`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fanout.compiled import are_boxes_compiled
from fanout.security.tried import TRIED_COUNTS, TRIED_KEY, tried_frames
from fanout.zmtp.boxes import SERVER_TEXT
from fanout.zmtp.layout import OneByOne

if TYPE_CHECKING:
    from collections.abc import Callable

    from fanout.zmtp.batches import StretchSealing

_DECLARED = (
    "int(*)(unsigned char *, unsigned char *, unsigned long long, unsigned char *, unsigned char *)"
)


def sealing_stretches(seal: Callable[[bytes, bytes, bytes], bytes]) -> StretchSealing | None:
    """What seals stretches; None: it was not built, is not wanted, or not for this PyNaCl.

    Args:
        seal: the public function, which it must do the same as.
    """
    address = _address() if are_boxes_compiled() else 0
    if not address:
        return None
    from fanout._boxes import Boxes

    made = Boxes(address)
    return made if does_the_same(made, seal) else None


def _address() -> int:
    """Where the function that seals is; 0 = it is not there, or is another one."""
    try:
        from nacl._sodium import ffi, lib

        found: Any = ffi.addressof(lib, "crypto_box_easy_afternm")
        if ffi.typeof(found).cname != _DECLARED:
            return 0
        return int(ffi.cast("uintptr_t", found))
    except (ImportError, AttributeError, TypeError):
        return 0


def does_the_same(made: StretchSealing, seal: Callable[[bytes, bytes, bytes], bytes]) -> bool:
    """Whether it makes the same boxes as the public function."""
    layout = tried_frames()
    plain, frames = memoryview(layout.plain), len(layout.ends)
    if made.ends(plain) != (layout.ends, layout.box_ends):
        return False
    out = bytearray(layout.box_ends[-1])
    for count in TRIED_COUNTS:
        try:
            size = made.seal(plain, count, frames, TRIED_KEY, SERVER_TEXT, out)
        except RuntimeError:
            return False
        if out[:size] != OneByOne(layout, seal).seal(SERVER_TEXT, count, TRIED_KEY):
            return False
    return True
