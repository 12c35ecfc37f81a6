"""From what users pass to what travels: argument checks and wire bytes. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from fanout.arguments import as_bytes
from fanout.errors import MessageTooLarge
from fanout.zmtp.frames import encode_message, frame_header

COPY_ONCE_BYTES = 8 * 1024  # from this size on, a payload is not joined to its header first

PAYLOAD_HEADERS = [frame_header(size) for size in range(COPY_ONCE_BYTES)]  # of a last frame


def payload_header(size: int) -> bytes:
    """The header of a message's last frame."""
    return PAYLOAD_HEADERS[size] if size < COPY_ONCE_BYTES else frame_header(size)


def encode_frames(frames: Iterable[object]) -> tuple[bytes, bytes]:
    """The topic (first frame) and the wire bytes of a multipart message.

    Raises:
        TypeError: a frame is not bytes-like, or `frames` is itself one frame, or no sequence.
        ValueError: there are no frames.
    """
    if isinstance(frames, bytes | bytearray | memoryview | str):
        raise TypeError("frames must be a sequence of frames, not one frame: use send()")
    if not isinstance(frames, Iterable):
        raise TypeError(f"frames must be a sequence of frames, not {type(frames).__name__}")
    parts = [as_bytes(frame, f"frames[{index}]") for index, frame in enumerate(frames)]
    if not parts:
        raise ValueError("frames must not be empty: a message has at least one frame")
    return parts[0], encode_message(parts)


def check_size(size: int, limit: int) -> None:
    """Refuse what can never fit.

    Raises:
        MessageTooLarge: with both numbers.
    """
    if size > limit:
        raise MessageTooLarge(size, limit)
