"""PoisonGuard: a send that is interrupted was made whole, or not at all, or says so.

The flag is a word of shared memory. The log raises it (to 1 + the sequence being written) before
the first byte of a message and lowers it after the commit. Finding it raised means that somebody
was interrupted in between. As nothing before the commit is visible to anyone, a rollback only has
to prove that the last commit is intact. Where that cannot be done, or is interrupted itself, the
flag stays up, and every send refuses until `recover()`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fanout.errors import PoisonedError
from fanout.shm import layout as at

if TYPE_CHECKING:
    from fanout.shm.log import LogWriter


class PoisonGuard:
    """Settles interrupted sends; the caller holds the send lock.

    Its only state is the poison word of the segment.
    """

    def __init__(self, words: memoryview, log: LogWriter) -> None:
        self._words = words
        self._log = log

    @property
    def poisoned(self) -> bool:
        """Whether the flag is up: to a caller that holds the lock, a send was interrupted."""
        return self._words[at.H_POISON] != 0

    def settle(self) -> None:
        """Lower the flag if the interrupted send is proven to be committed or not begun.

        Raises nothing of its own; interrupted, it leaves the flag as it was.
        """
        armed = self._words[at.H_POISON]
        if armed and self._is_clean(armed - 1):
            self._words[at.H_POISON] = 0

    def recover(self) -> None:
        """Roll back to the last commit, whatever was interrupted.

        Raises:
            PoisonedError: the log itself is damaged; the publisher stays poisoned: close it.
        """
        head = self._log.head
        if not self._is_clean(head):
            raise PoisonedError(
                f"the log is damaged at its last commit (head {head}): close this publisher"
            )
        self._words[at.H_POISON] = 0

    def error(self) -> PoisonedError:
        """What to raise instead of sending."""
        return PoisonedError(
            f"the send of message {self._words[at.H_POISON] - 1} was interrupted and could not be "
            f"rolled back; nothing of it will be delivered. recover() rolls back to the last "
            f"commit (head {self._log.head})"
        )

    def _is_clean(self, sequence: int) -> bool:
        """Whether the last commit is intact, and `sequence` the next message or one committed."""
        head = self._log.head
        return sequence <= head and self._log.start_of(head - 1) <= self._log.position
