"""What goes wrong with the connection of a producer, in the log. Shell."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from fanout.sockets.problems import ProblemKind

if TYPE_CHECKING:
    from fanout.sockets.problems import Problem

LOST = "%s: the connection is lost (%s); what was on the way may not have been published"
REFUSED = "%s is no endpoint of ingest(), or does not let this producer in: %s; trying again"
FAILED = "%s: %s; trying again"

_logger = logging.getLogger("fanout")
_TEXTS = {
    ProblemKind.LOST: (logging.WARNING, LOST),
    ProblemKind.REFUSED: (logging.WARNING, REFUSED),
    ProblemKind.FAILED: (logging.INFO, FAILED),
}


class Troubles:
    """Logs them: those that come again and again, as attempts to connect do, once in a row.

    Args:
        endpoint: of the publisher, for people.
    """

    __slots__ = ("_endpoint", "_last")

    def __init__(self, endpoint: str) -> None:
        self._endpoint = endpoint
        self._last: tuple[ProblemKind, str] | None = None

    def tell(self, problem: Problem) -> None:
        """One more; on the thread, or in the loop, that sends."""
        same = problem.kind, problem.text
        told = _TEXTS.get(problem.kind)
        if told is None or (same == self._last and problem.kind is not ProblemKind.LOST):
            return
        self._last = same
        level, text = told
        _logger.log(level, text, self._endpoint, problem.text)
