"""Who asks: its questions that wait, and what it may have answered when. Pure: time is passed in.

An asker has credits. One is spent for each question, or for each millisecond that its answer takes,
and they come back as time goes by. Who has none left waits, and so does who has not taken its last
answer: it is not even read meanwhile, so that nothing of it grows here.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from fanout.answers.credits import Credits
from fanout.terms.question_terms import CREDIT_S, QUESTIONS_BURST, QUESTIONS_PER_S, UNREAD_S

if TYPE_CHECKING:
    from fanout.sockets.peer import Peer
    from fanout.subscriber.parsing import Frames


class Asker:
    """One connection.

    Args:
        shared: credits of all who ask from there.

    Attributes:
        peer: its other half.
        waiting: questions with their envelopes, in order.
        questions, errors, bytes: what was answered; of these, with an error; bytes of the answers.
    """

    def __init__(self, peer: Peer, now: float, shared: Credits) -> None:
        self.peer = peer
        self.waiting: deque[Frames] = deque()
        self.questions = 0
        self.errors = 0
        self.bytes = 0
        self._credits = Credits(QUESTIONS_PER_S, QUESTIONS_BURST, now), shared
        self._left = 0  # bytes of answers that it had not taken at the last look
        self._moved = now  # when `_left` changed last, or a question was answered

    def is_due(self, now: float) -> bool:
        """Whether its next question may be answered."""
        if not self.waiting or self.peer.has_unsent:
            return False
        return all(credit.left(now) > 0 for credit in self._credits)

    def due_at(self) -> float | None:
        """When it will be by the clock alone; None: never."""
        if self.peer.has_unsent:
            return self._moved + UNREAD_S
        if not self.waiting:
            return None
        return max(credit.due_at() for credit in self._credits)

    def answered(self, size: int, took: float, error: str, now: float) -> None:
        """A question was, in so many seconds."""
        for credit in self._credits:
            credit.spend(max(1.0, took / CREDIT_S), now)
        self._moved = now
        self.questions += 1
        self.errors += bool(error)
        self.bytes += size

    def is_stuck(self, now: float) -> bool:
        """Whether it has taken nothing of its answer for too long."""
        left = self.peer.unsent_bytes
        if left != self._left:
            self._left, self._moved = left, now
        return left > 0 and now - self._moved >= UNREAD_S
