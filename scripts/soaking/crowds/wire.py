"""What strangers say, in bytes; written down here, not taken from the code that is attacked."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

GREETING = b"\xff" + bytes(8) + b"\x7f\x03\x01" + b"NULL".ljust(20, b"\0") + bytes(32)
READY = b"\x04\x19\x05READY\x0bSocket-Type\x00\x00\x00\x03SUB"
PING = b"\x04\x07\x04PING\x00\x00"
EMPTY_MESSAGE = b"\x00\x00"  # the shortest frame there is
SHORT_FRAME = 255


def command(name: bytes, data: bytes) -> bytes:
    """A command frame of ZMTP 3.1."""
    body = bytes((len(name),)) + name + data
    if len(body) <= SHORT_FRAME:
        return bytes((4, len(body))) + body
    return b"\x06" + len(body).to_bytes(8, "big") + body


def subscribe(prefixes: Iterable[bytes]) -> bytes:
    """SUBSCRIBE to each of them."""
    return b"".join(command(b"SUBSCRIBE", prefix) for prefix in prefixes)


def cancel(prefixes: Iterable[bytes]) -> bytes:
    """CANCEL each of them."""
    return b"".join(command(b"CANCEL", prefix) for prefix in prefixes)
