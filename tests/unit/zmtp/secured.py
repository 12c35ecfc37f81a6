"""Sessions with a mechanism, and boxes that are none: each byte is changed, and shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fanout.zmtp import Session
from fanout.zmtp.boxes import KeyPair
from fanout.zmtp.curve import CurveServer
from tests.helpers.limits import LIMITS
from tests.helpers.reference_nacl import ReferenceNacl
from tests.unit.zmtp import curve_vector as vector

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fanout.zmtp.boxes import Randomness
    from fanout.zmtp.mechanisms import Mechanism

NACL = ReferenceNacl()


def pair(byte: int) -> KeyPair:
    """Both keys, always the same for the same number."""
    secret = bytes((byte,)) * 32
    return KeyPair(NACL.public_of(secret), secret)


def given(*pieces: bytes) -> Randomness:
    """Randomness that is these, in order; it fails when other sizes are asked for."""
    left = list(pieces)

    def some(size: int) -> bytes:
        piece = left.pop(0)
        assert len(piece) == size
        return piece

    return some


def session(mechanism: Mechanism) -> Session:
    """A publisher's session with it."""
    return Session(LIMITS, mechanism=mechanism)


def captured_server(keys: Sequence[KeyPair] = (vector.KEYS,)) -> Session:
    """The session of the captured connection, at its beginning."""
    randomness = given(vector.TRANSIENT_SECRET, vector.COOKIE, vector.NONCE)
    return session(CurveServer(keys, NACL, randomness))


def flipped(data: bytes, at: int, bit: int = 0x80) -> bytes:
    """The same with one bit changed."""
    return data[:at] + bytes((data[at] ^ bit,)) + data[at + 1 :]
