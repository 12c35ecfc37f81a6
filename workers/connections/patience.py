"""Patience: for how long others wait in a turn while newcomers are sent last values. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from fanout.workers.stream.turn_part import TurnPart


class Patience:
    """Says whether there is time for one more; its mutable state: in which turn, and until when.

    What is found and joined once for all who want the same has a time of its own: else all who
    came with the first one would be too late, and what they are sent then costs more than to send
    it at once. So that is once in a turn, which is longer by that, and no more.

    Args:
        part: its clock is that of all parts of turns: of work, so that who was kept waiting by
            other processes does not have less done at once.
        alone_ns, others_ns: how much of that it is; others_ns if there is something new for others.
        has_news: whether there is, for those who keep up.
    """

    def __init__(
        self, part: TurnPart, alone_ns: int, others_ns: int, has_news: Callable[[], bool]
    ) -> None:
        self._part = part
        self._alone_ns, self._others_ns = alone_ns, others_ns
        self._has_news = has_news
        self._turn = -1
        self._began = 0
        self._is_renewed = False

    def lasts(self, turn: int) -> bool:
        """Whether there is time; it is less if there is something new for others.

        Args:
            turn: another number in each turn.
        """
        if turn != self._turn:
            self._turn, self._is_renewed = turn, False
            self._began = self._part.in_time(0)
        most = self._others_ns if self._has_news() else self._alone_ns
        return not self._part.is_past(self._began + most)

    def renew(self) -> None:
        """What all want who come now is found and joined: it begins anew, once in a turn."""
        if not self._is_renewed:
            self._is_renewed = True
            self._began = self._part.in_time(0)
