"""The primitives of NaCl in plain Python, from their papers: what CURVE's tests compare with.

Slow, and not safe against who measures time: for tests only. X25519 is RFC 7748, XSalsa20 is
"Extending the Salsa20 nonce", Poly1305 RFC 8439 without its padding of associated data.
"""

from __future__ import annotations

import hmac
import struct
from typing import TYPE_CHECKING

from fanout.zmtp.boxes import MAC_BYTES, ForgedError
from fanout.zmtp.layout import OneByOne

if TYPE_CHECKING:
    from fanout.zmtp.batches import LaidOut

_PRIME = (1 << 255) - 19
_BASE = (9).to_bytes(32, "little")
_MASK = (1 << 32) - 1
_SIGMA = struct.unpack("<4I", b"expand 32-byte k")
_POLY_PRIME = (1 << 130) - 5
_CLAMP = 0x0FFFFFFC0FFFFFFC0FFFFFFC0FFFFFFF
# Which words a quarter round takes, columns first and then rows.
_QUARTERS = (
    *((0, 4, 8, 12), (5, 9, 13, 1), (10, 14, 2, 6), (15, 3, 7, 11)),
    *((0, 1, 2, 3), (5, 6, 7, 4), (10, 11, 8, 9), (15, 12, 13, 14)),
)
_KEY_WORDS = (*range(1, 5), *range(11, 15))
_INPUT_WORDS = (*range(6, 10),)


class ReferenceNacl:
    """See `fanout.zmtp.boxes.Primitives`."""

    stretches = None

    def public_of(self, secret: bytes) -> bytes:
        """The public key of a secret one."""
        return x25519(secret, _BASE)

    def shared(self, public: bytes, secret: bytes) -> bytes:
        """What two key pairs have in common."""
        point = x25519(secret, public)
        if not any(point):
            raise ForgedError
        return _hsalsa20(point, bytes(16))

    def seal(self, data: bytes, nonce: bytes, key: bytes) -> bytes:
        """Seal data."""
        stream = _xsalsa20(key, nonce, 32 + len(data))
        sealed = bytes(a ^ b for a, b in zip(data, stream[32:], strict=True))
        return _poly1305(stream[:32], sealed) + sealed

    def batch(self, layout: LaidOut) -> OneByOne:
        """What seals these frames."""
        return OneByOne(layout, self.seal)

    def open(self, box: bytes, nonce: bytes, key: bytes) -> bytes:
        """Open what was sealed."""
        mac, sealed = box[:MAC_BYTES], box[MAC_BYTES:]
        stream = _xsalsa20(key, nonce, 32 + len(sealed))
        if not hmac.compare_digest(mac, _poly1305(stream[:32], sealed)):
            raise ForgedError
        return bytes(a ^ b for a, b in zip(sealed, stream[32:], strict=True))


def x25519(scalar: bytes, point: bytes) -> bytes:
    """A point, so many times."""
    k = int.from_bytes(scalar, "little") & ~7 & ((1 << 255) - 1) | 1 << 254
    u = int.from_bytes(point, "little") & ((1 << 255) - 1)
    x2, z2, x3, z3 = 1, 0, u, 1
    for bit in range(254, -1, -1):
        is_set = k >> bit & 1
        if is_set:
            x2, z2, x3, z3 = x3, z3, x2, z2
        plus, minus = x2 + z2, x2 - z2
        aa, bb = plus * plus % _PRIME, minus * minus % _PRIME
        da, cb = (x3 - z3) * plus % _PRIME, (x3 + z3) * minus % _PRIME
        x3, z3 = (da + cb) ** 2 % _PRIME, u * (da - cb) ** 2 % _PRIME
        x2, z2 = aa * bb % _PRIME, (aa - bb) * (aa + 121665 * (aa - bb)) % _PRIME
        if is_set:
            x2, z2, x3, z3 = x3, z3, x2, z2
    return (x2 * pow(z2, _PRIME - 2, _PRIME) % _PRIME).to_bytes(32, "little")


def _rounds(words: list[int]) -> list[int]:
    x = list(words)
    for _ in range(10):
        for a, b, c, d in _QUARTERS:
            for into, one, other, turn in (
                (b, a, d, 7),
                (c, b, a, 9),
                (d, c, b, 13),
                (a, d, c, 18),
            ):
                total = (x[one] + x[other]) & _MASK
                x[into] ^= (total << turn | total >> (32 - turn)) & _MASK
    return x


def _state(key: bytes, block: bytes) -> list[int]:
    words = [0] * 16
    words[0], words[5], words[10], words[15] = _SIGMA
    for place, word in zip(_KEY_WORDS, struct.unpack("<8I", key), strict=True):
        words[place] = word
    for place, word in zip(_INPUT_WORDS, struct.unpack("<4I", block), strict=True):
        words[place] = word
    return words


def _hsalsa20(key: bytes, block: bytes) -> bytes:
    mixed = _rounds(_state(key, block))
    return struct.pack("<8I", *(mixed[place] for place in (0, 5, 10, 15, 6, 7, 8, 9)))


def _xsalsa20(key: bytes, nonce: bytes, size: int) -> bytes:
    subkey = _hsalsa20(key, nonce[:16])
    blocks = bytearray()
    count = 0
    while len(blocks) < size:
        words = _state(subkey, nonce[16:] + count.to_bytes(8, "little"))
        mixed = _rounds(words)
        blocks += struct.pack("<16I", *((a + b) & _MASK for a, b in zip(words, mixed, strict=True)))
        count += 1
    return bytes(blocks[:size])


def _poly1305(key: bytes, data: bytes) -> bytes:
    r = int.from_bytes(key[:16], "little") & _CLAMP
    total = 0
    for start in range(0, len(data), 16):
        block = data[start : start + 16] + b"\x01"
        total = (total + int.from_bytes(block, "little")) * r % _POLY_PRIME
    end = total + int.from_bytes(key[16:], "little")
    return (end & ((1 << 128) - 1)).to_bytes(16, "little")
