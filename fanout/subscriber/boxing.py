"""Boxes for what a subscriber says after a CURVE handshake: a few at a time, in order. Pure.

A list of subscriptions may be long, and to seal one takes some 5 us: what is sealed in one go is
bounded, and what is plain waits. What was sealed goes out as it is, all of it or, with the
connection, none: nothing is ever sealed twice.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fanout.zmtp.frames import LONG, LONG_HEADER_BYTES, SHORT_HEADER_BYTES

if TYPE_CHECKING:
    from fanout.zmtp.sealer import Sealer

BOXES_BYTES = 16 * 1024  # of plain frames in one go: some hundred of them, or 2 ms of CPU


class Boxing:
    """Seals for one connection. Owned by one thread.

    Args:
        sealer: of the connection.
    """

    __slots__ = ("_sealer",)

    def __init__(self, sealer: Sealer) -> None:
        self._sealer = sealer

    def take(self, plain: bytearray) -> bytes:
        """Seal the first frames, which are removed; returns the boxes.

        Args:
            plain: whole frames, one after another.
        """
        boxes: list[bytes] = []
        begin = 0
        while begin < min(len(plain), BOXES_BYTES):
            flags = plain[begin]
            body = begin + (LONG_HEADER_BYTES if flags & LONG else SHORT_HEADER_BYTES)
            end = body + int.from_bytes(plain[begin + 1 : body], "big")
            boxes.append(self._sealer.seal(flags & ~LONG, bytes(plain[body:end])))
            begin = end
        del plain[:begin]
        return b"".join(boxes)
