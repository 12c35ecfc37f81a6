"""Workforce: what users have done about workers; any thread."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Protocol

from fanout.arguments import check_move
from fanout.errors import ClosedError, NotMovedError

if TYPE_CHECKING:
    from collections.abc import Callable

MOVE_TIMEOUT = 30.0  # seconds; it takes some ms, unless a worker hangs or is lost meanwhile


class Move(Protocol):
    """What has become of a move."""

    problem: str | None  # why the subscriber is not there, for people


class Staff(Protocol):
    """Who has to do with workers: the coordinator."""

    def move(self, subscriber: int, worker: int, flag: threading.Event) -> Move:
        """Have a subscriber go to another worker; `flag` is set when it has, or will not."""
        ...

    def restart_workers(self) -> int:
        """Start those that were given up or wait for their next try; returns how many."""
        ...


class Workforce:
    """Passes on what is wanted; owns nothing.

    Args:
        check_use: raises if the publisher is closed.
        check_gate: raises why nothing can be sent any more.
    """

    def __init__(
        self, staff: Staff, check_use: Callable[[], None], check_gate: Callable[[], None]
    ) -> None:
        self._staff = staff
        self._check_use = check_use
        self._check_gate = check_gate

    def move(self, subscriber: int, worker: int) -> None:
        """See `fanout.Publisher.move()`."""
        check_move(subscriber, worker)
        self._check_use()
        flag = threading.Event()
        move = self._staff.move(subscriber, worker, flag)
        if not flag.wait(MOVE_TIMEOUT):
            raise TimeoutError(
                f"subscriber {subscriber} is not with worker {worker} after {MOVE_TIMEOUT:g} s: "
                "its new worker, or the machine, hangs; it goes on"
            )
        if move.problem is not None:
            self._check_use()
            raise NotMovedError(f"subscriber {subscriber} was not moved: {move.problem}")

    def restart(self) -> int:
        """See `fanout.Publisher.restart_workers()`."""
        self._check_use()
        try:
            return self._staff.restart_workers()
        except ClosedError:
            self._check_gate()  # broken, if that is since the coordinator has failed
            raise
