"""Threads that wait for room in the log; tasks of an event loop do so in `queue.py`."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from fanout.send.attempt import NO_SPACE
from fanout.send.path import LOOK
from fanout.send.verbs import no_room
from fanout.terms.arguments import as_timeout

if TYPE_CHECKING:
    from collections.abc import Callable

    from fanout.send.attempt import Attempt
    from fanout.send.path import SendPath
    from fanout.statistics import InTheWay


class Waiter:
    """Appends, and has the thread that sends wait while there is no room; any thread.

    Args:
        in_the_way: for whom it waits, as far as is known.
    """

    def __init__(self, path: SendPath, in_the_way: Callable[[], InTheWay | None]) -> None:
        self._path = path
        self._in_the_way = in_the_way

    def send(self, attempt: Attempt, timeout: float | None) -> int:
        """Append, and wait for room if there is none; returns the sequence.

        Args:
            timeout: seconds; None = for ever.

        Raises:
            As `fanout.Publisher.publish()`.
        """
        seconds = None if timeout is None else as_timeout(timeout)
        sequence = attempt.append()
        if sequence != NO_SPACE:
            return sequence
        now, path = time.monotonic(), self._path
        deadline, look_until = None if seconds is None else now + seconds, now + LOOK
        while True:
            if path.make_room(attempt.size, attempt.count):
                sequence = attempt.append()
                if sequence != NO_SPACE:
                    return sequence
            remaining = 1.0 if deadline is None else deadline - time.monotonic()
            if remaining <= 0 and path.is_undecided:
                remaining = look_until - time.monotonic()
            if remaining <= 0:
                raise no_room(timeout, self._in_the_way())
            path.wait_for_room(remaining)
