"""An item of the input, read: a message, or why it is none. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgpack

from fanout.terms.reserved import RESERVED

Frames = tuple[bytes, ...]
"""A message: its topic, and what follows it; but for msgpack that is the payload alone."""

FRAME_HEADER_BYTES = 9
"""The most that the wire adds to a frame."""


@dataclass(frozen=True, slots=True)
class BadInput:
    """An item of the input that is not a message.

    `number` counts items from 1 (lines, for the line formats); `reason` completes "line 7: ...".
    """

    number: int
    reason: str


class InvalidItem(Exception):
    """An item is not a message; the text says why. The parsers catch it."""


def topic_of(value: dict[Any, Any], topic_key: str) -> bytes:
    """Returns the topic in `value[topic_key]`: a string or bytes as they are, a number as text.

    Where there is no such key, its dots lead into nested objects: `data.symbol` is the `symbol` in
    the `data` of `value`.

    Raises:
        InvalidItem: it is missing or of another type.
    """
    inner: Any = value
    key = topic_key
    while key not in inner:
        head, _, key = key.partition(".")
        inner = inner.get(head) if key else None
        if not isinstance(inner, dict):
            raise InvalidItem(f"no {topic_key!r} in it")
    return topic_bytes(inner[key], repr(topic_key))


def payload_bytes(payload: object) -> bytes:
    """Returns bytes as they are, a string as UTF-8, and anything else as msgpack."""
    if isinstance(payload, bytes):
        return payload
    if isinstance(payload, str):
        return payload.encode()
    packed: bytes = msgpack.packb(payload)
    return packed


def topic_bytes(topic: object, what: str) -> bytes:
    """Returns a string or bytes as they are, a whole number as text; `what` names it in errors.

    Raises:
        InvalidItem: it is of another type.
    """
    if isinstance(topic, bytes):
        return topic
    if isinstance(topic, int) and not isinstance(topic, bool):
        return b"%d" % topic
    if not isinstance(topic, str):
        raise InvalidItem(f"{what} is {type(topic).__name__}, not a string")
    try:
        return topic.encode()
    except UnicodeEncodeError:
        raise InvalidItem(f"{what} is not valid Unicode") from None


def check_message(message: Frames, bytes_max: int) -> None:
    """Refuses a message that is too large, though its item was not, or on a reserved topic.

    Raises:
        InvalidItem: it is.
    """
    if message[0].startswith(RESERVED):
        raise InvalidItem(f"topics that begin with {RESERVED!r} are reserved")
    # More than the item had: a topic that is in the payload counts twice, and a float of 4 bytes
    # is packed again as one of 8.
    if size_of(message) > bytes_max:
        raise InvalidItem(f"topic and payload are longer than {bytes_max:,} bytes")


def size_of(message: Frames) -> int:
    """Returns the bytes of a message, with the headers of all frames beyond the usual two."""
    return sum(map(len, message)) + FRAME_HEADER_BYTES * max(len(message) - 2, 0)
