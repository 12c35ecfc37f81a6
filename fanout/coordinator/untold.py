"""Untold: what was lost with workers, for who asks next; he is told, or whoever asks after him."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fanout.coordinator.calls import Calls
    from fanout.coordinator.ledger import Ledger
    from fanout.statistics import Undelivered


class Untold:
    """Any thread: the ledger is asked on the coordinator's."""

    __slots__ = ("_calls", "_ledger")

    def __init__(self, calls: Calls, ledger: Ledger) -> None:
        self._calls = calls
        self._ledger = ledger

    def take(self) -> list[Undelivered]:
        """What nobody was told of yet; see `put_back()`.

        Raises:
            ClosedError, TimeoutError, what interrupts: it is put back.
        """
        taken: list[Undelivered] = []
        try:
            self._calls.call(lambda: taken.extend(self._ledger.take_lost()))
        except BaseException:  # it may be taken by then, or be just about to
            self.put_back(taken)
            raise
        return taken

    def put_back(self, taken: Sequence[Undelivered]) -> None:
        """Nobody was told of these: the next `take()` has them. Does not wait for that."""
        self._calls.post(lambda: self._ledger.put_back(taken))
