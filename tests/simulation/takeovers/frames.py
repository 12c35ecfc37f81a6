"""Frames of a stream, as the far end of a connection sees them."""

from __future__ import annotations

from typing import NamedTuple

COMMAND = 4
_LONG, _MORE = 2, 1


class Frame(NamedTuple):
    more: bool  # frames of the same message follow
    body: int  # where it begins
    end: int


def frame_at(stream: bytearray, at: int, *, legacy: bool) -> Frame | None:
    """The frame that begins here; None if that cannot be seen yet."""
    head = stream[at : at + 10]
    if len(head) < 2:
        return None
    is_long = head[0] == 255 if legacy else bool(head[0] & _LONG)
    if is_long and len(head) < 10:
        return None
    size = int.from_bytes(head[1:9], "big") if is_long else head[0 if legacy else 1]
    body = at + (9 if is_long else 1) + (legacy or not is_long)
    if legacy:  # the flags come after the size, which counts them
        return Frame(bool(stream[body - 1] & _MORE), body, body - 1 + size)
    return Frame(bool(head[0] & _MORE), body, body + size)
