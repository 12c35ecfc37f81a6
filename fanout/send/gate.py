"""The gate: whether this publisher may send at all, and why not.

It is one word on a page of its own that the kernel gives a forked child as zeros: so the child
reads `FORKED` without having to notice the fork, and the parent pays nothing for that.
"""

from __future__ import annotations

import mmap
import os
import weakref
from typing import TYPE_CHECKING

from fanout.errors import BrokenError, ClosedError, FanoutError, ForkedError

if TYPE_CHECKING:
    from collections.abc import Callable

FORKED, OPEN, CLOSED, BROKEN = range(4)  # what the word says; zero in a forked child
MADV_WIPEONFORK = 18  # Linux: the child of a fork finds this page zeroed

_REASONS: dict[int, Callable[[], FanoutError]] = {
    FORKED: lambda: ForkedError(
        "this publisher belongs to the parent of this forked process: create a new one here"
    ),
    CLOSED: lambda: ClosedError("the publisher is closed"),
    BROKEN: lambda: BrokenError(
        "every worker is lost and none could be started again: restart_workers() tries once more"
    ),
}
_REASONS[OPEN] = _REASONS[BROKEN]  # who asks why found it broken, and it was mended meanwhile


_not_wiped: weakref.WeakSet[Gate] = weakref.WeakSet()


def _wipe() -> None:
    """In a forked child: what the kernel did not do."""
    for gate in list(_not_wiped):
        gate.word[0] = FORKED


os.register_at_fork(after_in_child=_wipe)


class Gate:
    """Open until it is shut; any thread.

    What is closed stays so, whichever thread mends or breaks it at the same time: there is a note
    beside the word, made before it, that each of them looks at after its own store.

    Attributes:
        word: its only item is the state, for who looks for each message.
    """

    def __init__(self) -> None:
        page = mmap.mmap(-1, mmap.PAGESIZE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        self.word = memoryview(page).cast("Q")
        self.word[0] = OPEN
        self._is_closed = False
        try:
            page.madvise(MADV_WIPEONFORK)
        except OSError:  # a sandbox, or an old kernel: then only forks of Python are noticed
            _not_wiped.add(self)

    @property
    def state(self) -> int:
        """OPEN, CLOSED, BROKEN, or FORKED in the child of a fork."""
        return self.word[0]

    @property
    def forked(self) -> bool:
        """Whether this process is a fork of the one that the publisher belongs to."""
        return self.word[0] == FORKED

    @property
    def closed(self) -> bool:
        """Whether the publisher was closed."""
        return self.word[0] == CLOSED

    def shut(self, state: int) -> bool:
        """Refuse every later send; CLOSED or BROKEN. One that is under way is finished.

        Returns:
            Whether that is new; not if it was shut before, nor in a fork.
        """
        before = self.word[0]
        if before not in (OPEN, BROKEN) or before == state:
            return False
        if state == CLOSED:
            self._is_closed = True
        self.word[0] = state
        return self._stays(state)

    def mend(self) -> bool:
        """Open it again if it is broken; returns whether it is open because of that."""
        if self.word[0] != BROKEN:
            return False
        self.word[0] = OPEN
        return self._stays(OPEN)

    def _stays(self, state: int) -> bool:
        """Whether what was stored holds; not if it was closed meanwhile."""
        if self._is_closed:
            self.word[0] = CLOSED
        return self.word[0] == state

    def error(self) -> FanoutError:
        """Why nothing can be sent; it is not open."""
        return _REASONS[self.word[0]]()

    def check(self) -> None:
        """Raise why nothing can be sent, unless it can.

        Raises:
            ClosedError, ForkedError, BrokenError.
        """
        if self.word[0] != OPEN:
            raise self.error()

    def check_use(self) -> None:
        """As `check`, for what can still be asked of a publisher that is broken.

        Raises:
            ClosedError, ForkedError.
        """
        if self.word[0] in (FORKED, CLOSED):
            raise self.error()

    def check_fork(self) -> None:
        """As `check`, for what may go on when the publisher is closed.

        Raises:
            ForkedError.
        """
        if self.word[0] == FORKED:
            raise self.error()
