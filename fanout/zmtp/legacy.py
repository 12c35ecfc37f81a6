"""ZMTP 1.0 framing, for libzmq 2.x (RFC 13): `ZMTP_1` is the encoding of its peers.

length(1, or FF and 8 bytes)  flags(1)  body            length = 1 + size of the body
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fanout.zmtp.frames import MORE, split_message

if TYPE_CHECKING:
    from fanout.zmtp.encoding import Encoding

_LONG_LENGTH = 0xFF  # as the first byte: 8 bytes of length follow


def to_zmtp_1(wire: bytes) -> bytes:
    """Re-frame one encoded message for a ZMTP 1.0 peer.

    Args:
        wire: one whole message as `encode_message` makes it.

    Raises:
        LocalProtocolError: `wire` is not exactly one whole message.
    """
    frames = split_message(wire)
    pieces: list[bytes] = []
    for index, body in enumerate(frames, start=1):
        length = len(body) + 1
        if length < _LONG_LENGTH:
            pieces.append(bytes((length,)))
        else:
            pieces.append(bytes((_LONG_LENGTH,)) + length.to_bytes(8, "big"))
        pieces.append(bytes((MORE if index < len(frames) else 0,)))
        pieces.append(body)
    return b"".join(pieces)


class _Zmtp1:
    """The one instance is `ZMTP_1`; an `Encoding`."""

    __slots__ = ()

    @property
    def shared(self) -> bool:
        """True: peers read the same bytes."""
        return True

    def encode(self, piece: bytes, number: int) -> bytes:
        """As `to_zmtp_1`; the number of the message plays no part."""
        del number
        return to_zmtp_1(piece)


ZMTP_1: Encoding = _Zmtp1()
