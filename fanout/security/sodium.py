"""The primitives of CURVE as libsodium has them, by PyNaCl: its public bindings, but for batches.

PyNaCl belongs to the extra `curve`: it is imported when it is first asked for, and not before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fanout.security.in_one_call import sealing_stretches
from fanout.security.in_place import sealing_in_place
from fanout.zmtp.boxes import ForgedError
from fanout.zmtp.layout import OneByOne

if TYPE_CHECKING:
    from fanout.zmtp.batches import LaidOut, SealingBatch

PYNACL_MIN = "1.6.2"  # with libsodium 1.0.20 and the fix of CVE-2025-69277


class Sodium:
    """See `Primitives`; without mutable state, one for a whole process.

    Attributes:
        version: of PyNaCl.
        stretches: see `Primitives`.

    Raises:
        ImportError: PyNaCl is not installed.
    """

    def __init__(self) -> None:
        from nacl import __version__, bindings, exceptions

        self.version: str = __version__
        self._bindings: Any = bindings
        # All that PyNaCl raises by itself is one of these, its RuntimeError and ValueError too.
        self._error: Any = exceptions.CryptoError
        self.stretches = sealing_stretches(self.seal)
        self._in_place = sealing_in_place(self.seal)

    def public_of(self, secret: bytes) -> bytes:
        """The public key of a secret one."""
        public: bytes = self._bindings.crypto_scalarmult_base(secret)
        return public

    def shared(self, public: bytes, secret: bytes) -> bytes:
        """What two key pairs have in common.

        Raises:
            ForgedError: the public key is one of the few that no secret key has.
        """
        try:
            key: bytes = self._bindings.crypto_box_beforenm(public, secret)
        except self._error:
            raise ForgedError from None
        return key

    def seal(self, data: bytes, nonce: bytes, key: bytes) -> bytes:
        """Seal data with what two key pairs have in common."""
        box: bytes = self._bindings.crypto_box_afternm(data, nonce, key)
        return box

    def batch(self, layout: LaidOut) -> SealingBatch:
        """What seals these frames, for one key after another."""
        return OneByOne(layout, self.seal) if self._in_place is None else self._in_place(layout)

    def open(self, box: bytes, nonce: bytes, key: bytes) -> bytes:
        """Open what was sealed.

        Raises:
            ForgedError: it does not open.
        """
        try:
            data: bytes = self._bindings.crypto_box_open_afternm(box, nonce, key)
        except self._error:
            raise ForgedError from None
        return data


def is_recent(version: str) -> bool:
    """Whether a version of PyNaCl is PYNACL_MIN or later; "1.7.0.dev1" counts as 1.7.0."""
    numbers = [int(part) for part in version.split(".")[:3] if part.isdigit()]
    return numbers >= [int(part) for part in PYNACL_MIN.split(".")]
