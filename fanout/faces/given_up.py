"""What a producer has given up, since its publisher does not take messages as large. Shell."""

from __future__ import annotations

import logging

from fanout.errors import MessageTooLarge

_logger = logging.getLogger("fanout")


class GivenUp:
    """Logs each, and has the next `drain()` or `close()` tell.

    Args:
        endpoint: of the publisher, for people.
    """

    __slots__ = ("_endpoint", "_last", "_untold")

    def __init__(self, endpoint: str) -> None:
        self._endpoint = endpoint
        self._last = (0, 0)  # size and limit
        self._untold = 0

    def add(self, size: int, limit: int) -> None:
        """One more; on the thread, or in the loop, that sends."""
        self._last = size, limit
        self._untold += 1
        _logger.warning(
            "a message of %d bytes is given up: %s takes %d at most, a quarter of log_bytes there",
            *(size, self._endpoint, limit),
        )

    def take(self) -> int:
        """How many nobody was told of."""
        count, self._untold = self._untold, 0
        return count

    def check(self) -> None:
        """Tell of them, once.

        Raises:
            MessageTooLarge: there are some.
        """
        if self.take():
            raise MessageTooLarge(*self._last)
