"""Seals frames into boxes: what goes out after a CURVE handshake, one MESSAGE for each frame.

A box that was made has had its nonce, whether it is sent or not: there is no way back to a counter,
and nothing is sealed again. That is what makes it safe to throw boxes away.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fanout.zmtp.boxes import (
    INNER_COMMAND,
    INNER_MORE,
    MESSAGE_HEAD,
    SHORT_NONCE_MAX,
    count_nonce,
)
from fanout.zmtp.errors import LocalProtocolError
from fanout.zmtp.frames import COMMAND, MORE, frame_header

if TYPE_CHECKING:
    from fanout.zmtp.boxes import Primitives

_INNER = {
    flags: bytes(((INNER_MORE if flags & MORE else 0) | (INNER_COMMAND if flags & COMMAND else 0),))
    for flags in (0, MORE, COMMAND, MORE | COMMAND)
}


class Sealer:
    """What one side sends after its handshake; mutable state: the counter.

    Args:
        key: what both transient keys have in common.
        text: the first 16 bytes of its nonces.
        count: of the last nonce with that key that was used.
    """

    __slots__ = ("_count", "_key", "_primitives", "_text")

    def __init__(self, primitives: Primitives, key: bytes, text: bytes, count: int) -> None:
        self._primitives = primitives
        self._key = key
        self._text = text
        self._count = count

    def seal(self, flags: int, data: bytes) -> bytes:
        """Seal one frame; returns the frame that is sent in its place.

        Args:
            flags: of the plain frame: `MORE`, `COMMAND`, both or none.

        Raises:
            LocalProtocolError: all nonces were used: the connection must end. It takes centuries.
        """
        if self._count >= SHORT_NONCE_MAX:
            raise LocalProtocolError("all nonces of this connection were used")
        self._count += 1
        short, nonce = count_nonce(self._text, self._count)
        box = self._primitives.seal(_INNER[flags] + data, nonce, self._key)
        # Outside there are no flags: libzmq would take MORE there for MORE of the message.
        body = MESSAGE_HEAD + short + box
        return frame_header(len(body)) + body
