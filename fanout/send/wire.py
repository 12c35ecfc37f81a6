"""From what users pass to what travels: argument checks and wire bytes. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

from fanout.errors import MessageTooLarge
from fanout.zmtp.frames import encode_message, frame_header

Bytes: TypeAlias = bytes | bytearray | memoryview
TopicLike: TypeAlias = bytes | bytearray | memoryview | str

COPY_ONCE_BYTES = 8 * 1024  # from this size on, a payload is not joined to its header first

PAYLOAD_HEADERS = [frame_header(size) for size in range(COPY_ONCE_BYTES)]  # of a last frame


def as_bytes(value: object, name: str) -> bytes:
    """The bytes of an argument.

    Raises:
        TypeError: it is not bytes, bytearray or memoryview; the text names the argument.
    """
    if isinstance(value, bytes):
        return value
    if isinstance(value, bytearray | memoryview):
        return bytes(value)
    hint = ": encode it first" if isinstance(value, str) else ""
    raise TypeError(
        f"{name} must be bytes, bytearray or memoryview, not {type(value).__name__}{hint}"
    )


def as_topic(value: object, name: str = "topic") -> bytes:
    """The bytes of a topic; `str` is encoded as UTF-8.

    Raises:
        TypeError: it is none of str, bytes, bytearray, memoryview.
    """
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value)
    raise TypeError(
        f"{name} must be str, bytes, bytearray or memoryview, not {type(value).__name__}"
    )


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


def check_timeout(timeout: object) -> None:
    """Refuse what is no time to wait; below 0 means the same as 0.

    Raises:
        TypeError: it is neither None nor a number.
        ValueError: it is not a number of the kind that one can wait for (NaN).
    """
    if timeout is None:
        return
    if isinstance(timeout, bool) or not isinstance(timeout, int | float):
        kind = type(timeout).__name__
        raise TypeError(f"timeout must be a number of seconds or None, not {kind}")
    if timeout != timeout:
        raise ValueError("timeout must be a number of seconds or None, not NaN")


def check_count(count: object) -> None:
    """Refuse what is no number of subscribers.

    Raises:
        TypeError: it is not a whole number.
        ValueError: it is below 0.
    """
    if isinstance(count, bool) or not isinstance(count, int):
        raise TypeError(f"count must be a whole number, not {type(count).__name__}")
    if count < 0:
        raise ValueError(f"count must be 0 or more, not {count}")


__all__ = [
    "COPY_ONCE_BYTES",
    "PAYLOAD_HEADERS",
    "Bytes",
    "TopicLike",
    "as_bytes",
    "as_topic",
    "check_count",
    "check_size",
    "check_timeout",
    "encode_frames",
    "payload_header",
]
