"""What users send, checked and as it is on the wire. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

from fanout.terms.arguments import Bytes, as_bytes, is_one_frame

Sendable: TypeAlias = "Bytes | Iterable[Bytes]"


def frames_of(message: Sendable) -> list[bytes]:
    """The frames of a message: of one frame, or of several in a list or tuple.

    Raises:
        TypeError: it is neither, or a frame is no bytes.
        ValueError: there is no frame.
    """
    if type(message) is bytes:
        return [message]
    if is_one_frame(message):
        return [as_bytes(message, "message")]
    if not isinstance(message, Iterable):
        kind = type(message).__name__
        raise TypeError(f"message must be bytes, or several frames in a list, not {kind}")
    frames = [as_bytes(frame, "frame") for frame in message]
    if not frames:
        raise ValueError("a message has one frame or more")
    return frames
