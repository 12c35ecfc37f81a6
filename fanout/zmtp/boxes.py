"""What CURVE is made of: keys, nonces and boxes (RFC 26). No cryptography is done here.

    nonce   24 bytes: a text of 16 and a counter of 8, or a text of 8 and 16 random bytes
    box     what is sealed, with a code of 16 bytes before it that shows any change
    key     32 bytes; two key pairs have one key in common, whichever side computes it

The two sides of MESSAGE have different texts, and each counts for itself: so no nonce is ever used
by both, and none twice by one, since it only counts up.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeAlias

from fanout.zmtp.errors import RemoteProtocolError

if TYPE_CHECKING:
    from fanout.zmtp.batches import LaidOut, SealingBatch, StretchSealing

KEY_BYTES = 32
MAC_BYTES = 16
SHORT_NONCE_BYTES = 8
LONG_NONCE_BYTES = 16
SHORT_NONCE_MAX = (1 << 64) - 1

HELLO_TEXT = b"CurveZMQHELLO---"
WELCOME_TEXT = b"WELCOME-"
INITIATE_TEXT = b"CurveZMQINITIATE"
VOUCH_TEXT = b"VOUCH---"
READY_TEXT = b"CurveZMQREADY---"
CLIENT_TEXT = b"CurveZMQMESSAGEC"
SERVER_TEXT = b"CurveZMQMESSAGES"

MESSAGE_HEAD = b"\x07MESSAGE"
INNER_MORE = 1  # in the first byte of what is sealed in a MESSAGE
INNER_COMMAND = 2  # COMMAND is 4 on the wire, and 2 in a box
# What a MESSAGE has besides the data of its frame.
MESSAGE_OVERHEAD = len(MESSAGE_HEAD) + SHORT_NONCE_BYTES + MAC_BYTES + 1

Randomness: TypeAlias = Callable[[int], bytes]
"""So many bytes that nobody can foretell, and never the same: `secrets.token_bytes`."""


class ForgedError(Exception):
    """A box does not open, or a key is none: it was made with another key, or changed."""


class Primitives(Protocol):
    """The operations of NaCl that CURVE needs; `fanout.security.sodium` has those of libsodium.

    Attributes:
        stretches: what seals many frames by one call; None = it is not there.
    """

    @property
    def stretches(self) -> StretchSealing | None: ...

    def public_of(self, secret: bytes) -> bytes:
        """The public key of a secret one."""

    def shared(self, public: bytes, secret: bytes) -> bytes:
        """What two key pairs have in common.

        Raises:
            ForgedError: the public key is one of the few that no secret key has.
        """

    def seal(self, data: bytes, nonce: bytes, key: bytes) -> bytes:
        """Seal data with what two key pairs have in common."""

    def batch(self, layout: LaidOut) -> SealingBatch:
        """What seals these frames, for one key after another."""

    def open(self, box: bytes, nonce: bytes, key: bytes) -> bytes:
        """Open what was sealed.

        Raises:
            ForgedError: it does not open.
        """


class KeyPair(NamedTuple):
    """Both keys of one side; the secret one is not shown."""

    public: bytes
    secret: bytes

    def __repr__(self) -> str:
        return f"KeyPair(public={self.public.hex()})"


def count_nonce(text: bytes, count: int) -> tuple[bytes, bytes]:
    """The 8 bytes of a counter as they are sent, and the nonce that they make."""
    short = count.to_bytes(SHORT_NONCE_BYTES, "big")
    return short, text + short


class Counting:
    """The counter in the frames of a peer: each is higher than the one before.

    Args:
        last: of those that have come, or 0.

    Attributes:
        last: the same, by now.
    """

    __slots__ = ("last",)

    def __init__(self, last: int = 0) -> None:
        self.last = last

    def next(self, short: bytes, where: str) -> None:
        """Take the counter of the next frame; gaps are no fault.

        Raises:
            RemoteProtocolError: it is not higher: the frame was sent before, or is out of order.
        """
        count = int.from_bytes(short, "big")
        if count <= self.last:
            raise RemoteProtocolError(f"CURVE: the counter in {where} does not rise")
        self.last = count
