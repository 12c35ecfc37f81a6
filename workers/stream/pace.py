"""Pace: how many messages one batch takes when subscribers want only some of them. Pure.

A system call costs as much as picking a hundred messages. So while there is a backlog, and what one
send carries is small, batches grow: nobody gets anything later by that than by the backlog itself.
Without a backlog a batch is what there is.
"""

from __future__ import annotations

MESSAGES_MIN = 4096  # sorted in about a millisecond
MESSAGES_MAX = 65_536  # some ten milliseconds; other work of the worker waits for so long
SEND_BYTES_AIM = 48 * 1024  # of one send: from here on the system call is not what costs
SHARED_SENDS = 4  # of the same bytes, from which on a send may have twice as many: in the cache


class Pace:
    """Adapts the size of batches to what came of the last one.

    Attributes:
        messages: that the next batch may take, MESSAGES_MIN to MESSAGES_MAX.
        share: of a batch's bytes that one of its sends carries, on average; 1.0 = all of them.
    """

    __slots__ = ("messages", "share")

    def __init__(self) -> None:
        self.messages = MESSAGES_MIN
        self.share = 1.0

    def learn(
        self, taken: int, taken_bytes: int, distinct: int, sends: int, sent_bytes: int
    ) -> None:
        """A batch of so many messages and bytes came to so many sends and bytes.

        Args:
            distinct: how many different bytes these sends had: what many get alike is joined once.
        """
        aim = SEND_BYTES_AIM * (2 if sends >= SHARED_SENDS * distinct else 1)
        if sends:
            self.share = sent_bytes / (sends * taken_bytes)
        if sent_bytes > 2 * aim * sends:
            self.messages = max(MESSAGES_MIN, self.messages // 2)
        elif taken == self.messages and sent_bytes < aim * sends:
            self.messages = min(MESSAGES_MAX, self.messages * 2)
