"""Seals frames into boxes: what goes out after a CURVE handshake, one MESSAGE for each frame.

A box that was made has had its nonce, whether it is sent or not: there is no way back to a counter,
and nothing is sealed again. That is what makes it safe to throw boxes away.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fanout.zmtp.boxes import MESSAGE_HEAD, SHORT_NONCE_MAX, count_nonce
from fanout.zmtp.errors import LocalProtocolError
from fanout.zmtp.frames import frame_header
from fanout.zmtp.layout import INNER

if TYPE_CHECKING:
    from fanout.zmtp.batches import LaidOut, SealingBatch, StretchSealing
    from fanout.zmtp.boxes import Primitives


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
        short, nonce = count_nonce(self._text, self._take(1))
        box = self._primitives.seal(INNER[flags] + data, nonce, self._key)
        # Outside there are no flags: libzmq would take MORE there for MORE of the message.
        body = MESSAGE_HEAD + short + box
        return frame_header(len(body)) + body

    def batch(self, layout: LaidOut) -> SealingBatch:
        """What `seal_all()` takes: it is for whoever has the same primitives, one after another."""
        return self._primitives.batch(layout)

    def seal_all(self, batch: SealingBatch) -> memoryview:
        """Seal all frames of a layout; returns what is sent, which the next call overwrites.

        Raises:
            LocalProtocolError: as `seal()`.
        """
        return batch.seal(self._text, self._take(len(batch.layout.ends)), self._key)

    @property
    def stretches(self) -> StretchSealing | None:
        """What `seal_stretch()` takes; None = there is only `seal_all()`."""
        return self._primitives.stretches

    def seal_stretch(
        self, stretches: StretchSealing, plain: memoryview, frames: int, out: bytearray
    ) -> memoryview:
        """Seal these frames; returns what is sent, which is in `out`.

        Args:
            frames: how many there are.
            out: has room for what is sent.

        Raises:
            LocalProtocolError: as `seal()`. RuntimeError: as `StretchSealing.seal()`.
        """
        first = self._take(frames)
        return memoryview(out)[: stretches.seal(plain, first, frames, self._key, self._text, out)]

    def hand_over(self) -> tuple[bytes, int]:
        """Another one seals from now on, with this key and behind this nonce; this one nothing."""
        handed, self._key, self._count = (self._key, self._count), b"", SHORT_NONCE_MAX
        return handed

    def _take(self, nonces: int) -> int:
        """The counter of the first of so many nonces; they are used from now on, come what may."""
        first = self._count + 1
        if self._count + nonces > SHORT_NONCE_MAX:
            raise LocalProtocolError("all nonces of this connection were used")
        self._count += nonces
        return first
