"""Which seed shows a mistake soonest, of some."""

from __future__ import annotations

import signal
import sys
import time
from typing import TYPE_CHECKING
from unittest import mock

from tests.simulation.violated import Violated

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tests.helpers.replacing import Mutation

LIMIT_S = 5.0  # more than any seed takes
ENOUGH_S = 0.01  # CPU time of a seed than which none need be sooner


class _LateError(BaseException):
    """The seed takes longer than another one."""


def soonest(
    mistake: Mutation, run: Callable[[int], object], seeds: Iterable[int]
) -> tuple[int, float] | None:
    """The seed by which a mistake is caught in the least CPU time, and that time, in seconds.

    Args:
        run: runs a seed.

    Returns:
        None: none of them shows it.
    """
    owner, attribute, broken = mistake
    best: tuple[int, float] | None = None
    with mock.patch.object(owner, attribute, broken):
        for seed in seeds:
            took = _time_of(run, seed, best[1] if best else LIMIT_S)
            if took is not None and (best is None or took < best[1]):
                best = seed, took
            if best is not None and best[1] < ENOUGH_S:
                break
    return best


def _time_of(run: Callable[[int], object], seed: int, limit_s: float) -> float | None:
    """How long it takes until a violation is found, None if none is found within the limit."""

    is_late = is_over = False

    def give_up(_number: int, _frame: object) -> None:
        nonlocal is_late
        if not is_over:  # else it is found already, and the signal comes late itself
            is_late = True
            raise _LateError

    before = signal.signal(signal.SIGPROF, give_up)
    start = time.process_time()
    try:
        signal.setitimer(signal.ITIMER_PROF, limit_s)  # which expires once
        try:
            # What is given up in a finalizer goes on, and would only be printed.
            with mock.patch.object(sys, "unraisablehook"):
                run(seed)
        finally:
            is_over = True
    except Violated:
        return time.process_time() - start
    except _LateError:
        return None
    except Exception as error:
        if not is_late:  # interrupted anywhere, it may close something twice, for example
            text = f"# seed {seed} ends in {error!r} here: no test can use it"
            print(text, file=sys.stderr)
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)
    return None
