"""Pace: how many messages one batch takes when subscribers want only some of them. Pure.

A system call costs as much as picking a hundred messages. So while there is a backlog, and what one
send carries is small, batches grow: nobody gets anything later by that than by the backlog itself.
Without a backlog a batch is what there is.
"""

from __future__ import annotations

from fanout.workers.tuning import TUNING, Tuning

WORTH_PART = 4  # sends of less than 1/4 of what is aimed at are not made smaller, to end sooner
CAREFUL_BATCHES = 16  # after one that took too long: what is cut off then was found in vain
CAREFUL_PART = 8  # such batches grow by 1/8
SHARED_SENDS = 4  # of the same bytes, from which on a send may have twice as many: in the cache


class Pace:
    """Adapts the size of batches to what came of the last one.

    Attributes:
        messages: that the next batch may take.
        share: of a batch's bytes that one of its sends carries, on average; 1.0 = all of them.
    """

    __slots__ = ("_aim", "_careful", "_max", "_min", "messages", "share")

    def __init__(self, tuning: Tuning = TUNING) -> None:
        self._min = tuning.batch_messages_min
        self._max = tuning.batch_messages_max
        self._aim = tuning.batch_send_bytes
        self._careful = 0  # batches that may not grow to twice the last
        self.messages = self._min
        self.share = 1.0

    def learn(
        self, taken: int, taken_bytes: int, distinct: int, sends: int, sent_bytes: int
    ) -> None:
        """A batch of so many messages and bytes came to so many sends and bytes.

        Args:
            distinct: how many different bytes these sends had: what many get alike is joined once.
        """
        aim = self._aim * (2 if sends >= SHARED_SENDS * distinct else 1)
        if sends:
            self.share = sent_bytes / (sends * taken_bytes)
        if sent_bytes > 2 * aim * sends:
            self.messages = max(min(self._min, self.messages), self.messages // 2)
        elif taken == self.messages and (taken < self._min or sent_bytes < aim * sends):
            more = 1 + self.messages // CAREFUL_PART if self._careful else self.messages
            self.messages = min(self._max, self.messages + more)
        self._careful = max(0, self._careful - 1)

    def cut(self, taken: int) -> None:
        """There was no time to sort more than so many."""
        self.messages = taken
        self._careful = CAREFUL_BATCHES

    def has_large_sends(self, batch_bytes: int) -> bool:
        """Whether a batch of so many bytes comes to sends so large that fewer messages in one would
        make it end sooner; judged by the share that sends of the last one had of it.

        The last one may have been all that was left, and small, and the next one large.
        """
        return self.share * batch_bytes * WORTH_PART > self._aim

    def shorten(self, taken: int, taken_bytes: int) -> None:
        """To send the last batch, of so many messages and bytes, took too long."""
        if self.has_large_sends(taken_bytes):
            self.cut(max(1, taken // 2))
