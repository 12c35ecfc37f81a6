"""Of which subscriptions last values are still to come, in the order in which they were said. Pure.

A publisher tells by how many of them a mark is about, and not by which. So what is cancelled
meanwhile keeps its place until a mark has counted it: else the mark would count another one, whose
last values would be taken to have come. It is cancelled only after the publisher has taken it, see
`Asking.cancel_due`, so that each one that is in its place here is counted there.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


class Due:
    """Those of one connection. Owned by its `Stream`.

    Attributes:
        asked: what was asked for with each that is still wanted; b"" = nothing: all of its last
            values are to come.
    """

    __slots__ = ("_count", "_numbers", "_said", "asked")

    def __init__(self, asked: Mapping[bytes, bytes] | None = None) -> None:
        self.asked: dict[bytes, bytes] = {**(asked or {})}
        self._said = dict(enumerate(self.asked))  # by number; some are not wanted any more
        self._numbers = {prefix: number for number, prefix in self._said.items()}
        self._count = len(self._said)

    def __bool__(self) -> bool:
        return bool(self.asked)

    def __len__(self) -> int:
        """How many marks will have counted in the end."""
        return len(self._said)

    def __contains__(self, prefix: bytes) -> bool:
        return prefix in self.asked

    def expect(self, prefix: bytes) -> None:
        """All last values of this come, behind the others."""
        self.asked[prefix] = b""
        if prefix not in self._numbers:
            self._said[self._count] = prefix
            self._numbers[prefix] = self._count
            self._count += 1

    def cancel(self, prefix: bytes, *, is_counted: bool) -> None:
        """This is not wanted any more.

        Args:
            is_counted: it was said to the publisher, or will be, so that a mark counts it.
        """
        if self.asked.pop(prefix, None) is None:
            return
        number = self._numbers.pop(prefix)
        if not is_counted:
            del self._said[number]

    def shown(self, count: int) -> None:
        """A mark says that all last values of so many more have come."""
        for number in [*islice(self._said, count)]:
            prefix = self._said.pop(number)
            if self._numbers.get(prefix) == number:  # else it was cancelled
                del self._numbers[prefix], self.asked[prefix]
