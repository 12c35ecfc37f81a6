"""Workforce: what users have done about workers; any thread."""

from __future__ import annotations

import math
import threading
import time
from typing import TYPE_CHECKING, Protocol

from fanout.errors import ClosedError, ConfigError, NotMovedError, StartupError
from fanout.terms.arguments import as_timeout, check_move

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MOVE_TIMEOUT = 30.0  # seconds; it takes some ms, unless a worker hangs or is lost meanwhile
POLL = 0.05  # seconds between looks at how far it has come: a start takes some tenths


class Move(Protocol):
    """What has become of a move."""

    problem: str | None  # why the subscriber is not there, for people


class Staffed(Protocol):
    """How far what was wanted of workers has come."""

    @property
    def size(self) -> int:
        """How many are wanted."""
        ...

    @property
    def serving(self) -> int:
        """How many of these serve."""
        ...

    @property
    def is_changing(self) -> bool:
        """Whether some are replaced, started or ended."""
        ...

    @property
    def problem(self) -> str:
        """Why not all will serve, or are replaced, for people; empty = they will, and are."""
        ...

    @property
    def lost(self) -> tuple[str, ...]:
        """How those ended that do not serve, for people."""
        ...


class Staff(Protocol):
    """Who has to do with workers: the coordinator."""

    def move(self, subscriber: int, worker: int, flag: threading.Event) -> Move:
        """Have a subscriber go to another worker; `flag` is set when it has, or will not."""
        ...

    @property
    def size(self) -> int:
        """How many workers there are to be."""
        ...

    def staffed(self) -> Staffed:
        """How far that has come."""
        ...

    def restart_workers(self) -> int:
        """Replace those that serve, one after another, and start the others; returns how many."""
        ...

    def resize(self, workers: int) -> None:
        """There are to be so many workers, of those that there may be."""
        ...


class Workforce:
    """Passes on what is wanted. Its mutable state: a lock, for who has more workers be possible.

    Args:
        enlarge: makes so many workers possible, if they are not yet.
        most: how many there can be.
        check_use: raises if the publisher is closed.
        check_gate: raises why nothing can be sent any more.
    """

    def __init__(
        self,
        staff: Staff,
        enlarge: Callable[[int], None],
        most: int,
        check_use: Callable[[], None],
        check_gate: Callable[[], None],
    ) -> None:
        self._staff = staff
        self._enlarge = enlarge
        self._most = most
        self._lock = threading.RLock()  # a signal handler may call while its thread has it
        self._check_use = check_use
        self._check_gate = check_gate

    def move(self, subscriber: int, worker: int) -> None:
        """See `fanout.Publisher.move()`."""
        check_move(subscriber, worker)
        self._check_use()
        flag = threading.Event()
        try:
            move = self._staff.move(subscriber, worker, flag)
        except ClosedError:
            self._check_gate()  # broken, if that is since the coordinator has failed
            raise
        if not flag.wait(MOVE_TIMEOUT):
            raise TimeoutError(
                f"subscriber {subscriber} is not with worker {worker} after {MOVE_TIMEOUT:g} s: "
                "its new worker, or the machine, hangs; it goes on"
            )
        if move.problem is not None:
            self._check_use()
            raise NotMovedError(subscriber, move.problem)

    def wait(self, timeout: float | None) -> None:
        """See `fanout.Publisher.wait_for_workers()`."""
        for pause in self.pauses_until_done(timeout):
            time.sleep(pause)

    def pauses_until_done(self, timeout: float | None) -> Iterator[float]:
        """As `wait()`, but the caller does the waiting: seconds each time.

        Each step waits for our thread, if not for long.
        """
        seconds = as_timeout(timeout)
        deadline = math.inf if seconds is None else time.monotonic() + seconds
        while True:
            self._check_use()
            try:
                staffed = self._staff.staffed()
            except ClosedError:
                self._check_gate()
                raise
            if not staffed.is_changing:
                if staffed.problem:
                    raise StartupError(staffed.problem)
                if staffed.serving >= staffed.size:
                    return
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                raise TimeoutError(f"{_describe(staffed)} after {timeout} s")
            yield min(remaining, POLL)

    def restart(self) -> int:
        """See `fanout.Publisher.restart_workers()`."""
        self._check_use()
        try:
            with self._lock:
                self._enlarge(min(self._staff.size + 1, self._most))  # one helps meanwhile
                return self._staff.restart_workers()
        except ClosedError:
            self._check_gate()  # broken, if that is since the coordinator has failed
            raise

    def resize(self, workers: int) -> None:
        """See `fanout.Publisher.resize()`."""
        if isinstance(workers, bool) or not isinstance(workers, int):
            raise TypeError(f"workers must be an int, not {type(workers).__name__}")
        if not 1 <= workers <= self._most:
            raise ConfigError(f"workers={workers} is not from 1 to {self._most}")
        self._check_use()
        try:
            with self._lock:
                self._enlarge(workers)
                self._staff.resize(workers)
        except ClosedError:
            self._check_gate()
            raise


def _describe(staffed: Staffed) -> str:
    """How far it has come, for people."""
    lost = f" ({'; '.join(staffed.lost)})" if staffed.lost else ""
    changing = ", and some are still replaced, started or ended," if staffed.is_changing else ""
    return f"{staffed.serving} of {staffed.size} workers serve{lost}{changing}"
