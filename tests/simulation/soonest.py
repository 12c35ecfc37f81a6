"""Which seed shows a mistake soonest, of some."""

from __future__ import annotations

import signal
import sys
import time
from typing import TYPE_CHECKING
from unittest import mock

from tests.simulation.mutations import MUTATIONS
from tests.simulation.violated import Violated
from tests.simulation.world import World

if TYPE_CHECKING:
    from collections.abc import Iterable

LIMIT_S = 5.0  # more than any seed takes
ENOUGH_S = 0.01  # CPU time of a seed than which none need be sooner


class _LateError(BaseException):
    """The seed takes longer than another one."""


def soonest(name: str, seeds: Iterable[int]) -> tuple[int, float] | None:
    """The seed by which a mutation is caught in the least CPU time, and that time, in seconds.

    Returns:
        None: none of them shows it.
    """
    owner, attribute, broken = MUTATIONS[name]
    best: tuple[int, float] | None = None
    with mock.patch.object(owner, attribute, broken):
        for seed in seeds:
            took = _time_of(seed, best[1] if best else LIMIT_S)
            if took is not None and (best is None or took < best[1]):
                best = seed, took
            if best is not None and best[1] < ENOUGH_S:
                break
    return best


def _time_of(seed: int, limit_s: float) -> float | None:
    """How long it takes until a violation is found, None if none is found within the limit."""

    def give_up(_number: int, _frame: object) -> None:
        raise _LateError

    before = signal.signal(signal.SIGPROF, give_up)
    start = time.process_time()
    signal.setitimer(signal.ITIMER_PROF, limit_s)
    try:
        # What is given up in a finalizer goes on, and would only be printed.
        with mock.patch.object(sys, "unraisablehook"):
            World(seed).run()
    except Violated:
        return time.process_time() - start
    except _LateError:
        return None
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)
    return None
