"""How long a close waits: for what gets on longer than for what hangs, in virtual time."""

from __future__ import annotations

import pytest

from fanout.basics.grace import END_GRACE, END_GRACES, wait_for_end
from tests.helpers.ending import Ending


def waited(thread: Ending, seconds: float) -> tuple[bool, float]:
    has_ended = wait_for_end(thread, lambda: thread.steps, seconds)
    return has_ended, thread.now


@pytest.mark.parametrize("seconds", [0.0, 2.0])
def test_what_ends_is_waited_for_no_longer(seconds: float) -> None:
    assert waited(Ending(1.25), seconds) == (True, 1.25)
    assert waited(Ending(0.0), seconds) == (True, 0.0)


def test_what_hangs_is_waited_for_as_long_as_is_promised() -> None:
    has_ended, now = waited(Ending(1e9, until=1.0), 2.0)
    assert not has_ended
    assert now == pytest.approx(2.0 + END_GRACE)


def test_what_is_slow_is_waited_for() -> None:
    """On a machine where all takes three times as long, and a step is seldom."""
    ends = 2.0 + 2.9 * END_GRACE
    assert waited(Ending(ends, each=0.9 * END_GRACE), 2.0) == (True, ends)


def test_what_hangs_later_is_waited_for_from_its_last_step_on() -> None:
    has_ended, now = waited(Ending(1e9, until=2.0 + END_GRACE), 2.0)
    assert not has_ended
    assert 2.0 + 2 * END_GRACE <= now <= 2.0 + 2.2 * END_GRACE


def test_what_gets_on_and_never_ends_is_not_waited_for_for_ever() -> None:
    has_ended, now = waited(Ending(1e9), 2.0)
    assert not has_ended
    assert now == pytest.approx(2.0 + END_GRACES * END_GRACE)
