"""The end of who answers: a thread that gets on is waited for, and one that hangs is not."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from fanout.answers.desk import Desk
from fanout.basics.grace import END_GRACE
from fanout.reasons import Reason
from tests.helpers.ending import Ending


class SlowDesk(Desk):
    """One whose thread ends at that time, in seconds."""

    def __init__(self, ends: float, each: float) -> None:
        self.thread = Ending(ends, each=each)
        self._thread = cast("Any", self.thread)
        self._listener = cast("Any", SimpleNamespace(close=lambda: None))
        self.role = cast("Any", SimpleNamespace())
        self.closed_in: list[float | None] = []

    @property
    def _turns(self) -> int:  # type: ignore[override]  # of others it is stored
        return self.thread.steps

    def close(self, timeout: float | None) -> None:
        self.closed_in.append(timeout)


def test_a_thread_that_is_slow_is_waited_for() -> None:
    for timeout in (0.0, 2.0):
        desk = SlowDesk(timeout + 2.9 * END_GRACE, each=0.9 * END_GRACE)
        desk.leave_desk(Reason.PUBLISHER_CLOSED, timeout)
        assert not desk.thread.is_alive()
        assert (desk.closed_in, desk.role.farewell) == ([timeout], Reason.PUBLISHER_CLOSED)


def test_so_it_is_when_it_is_abandoned() -> None:
    desk = SlowDesk(2.9 * END_GRACE, each=0.9 * END_GRACE)
    desk.abandon(Reason.DISCONNECTED_BY_CALL)
    assert not desk.thread.is_alive()


def test_one_that_hangs_is_not_waited_for_for_ever() -> None:
    desk = SlowDesk(1e9, each=1e9)
    desk.leave_desk(Reason.PUBLISHER_CLOSED, 2.0)
    assert desk.thread.now == pytest.approx(2.0 + END_GRACE)
