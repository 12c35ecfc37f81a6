"""Records of words in shared memory, with the words as attributes.

A single word is always seen whole. Words that belong together are changed between two stores of a
version, odd meanwhile; a reader takes them again if the version was odd or has changed (a sequence
lock, as in Linux's seqlock.h).
"""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING, overload

from fanout.shm.fence import keep_order
from fanout.shm.layout import WORD

if TYPE_CHECKING:
    from fanout.shm.segment import Segment

_READ_ATTEMPTS = 100  # a writer is between two stores for a microsecond


class StuckRecord(Exception):
    """A record stayed half-written: its writer died or hangs in the middle of an update."""


class Record:
    """Some words of the segment; `words` is the memory itself, for this package only."""

    __slots__ = ("words",)

    def __init__(self, words: memoryview) -> None:
        self.words = words


class Word:
    """One word of a record, as an attribute: reading loads it, assigning stores it.

    Args:
        index: of the word in the record.
        doc: what it says, and who writes it.
    """

    def __init__(self, index: int, doc: str) -> None:
        self._index = index
        self.__doc__ = doc

    @overload
    def __get__(self, record: None, owner: type) -> Word: ...
    @overload
    def __get__(self, record: Record, owner: type) -> int: ...
    def __get__(self, record: Record | None, owner: type) -> int | Word:
        if record is None:
            return self
        value: int = record.words[self._index]
        return value

    def __set__(self, record: Record, value: int) -> None:
        record.words[self._index] = value


def words_at(segment: Segment, offset: int, size: int) -> memoryview:
    """The words of `size` bytes at this offset of the segment."""
    return segment.words[offset // WORD : (offset + size) // WORD]


def read_consistent(words: memoryview, version: int) -> list[int]:
    """All words of a record as they were at one instant.

    Args:
        version: index of its version, which is odd while the others are being changed.

    Raises:
        StuckRecord: it stayed half-written; its writer is dead or hangs.
    """
    for _ in range(_READ_ATTEMPTS):
        before = words[version]
        keep_order()
        values: list[int] = words.tolist()
        keep_order()
        if not before & 1 and before == words[version]:
            return values
    raise StuckRecord


def write_text(words: memoryview, first: int, size: int, text: str) -> None:
    """Store a text in words `first` and following, cut to `size` bytes of whole characters."""
    padded = encode_text(text, size).ljust(size, b"\0")
    words[first : first + size // WORD] = memoryview(padded).cast("Q")


def encode_text(text: str, size: int) -> bytes:
    """A text as it is stored, without the zeros behind it."""
    encoded = text.encode("utf-8", "replace")
    if len(encoded) > size:
        encoded = encoded[:size].decode("utf-8", "ignore").encode()
    return encoded


def read_text(words: memoryview | list[int], first: int, size: int) -> str:
    """The text in words `first` and following of a record, or of a copy of one."""
    values = array("Q", words[first : first + size // WORD])
    return values.tobytes().rstrip(b"\0").decode("utf-8", "replace")
