"""ZMTP 1.0 framing, for libzmq 2.x (RFC 13).

length(1, or FF and 8 bytes)  flags(1)  body            length = 1 + size of the body
"""

from __future__ import annotations

from fanout.zmtp.frames import MORE, split_message

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
