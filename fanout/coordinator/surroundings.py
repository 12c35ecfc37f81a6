"""What the coordinator gets from outside: clock, selector, processes. Tests hand in their own."""

from __future__ import annotations

import select
import selectors
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from fanout.basics.descriptors import standard_taken
from fanout.basics.system_calls import needed
from fanout.coordinator.clocks import Times
from fanout.coordinator.conditions import read_condition
from fanout.coordinator.spawn import WorkerProcess

if TYPE_CHECKING:
    from collections.abc import Callable

    from fanout.coordinator.lives import Condition


class Process(Protocol):
    """A worker's process that was started."""

    @property
    def pid(self) -> int | None:
        """Its process id."""

    @property
    def sentinel(self) -> int:
        """A descriptor that is readable once it has ended."""

    @property
    def exitcode(self) -> int | None:
        """Once it has ended: its exit status, or -N for signal N; None = nobody knows."""

    def abort(self) -> None:
        """Have it print where it is, and end; it may be unable to.

        Raises:
            OSError: as `kill()`.
        """

    def kill(self) -> None:
        """End it at once.

        Raises:
            OSError: the system does not permit that, mostly since the rights of this program have
                changed.
        """

    def join(self, timeout: float) -> None:
        """Wait for its end, so many seconds at most."""

    def close(self) -> None:
        """Release what is held for it, whether it has ended or is left to itself."""


def start_process(index: int, control_descriptor: int) -> Process:
    """Start the process of a worker; the caller closes its copy of the descriptor.

    Raises:
        OSError: the system gives none; nothing is left behind.
    """
    process = WorkerProcess(index, control_descriptor)
    process.start()
    return process


def make_selector() -> selectors.BaseSelector:
    """What tells that a descriptor is readable.

    Raises:
        OSError: the system gives no descriptor.
    """
    with standard_taken():
        with needed("epoll_create1", "watches sockets, here and in the workers"):
            select.epoll().close()
        return selectors.DefaultSelector()


def read_times() -> Times:
    """All clocks, one after another; where the system does not say whether it slept, it did not."""
    running = time.monotonic()
    try:
        existing = time.clock_gettime(time.CLOCK_BOOTTIME)
    except OSError:  # a sandbox refuses it
        existing = running
    wall = time.time()
    return Times(running, existing, wall, time.monotonic() - running)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Clock, selector and processes of one coordinator.

    Attributes:
        now: seconds of a clock that never goes back.
        make_selector: what tells that a descriptor is readable; the coordinator closes it.
        start_process, read_condition, read_times: as the functions of these names.
    """

    now: Callable[[], float] = time.monotonic
    make_selector: Callable[[], selectors.BaseSelector] = make_selector
    start_process: Callable[[int, int], Process] = start_process
    read_condition: Callable[[int], Condition | None] = read_condition
    read_times: Callable[[], Times] = read_times


REAL = Surroundings()
