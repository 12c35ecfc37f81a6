"""Numbered messages, and how a foreign subscriber describes them: pure data."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

HEAD_BYTES = 16
KIB = 1024
SIZES = (0, 1, 2, 255, 256, 4_096, 65_535, 65_536, 1024 * KIB)


def describe(frames: Sequence[bytes]) -> str:
    """What is printed for a message, but for the word in front."""
    return " ".join(
        f"{len(frame)}:{zlib.adler32(frame):x}:{frame[:HEAD_BYTES].hex()}" for frame in frames
    )


def numbered(number: int, size: int) -> list[bytes]:
    """A message of two frames: a topic with the number, and a payload that differs with it."""
    return [b"n%010d" % number, bytes([number % 251]) * size]


def number_of(described: str) -> int:
    """The number of a numbered message."""
    return int(bytes.fromhex(described.split()[0].rpartition(":")[2])[1:])


def of_all_shapes() -> Iterator[list[bytes]]:
    """Messages of one and more frames, of all sizes; no two are the same."""
    number = 0
    for size in SIZES:
        for frames in (1, 2, 5):
            number += 1
            first = b"n%010d" % number + b"x" * max(0, size - 11)
            yield [first, *(bytes([number]) * size for _ in range(frames - 1))]


def wrong(received: Sequence[str], expected: Sequence[str]) -> str:
    """How what came differs from what should have; empty if it does not."""
    if list(received) == list(expected):
        return ""
    stray = [message for message in received if message not in set(expected)]
    missing = [message for message in expected if message not in set(received)]
    at = next(
        (n for n, (a, b) in enumerate(zip(received, expected, strict=False)) if a != b),
        min(len(received), len(expected)),
    )
    return (
        f"{len(received):,} of {len(expected):,} messages, {len(missing):,} missing, "
        f"{len(stray):,} stray{f' ({stray[0]})' if stray else ''}, different from number {at:,} on"
    )
