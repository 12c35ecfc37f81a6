"""One that hangs is aborted, to say where, and killed if it does not end of that."""

from __future__ import annotations

import pytest

from fanout.coordinator.actions import Abort, Kill
from fanout.coordinator.lives import Sight
from fanout.coordinator.supervision import Supervision
from fanout.coordinator.watching import ABORT_GRACE, TICK

WORKER_TIMEOUT = 10.0
REASON = "no sign of life for 10 s (worker_timeout)"


class Watch:
    """One worker that serves, and gave its last sign of life at the time 0."""

    def __init__(self) -> None:
        self.now = 0.0
        self.supervision = Supervision(1, WORKER_TIMEOUT, 30.0, self.now)
        self.supervision.started(0)
        self.supervision.serves(0, self.now)

    def look(self, after: float = TICK) -> list[object]:
        self.now += after
        return list(self.supervision.look(self.now, [Sight(0, False)]))

    def wait_for_abort(self) -> None:
        while (actions := self.look()) == []:
            assert self.now < WORKER_TIMEOUT
        assert (actions, self.now) == ([Abort(0)], WORKER_TIMEOUT)


@pytest.fixture
def watch() -> Watch:
    return Watch()


def test_it_is_aborted_once_and_killed_after_a_grace(watch: Watch) -> None:
    watch.wait_for_abort()

    assert watch.supervision.next_look() == WORKER_TIMEOUT + ABORT_GRACE
    assert watch.look(ABORT_GRACE / 2) == []
    assert watch.look(ABORT_GRACE) == [Kill(0, REASON)]


def test_one_that_ends_of_the_abort_was_killed_by_us(watch: Watch) -> None:
    watch.wait_for_abort()

    actions = watch.supervision.ended(0, "killed by SIGABRT", watch.now, -6)

    (event,) = [action.event for action in actions if hasattr(action, "event")]
    assert (event.reason, event.exit_code) == (f"killed by us: {REASON}", -6)


def test_who_is_to_be_killed_anyway_is_not_aborted(watch: Watch) -> None:
    killed = watch.supervision.condemn(0, "it sent what it cannot send")
    while watch.now < WORKER_TIMEOUT:
        assert watch.look() == []

    assert killed == [Kill(0, "it sent what it cannot send")]


def test_at_the_end_of_its_time_there_is_none_for_that(watch: Watch) -> None:
    watch.now = WORKER_TIMEOUT - 2 * TICK
    watch.supervision.finish(0.0, watch.now)
    watch.now += WORKER_TIMEOUT

    actions = watch.look()

    assert [type(action) for action in actions] == [Kill]
