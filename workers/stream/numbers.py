"""Numbers: which messages of the log somebody is sent, in a bit for each that there may be. Pure.

A pass of `conflate` may be half of all messages that the index holds, and each subscriber may have
one of its own, if it says so. So they are kept in blocks: a bit for each message of the log, or two
bytes for each number where that is less. What is looked at is unpacked, a block at a time.
"""

from __future__ import annotations

import struct
from array import array
from bisect import bisect_left, bisect_right
from itertools import compress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

BLOCK = 1_024  # messages of the log; as numbers, what one send is made from
_BITS = BLOCK // 8  # bytes of a block that has many
_FEW = _BITS // 2 - 1  # numbers, up to which two bytes each are less
# Bytes that a block takes in a worker at most, with its objects and what `Values` adds.
BLOCK_BYTES_MAX = 256
BLOCKS_KEPT = 8  # unpacked, if there are others that come to the same places; 8 KiB each

_DIGITS = bytes((48, 49)) + bytes(254)  # of flags
_FLAGS = bytes(49) + b"\1" + bytes(206)  # of digits
# Of a block for another worker: which it is, and its bytes; or the first number, and 0: how much
# more each of all is than that, in four bytes.
HEAD = struct.Struct("=QH")


class Numbers:
    """Ascending numbers; they do not change.

    Its mutable state: the blocks that were unpacked last.

    Attributes:
        places: of the first number in each block, among all; and how many there are.
        are_shared: whether more than one looks at them.
    """

    __slots__ = ("_blocks", "_keys", "_unpacked", "are_shared", "places")

    def __init__(self, numbers: Sequence[int]) -> None:
        self.are_shared = False
        self.places = array("Q")
        self._keys = array("Q")
        self._blocks: list[bytes] = []
        self._unpacked: list[tuple[int, array[int]]] = []
        at, count = 0, len(numbers)
        while at < count:
            key = numbers[at] // BLOCK
            stop = bisect_left(numbers, (key + 1) * BLOCK, at)
            self._keys.append(key)
            self.places.append(at)
            self._blocks.append(_packed(numbers[at:stop], key * BLOCK))
            at = stop
        self.places.append(count)

    def __len__(self) -> int:
        return self.places[-1]

    def __getitem__(self, at: int) -> int:
        """The number at this place."""
        block = bisect_right(self.places, at) - 1
        return self._block(block)[at - self.places[block]]

    def __iter__(self) -> Iterator[int]:
        for block in range(len(self._blocks)):
            yield from self._block(block)

    def some(self, low: int, high: int) -> array[int]:
        """Those from one place up to, not including, another one."""
        found = array("Q")
        places = self.places
        block = bisect_right(places, low) - 1
        while low < high:
            stop = min(high, places[block + 1])
            found += self._block(block)[low - places[block] : stop - places[block]]
            low, block = stop, block + 1
        return found

    def place_of(self, number: int) -> int:
        """How many are below this one."""
        block = bisect_left(self._keys, number // BLOCK)
        if block == len(self._keys) or self._keys[block] != number // BLOCK:
            return self.places[block]
        return self.places[block] + bisect_left(self._block(block), number)

    def packed(self) -> bytes:
        """Which they are, for another worker."""
        blocks = zip(self._keys, self._blocks, strict=True)
        return b"".join([HEAD.pack(key, len(data)) + data for key, data in blocks])

    def _block(self, block: int) -> array[int]:
        for known, numbers in self._unpacked:
            if known == block:
                return numbers
        found = _unpacked(self._blocks[block], self._keys[block] * BLOCK)
        if len(self._unpacked) >= (BLOCKS_KEPT if self.are_shared else 1):
            del self._unpacked[0]
        self._unpacked.append((block, found))
        return found


def numbers_in(data: bytes) -> array[int]:
    """Those that another worker has packed."""
    found, at = array("Q"), 0
    while at < len(data):
        key, size = HEAD.unpack_from(data, at)
        at += HEAD.size
        if not size:
            few = array("I")
            few.frombytes(data[at:])
            return array("Q", [key + one for one in few])
        found += _unpacked(data[at : at + size], key * BLOCK)
        at += size
    return found


def _packed(numbers: Sequence[int], base: int) -> bytes:
    if len(numbers) <= _FEW:
        return array("H", [one - base for one in numbers]).tobytes()
    flags = bytearray(BLOCK)
    for one in numbers:
        flags[one - base] = 1
    flags.reverse()
    return int(flags.translate(_DIGITS), 2).to_bytes(_BITS, "little")


def _unpacked(data: bytes, base: int) -> array[int]:
    if len(data) < _BITS:
        few = array("H")
        few.frombytes(data)
        return array("Q", [base + one for one in few])
    digits = format(int.from_bytes(data, "little"), f"0{BLOCK}b").encode()[::-1]
    return array("Q", compress(range(base, base + BLOCK), digits.translate(_FLAGS)))
