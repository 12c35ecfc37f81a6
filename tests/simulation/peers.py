"""What subscribers say: a handshake at once, then subscriptions and PINGs at random."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections import deque
    from random import Random

PREFIXES = (b"", b"A", b"AB", b"ABC", b"B", b"BA", b"C", b"x" * 255, b"nobody")

_GREETING = b"\xff" + bytes(8) + b"\x7f\x03\x01" + b"NULL".ljust(20, b"\0") + bytes(32)


def command(body: bytes) -> bytes:
    """A command frame."""
    if len(body) < 256:
        return bytes((4, len(body))) + body
    return b"\x06" + len(body).to_bytes(8, "big") + body


SUBSCRIBER_HELLO = _GREETING + command(b"\x05READY\x0bSocket-Type\x00\x00\x00\x03SUB")


LEGACY_HELLO = b"\x01\x00"  # ZMTP 1.0: an empty identity; it takes everything


def random_input(rng: Random, spoken: deque[bytes]) -> bytes:
    """A few commands at once; the contexts of PINGs are appended to `spoken`."""
    said = b""
    for _ in range(rng.choice((1, 1, 2, 5))):
        kind = rng.random()
        if kind < 0.25:
            context = rng.randbytes(rng.choice((0, 1, 16)))
            spoken.append(context)
            said += command(b"\x04PING\0\0" + context)
        elif kind < 0.75:
            said += command(b"\x09SUBSCRIBE" + rng.choice(PREFIXES))
        else:
            said += command(b"\x06CANCEL" + rng.choice(PREFIXES))
    return said
