"""PoisonGuard: a send that is interrupted was made whole, or not at all, or says so.

The flag is a word of shared memory. Before the first byte of a message or a batch the log stores in
it the head that it is about to commit; it is up for as long as HEAD is another one. Finding it up
means that somebody was interrupted in between. As nothing before the commit is visible to anyone, a
rollback only has to prove that the last commit is intact. Where that cannot be done, or is
interrupted itself, the flag stays up, and every send refuses until `recover()`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fanout.errors import PoisonedError

if TYPE_CHECKING:
    from fanout.shm.log import LogWriter


class PoisonGuard:
    """Settles interrupted sends; the caller holds the send lock.

    It has no state of its own: there is the poison word, and the log's note of where to go on,
    which is missing for as long as a send is under way or was interrupted.
    """

    def __init__(self, log: LogWriter) -> None:
        self._log = log

    @property
    def poisoned(self) -> bool:
        """Whether a send was interrupted, to a caller that holds the lock."""
        return self._log.following is None

    def settle(self) -> None:
        """Lower the flag if the interrupted send is proven to be committed or not begun.

        Raises nothing of its own; interrupted, it leaves the flag as it was.
        """
        head = self._log.head
        if head <= self._log.flag <= head + self._log.entries and self._is_intact():
            self._lower()

    def recover(self) -> None:
        """Roll back to the last commit, whatever was interrupted.

        Raises:
            PoisonedError: the log itself is damaged; the publisher stays poisoned: close it.
        """
        if not self._is_intact():
            raise PoisonedError(
                f"the log is damaged at its last commit (head {self._log.head}): "
                "close this publisher"
            )
        self._lower()

    def error(self) -> PoisonedError:
        """What to raise instead of sending."""
        head = self._log.head
        return PoisonedError(
            f"a send was interrupted and could not be rolled back (flag {self._log.flag},"
            f" head {head}): nothing from message {head} on was sent or will be. recover() rolls"
            " back to the last commit"
        )

    def _lower(self) -> None:
        self._log.lower_flag()

    def _is_intact(self) -> bool:
        """Whether the last commit is as a commit leaves it."""
        return self._log.start_of(self._log.head - 1) <= self._log.position
