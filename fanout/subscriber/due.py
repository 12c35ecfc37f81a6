"""Of which subscriptions last values are still to come, in the order in which they were said. Pure.

A publisher names those that a mark is about. Marks come in another order than what was said: those
of what was asked for from further back come before others that wait.

Publishers that are older than that, and all of more subscriptions than can be named in a mark, tell
by how many of them it is, and not by which. So what is cancelled meanwhile keeps its place until a
mark has counted it: else the mark would count another one, whose last values would be taken to have
come. It is cancelled only after the publisher has taken it, see `Asking.cancel_due`, so that each
one that is in its place here is counted there.
"""

from __future__ import annotations

from collections import deque
from itertools import islice
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fanout.subscriber.losses import ValuesShown


class Due:
    """Those of one connection. Owned by its `Stream`.

    Attributes:
        asked: what was asked for with each that is still wanted; b"" = nothing: all of its last
            values are to come, or are to be asked for again if the connection is lost.
    """

    __slots__ = ("_cancelled", "_count", "_denied", "_numbers", "_said", "asked")

    def __init__(self, asked: Mapping[bytes, bytes] | None = None) -> None:
        self.asked: dict[bytes, bytes] = {**(asked or {})}
        self._said = dict(enumerate(self.asked))  # by number; some are not wanted any more
        self._numbers = {prefix: number for number, prefix in self._said.items()}
        self._cancelled: dict[bytes, deque[int]] = {}  # numbers of those that are not
        self._denied: set[bytes] = set()  # nothing comes of these, as long as that is so
        self._count = len(self._said)

    def __bool__(self) -> bool:
        """Whether last values are to come."""
        return len(self.asked) > len(self._denied)

    def __len__(self) -> int:
        """How many marks will have counted in the end."""
        return len(self._said)

    def __contains__(self, prefix: bytes) -> bool:
        return prefix in self._numbers

    def expect(self, prefix: bytes) -> None:
        """All last values of this come, behind the others."""
        self.asked[prefix] = b""
        self._denied.discard(prefix)
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
        self._denied.discard(prefix)
        number = self._numbers.pop(prefix, None)
        if number is None:
            return  # a mark has counted it
        if is_counted:
            self._cancelled.setdefault(prefix, deque()).append(number)
        else:
            del self._said[number]

    def shown(self, mark: ValuesShown) -> None:
        """A mark says that all last values of some more have come."""
        for prefix in mark.names:
            self._shown(prefix, is_denied=prefix in mark.denied)
        more = min(max(0, mark.many - len(mark.names)), len(self._said))  # a stranger may say any
        for prefix in [*islice(self._said.values(), more)]:
            self._shown(prefix)
        if mark.names and not mark.many and self._denied:  # it may have these by now
            self._granted(mark.names)

    def _shown(self, prefix: bytes, *, is_denied: bool = False) -> None:
        """That of this have come, which was said first of those that wait for them."""
        cancelled = self._cancelled.get(prefix)
        if cancelled:
            del self._said[cancelled.popleft()]
            if not cancelled:
                del self._cancelled[prefix]
            return
        number = self._numbers.pop(prefix, None)
        if number is None:
            return
        del self._said[number]
        if is_denied:
            self._denied.add(prefix)
        else:
            del self.asked[prefix]

    def _granted(self, names: Sequence[bytes]) -> None:
        """Those of these have come, which were denied, or parts of what was."""
        for size in {*map(len, self._denied)}:
            for prefix in self._denied.intersection([name[:size] for name in names]):
                self._denied.remove(prefix)
                del self.asked[prefix]
