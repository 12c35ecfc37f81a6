"""Spills: the messages whose rest somebody has to get and the log need not keep. Pure.

A member that jumps out of the middle of a message keeps the rest of it. Many of them are in the
middle of the same large message, and share one copy, which goes with the last of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

if TYPE_CHECKING:
    from fanout.shm.reader import LogReader
    from fanout.zmtp.encoding import Encoding


class Copy(bytearray):
    """A whole message; unlike bytes it can be referred to weakly. Lives as long as a view of it.

    Attributes:
        start: position of its first byte in the log.
    """

    start = 0


class Spills:
    """The copies that are in use.

    Its mutable state: the copies by message and encoding, and an upper bound of their size.

    Args:
        log: where the messages are.
        limit: bytes of all copies together, above which there are too many.
    """

    def __init__(self, log: LogReader, limit: int) -> None:
        self._log = log
        self._limit = limit
        self._copies: WeakValueDictionary[tuple[int, Encoding | None], Copy]
        self._copies = WeakValueDictionary()
        self._at_most = 0

    def rest(self, sequence: int, encoding: Encoding | None, offset: int) -> memoryview:
        """The bytes of a message from `offset` on, in this encoding; not to be changed."""
        copy = self._copies.get((sequence, encoding))
        if copy is None:
            piece = self._log.piece(sequence)
            copy = Copy(piece if encoding is None else encoding.encode(piece, sequence))
            copy.start = self._log.start_of(sequence)
            self._copies[sequence, encoding] = copy
            self._at_most += len(copy)
        return memoryview(copy)[offset:]

    @property
    def are_too_many(self) -> bool:
        """Whether they are over the limit; next to nothing while they cannot be."""
        return self._at_most > self._limit and self.size() > self._limit

    def size(self) -> int:
        """Bytes of all copies together."""
        self._at_most = sum(map(len, self._copies.values()))
        return self._at_most
