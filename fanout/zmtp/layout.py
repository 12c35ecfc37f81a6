"""Frames of a stream cut once for all who are sent them in boxes, and what is sent in their place.

    plain     flags size body | flags size body | ...
    sent      header 07 MESSAGE counter(8) code(16) sealed(1 + body) | ...

Only the counters and what is in the boxes differ from one connection to the next. Pure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fanout.zmtp.batches import LaidOut, Place
from fanout.zmtp.boxes import (
    INNER_COMMAND,
    INNER_MORE,
    MAC_BYTES,
    MESSAGE_HEAD,
    MESSAGE_OVERHEAD,
    SHORT_NONCE_BYTES,
    count_nonce,
)
from fanout.zmtp.frames import (
    COMMAND,
    LONG,
    LONG_HEADER_BYTES,
    MORE,
    SHORT_HEADER_BYTES,
    frame_header,
)

if TYPE_CHECKING:
    from collections.abc import Callable

INNER = {
    flags: bytes(((INNER_MORE if flags & MORE else 0) | (INNER_COMMAND if flags & COMMAND else 0),))
    for flags in (0, MORE, COMMAND, MORE | COMMAND)
}


def lay_out(view: memoryview, enough: int, most: int) -> LaidOut | None:
    """Cut whole frames off the beginning.

    Args:
        enough: bytes to be sent, from which on no further frame is taken.
        most: frames.

    Returns:
        None: there is no whole frame.
    """
    ends: list[int] = []
    box_ends: list[int] = []
    places: list[Place] = []
    template: list[bytes] = []
    inner: list[bytes | memoryview] = []
    at = size = sealed = 0
    while size < enough and len(ends) < most:
        place = frame_at(view, at)
        if place is None or place[2] > len(view):
            break
        flags, start, at = place
        body = at - start
        header = frame_header(MESSAGE_OVERHEAD + body) + MESSAGE_HEAD
        template += header, bytes(SHORT_NONCE_BYTES + MAC_BYTES + 1 + body)
        inner += INNER[flags], view[start:at]
        places.append(Place(size + len(header), sealed, 1 + body))
        sealed += 1 + body
        size += len(header) + SHORT_NONCE_BYTES + MAC_BYTES + 1 + body
        ends.append(at)
        box_ends.append(size)
    if not ends:
        return None
    joined = b"".join(template), b"".join(inner)
    return LaidOut(bytes(view[: ends[-1]]), ends, box_ends, *joined, places)


def frame_at(view: memoryview, at: int) -> tuple[int, int, int] | None:
    """Flags, and where the body of a frame starts and ends, by its header; None: more is needed."""
    if at + SHORT_HEADER_BYTES > len(view):
        return None
    first = view[at]
    flags = first & (MORE | COMMAND)
    if not first & LONG:
        start = at + SHORT_HEADER_BYTES
        return flags, start, start + view[at + 1]
    start = at + LONG_HEADER_BYTES
    if start > len(view):
        return None
    return flags, start, start + int.from_bytes(view[at + 1 : start], "big")


class OneByOne:
    """Seals the frames of a layout by a call for each; see `Batch`. It reuses what it returns.

    Args:
        seal: as that of `Primitives`.
    """

    __slots__ = ("_out", "_seal", "layout")

    def __init__(self, layout: LaidOut, seal: Callable[[bytes, bytes, bytes], bytes]) -> None:
        self.layout = layout
        self._seal = seal
        self._out = bytearray(layout.template)

    def seal(self, text: bytes, first: int, key: bytes) -> memoryview:
        """See `Batch`."""
        out, inner = self._out, self.layout.inner
        for count, (at, start, size) in enumerate(self.layout.places, first):
            short, nonce = count_nonce(text, count)
            box = self._seal(inner[start : start + size], nonce, key)
            out[at : at + SHORT_NONCE_BYTES + len(box)] = short + box
        return memoryview(out)
