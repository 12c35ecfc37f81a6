"""What users have done about workers is passed on, and what keeps it from being done is said."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from fanout.coordinator.staffing import Staffed
from fanout.engine.workforce import POLL, Workforce
from fanout.errors import BrokenError, ClosedError, StartupError

if TYPE_CHECKING:
    import threading


class Ended:
    """A coordinator whose thread has ended, since it has failed."""

    size = 1

    def move(self, subscriber: int, worker: int, flag: threading.Event) -> Ended:
        raise ClosedError("it has ended")

    def staffed(self) -> Staffed:
        raise ClosedError("it has ended")

    def restart_workers(self) -> int:
        raise ClosedError("it has ended")

    def resize(self, workers: int) -> None:
        raise ClosedError("it has ended")

    problem: str | None = None


def test_if_our_thread_has_failed_the_publisher_is_broken_and_not_closed() -> None:
    def broken() -> None:
        raise BrokenError("it has failed")

    workforce = Workforce(Ended(), lambda _workers: None, 4, lambda: None, broken)
    with pytest.raises(BrokenError):
        workforce.move(1, 0)
    with pytest.raises(BrokenError):
        workforce.restart()
    with pytest.raises(BrokenError):
        workforce.resize(2)
    with pytest.raises(BrokenError):
        workforce.wait(0)


class Changing(Ended):
    """One whose workers come as far as the test says, step by step."""

    def __init__(self, *steps: Staffed) -> None:
        self.steps = list(steps)

    def staffed(self) -> Staffed:
        return self.steps.pop(0)

    def pauses(self, timeout: float | None = None) -> list[float]:
        """How long is waited until it is done."""
        workforce = Workforce(self, lambda _workers: None, 4, lambda: None, lambda: None)
        return list(workforce.pauses_until_done(timeout))


def test_it_is_waited_for_until_nothing_changes_and_all_serve() -> None:
    step = Staffed(2, 1, is_changing=False, problem="", lost=())
    changing = replace(step, is_changing=True)
    done = replace(step, serving=2)
    steps = changing, replace(changing, serving=3), step, done
    assert Changing(*steps).pauses() == [POLL] * 3
    assert Changing(done).pauses(0) == []


def test_in_time_or_it_is_said_how_far_it_has_come() -> None:
    lost = "worker 1: exit status 3"
    behind = Staffed(2, 1, is_changing=False, problem="", lost=(lost,))
    with pytest.raises(TimeoutError, match=r"1 of 2 workers serve \(worker 1: .* 3\) after 0 s"):
        Changing(behind).pauses(0)
    changing = replace(behind, is_changing=True, lost=())
    with pytest.raises(TimeoutError, match="1 of 2 workers serve, and some are still replaced"):
        Changing(changing).pauses(0)
    with pytest.raises(ValueError, match="timeout"):
        Changing().pauses(-1)


def test_if_some_were_not_replaced_that_is_an_error_once_nothing_changes() -> None:
    step = Staffed(2, 2, is_changing=True, problem="worker 2 did not serve", lost=())
    failed = replace(step, is_changing=False)
    with pytest.raises(StartupError, match="worker 2 did not serve"):
        Changing(step, failed).pauses()


def test_who_has_closed_it_is_not_waited_for() -> None:
    def closed() -> None:
        raise ClosedError("by another thread")

    staffed = Staffed(2, 1, is_changing=True, problem="", lost=())
    workforce = Workforce(Changing(staffed), lambda _workers: None, 4, closed, lambda: None)
    with pytest.raises(ClosedError):
        workforce.wait(None)
