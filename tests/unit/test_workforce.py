"""What users have done about workers is passed on, and what keeps it from being done is said."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fanout.errors import BrokenError, ClosedError
from fanout.workforce import Workforce

if TYPE_CHECKING:
    import threading


class Ended:
    """A coordinator whose thread has ended, since it has failed."""

    size = 1

    def move(self, subscriber: int, worker: int, flag: threading.Event) -> Ended:
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
