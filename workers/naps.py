"""Naps: how long a worker lets messages accumulate in a flood. Pure.

A wake-up costs the publisher a system call and the worker a turn, and a send costs as much for one
message as for a hundred. Shared by many messages they cost next to nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fanout.basics.units import NS
from fanout.shm.credit import FREE

if TYPE_CHECKING:
    from fanout.shm.credit import Credit

FLOOD_RATE = 50_000  # messages per second, from which on the worker naps
WINDOW_NS = 10_000_000  # over which the rate is taken: a burst of 500 messages is no flood
NAP = 0.0002  # seconds: ten messages at FLOOD_RATE
NAP_RATE = 100_000  # messages per second, from which on naps grow with the rate
NAPS_MAX = 5  # times NAP: the longest nap by rate, a millisecond, in which 500 messages come in
NAP_WORK = 2  # times the work of the last turn: who is busy works for a third of the time
NAP_MAX = 0.005  # seconds: the most that a flood adds to the latency
NAP_MIN = 0.0001  # seconds; a system call and two switches are not worth less
SEND_BYTES = 256 * 1024  # that a send has after a nap: more makes it no cheaper for each byte
# Of what it takes until the publisher has no credit any more: the most; once it had to wait, half
# of what it was, and more again in each nap before which it had not.
CREDIT_PART = 0.5
CREDIT_PART_MIN = 0.01  # from here on it grows again
CREDIT_GROWTH = 1.05
LOG_PART = 8  # at most 1/8 of the log waits for a nap to end: the publisher shall have room


class Naps:
    """Knows how fast messages come in, and decides.

    Its mutable state: where the front was when the window began, and the rates of the last window.

    Args:
        log_bytes: size of the log.
    """

    def __init__(self, log_bytes: int) -> None:
        self._most_bytes = log_bytes // LOG_PART
        self._front = self._position = self._since = 0
        self._rate = self._byte_rate = 0.0
        self._credit_part = CREDIT_PART

    def learn(self, front: int, position: int, now: int) -> bool:
        """A turn has brought the front to this message, at this position, at `now` in ns.

        Returns:
            Whether that is a flood: if not, nobody naps.
        """
        elapsed = now - self._since
        if elapsed >= WINDOW_NS:
            self._rate = (front - self._front) * NS / elapsed
            self._byte_rate = (position - self._position) * NS / elapsed
            self._front, self._position, self._since = front, position, now
        return self._rate > FLOOD_RATE

    def hurry(self) -> None:
        """The publisher had to wait for more credit."""
        self._credit_part /= 2

    def pause(self, work_ns: int, waiting_bytes: int, share: float, left: Credit = FREE) -> float:
        """Seconds to let pass now, in a flood; 0.0 = none.

        Not longer than it takes until there is enough for a large send, nor, but for the shortest,
        than a part of what it takes until the publisher has to wait: it shall get more before.

        Args:
            work_ns: what the last turn took.
            waiting_bytes: in the log, above the front.
            share: of the log's bytes that one send carries, above 0.0, up to 1.0.
            left: how much the publisher may commit.
        """
        by_rate = NAP * min(max(self._rate / NAP_RATE, 1), NAPS_MAX)
        by_work = NAP_WORK * work_ns / NS
        missing = min(SEND_BYTES / share, self._most_bytes) - waiting_bytes
        until = min(left.sequence / self._rate, left.position / self._byte_rate)
        part = max(self._credit_part, CREDIT_PART_MIN)
        part = self._credit_part = min(part * CREDIT_GROWTH, CREDIT_PART)
        until = max(max(until, left.room / self._byte_rate) * part, NAP_MIN)
        pause = min(max(by_rate, by_work), NAP_MAX, missing / self._byte_rate, until)
        return pause if pause >= NAP_MIN else 0.0
