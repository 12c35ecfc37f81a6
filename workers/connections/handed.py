"""Handed over: what another worker needs to go on with the boxes of a connection. Pure.

    secret    the key, and where the counters of both sides stand: that goes from process to process
              over the control channel alone, and through no memory that others see
    remainder what is sealed and not out, or has come and is not whole, in boxes; and the begin of a
              frame of the log. It may be large, and is where records keep what is large: what can
              be read there is in the log as well, or goes over the wire

It is made once, when nothing is under way, by who seals nothing from then on.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple

from fanout.workers.connections.sealed import KeptBoxes
from fanout.zmtp.boxes import KEY_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable

    from fanout.zmtp.opener import Opener

    Read = Callable[[int, int], bytes]

# Counters of the last nonce and of the last box that came; of `KeptBoxes`, its numbers and lengths;
# bytes of the part that came; where what is large is.
_NUMBERS = struct.Struct("10Q")
NOWHERE = 0


class HandedOver(NamedTuple):
    """How a connection in boxes goes on."""

    key: bytes
    used: int  # counter of the last nonce
    heard: int  # of the last box of the peer
    part: bytes  # of a box of the peer, of which more is to come
    remainder: KeptBoxes

    def __repr__(self) -> str:
        return "<HandedOver>"


def kept(rest: KeptBoxes, opener: Opener) -> bytes:
    """What is to be stored somewhere, where whoever goes on can read it."""
    return rest.pending + rest.partial + opener.part


def packed(
    key: bytes, counts: tuple[int, int], rest: KeptBoxes, part: int, where: int
) -> list[bytes]:
    """All else, as it is in a message; secret.

    Args:
        counts: of the last nonce that was used, and of the last box of the peer.
        part: bytes that have come of a box of the peer.
        where: the rest is stored, NOWHERE = there is none.
    """
    numbers = rest.raw, rest.wire_bytes, rest.owed, rest.skip, len(rest.pending), len(rest.partial)
    return [key, _NUMBERS.pack(*counts, *numbers, part, where)]


def unpacked(boxes: list[bytes], read: Read) -> HandedOver | None:
    """What was packed, with what was stored; None: that is not there any more.

    Args:
        read: what is stored somewhere in so many bytes.
    """
    key, numbers = boxes
    if len(key) != KEY_BYTES or len(numbers) != _NUMBERS.size:
        return None
    used, heard, raw, wire_bytes, owed, skip, *sizes, where = _NUMBERS.unpack(numbers)
    size = sum(sizes)
    stored = read(where, size) if size else b""
    if len(stored) != size:
        return None
    pending = stored[: sizes[0]]
    partial = stored[sizes[0] : sizes[0] + sizes[1]]
    rest = KeptBoxes(raw, wire_bytes, owed, skip, pending, partial)
    return HandedOver(key, used, heard, stored[size - sizes[2] :], rest)
