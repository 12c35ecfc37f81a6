"""Spills: the messages whose rest somebody has to get and the log need not keep. Pure.

A member that jumps out of the middle of a message keeps the rest of it. Many of them are in the
middle of the same large message, and share one copy, which goes with the last of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fanout.shm.reader import LogReader
    from fanout.shm.spill_area import Stored
    from fanout.zmtp.encoding import Encoding


class Copy(bytearray):
    """A whole message; unlike bytes it can be referred to weakly. Lives as long as a view of it.

    Attributes:
        start: position of its first byte in the log.
        stored: where it is kept for another worker, None = nowhere yet.
    """

    start = 0
    stored: Stored | None = None


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

    def remainder(self, sequence: int, encoding: Encoding | None, offset: int) -> memoryview:
        """The bytes of a message from `offset` on, in this encoding; not to be changed."""
        copy = self._copies.get((sequence, encoding))
        if copy is None:
            piece = self._log.piece(sequence)
            data = piece if encoding is None else encoding.encode(piece, sequence)
            copy = self._add(sequence, encoding, data, self._log.start_of(sequence))
        return memoryview(copy)[offset:]

    def taken_over(
        self, sequence: int, encoding: Encoding | None, offset: int, data: bytes, start: int
    ) -> memoryview:
        """The same of a message that may not be in the log any more: another worker had a copy.

        Args:
            data: that.
            start: position of its first byte in the log.
        """
        copy = self._copies.get((sequence, encoding))
        if copy is None:
            copy = self._add(sequence, encoding, data, start)
        return memoryview(copy)[offset:]

    def _add(self, sequence: int, encoding: Encoding | None, data: bytes, start: int) -> Copy:
        copy = Copy(data)
        copy.start = start
        self._copies[sequence, encoding] = copy
        self._at_most += len(copy)
        return copy

    @property
    def are_too_many(self) -> bool:
        """Whether they may be over the limit; next to nothing while they cannot be.

        Some may be kept only because a record points to them that will be written anew soon.
        """
        return self._at_most > self._limit and self.size() > self._limit

    def exceed(self, rests: Iterable[bytes | memoryview]) -> bool:
        """Whether the copies of which these are the rests are over the limit."""
        copies = {id(copy): copy for copy in [memoryview(rest).obj for rest in rests]}
        sizes = [len(copy) for copy in copies.values() if isinstance(copy, Copy)]
        return sum(sizes) > self._limit

    def size(self) -> int:
        """Bytes of all copies together."""
        self._at_most = sum(map(len, self._copies.values()))
        return self._at_most
