"""The gate: what was shut stays shut, and a forked child finds it shut."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from fanout.errors import BrokenError, ClosedError, FanoutError, ForkedError
from fanout.send.gate import BROKEN, CLOSED, FORKED, OPEN, Gate

if TYPE_CHECKING:
    from collections.abc import Callable


def test_it_is_open_until_it_is_shut() -> None:
    gate = Gate()
    gate.check()
    gate.check_use()

    assert (gate.state, gate.closed, gate.forked) == (OPEN, False, False)


@pytest.mark.parametrize(
    ("state", "error"), [(CLOSED, ClosedError), (BROKEN, BrokenError), (FORKED, ForkedError)]
)
def test_it_says_why_nothing_can_be_sent(state: int, error: type[FanoutError]) -> None:
    gate = Gate()
    gate.word[0] = state

    with pytest.raises(error):
        gate.check()


def test_a_broken_publisher_can_be_asked_and_closed() -> None:
    gate = Gate()

    assert gate.shut(BROKEN)
    assert not gate.shut(BROKEN), "that is nothing new"
    gate.check_use()
    assert gate.shut(CLOSED)
    with pytest.raises(ClosedError):
        gate.check_use()


def test_what_is_closed_does_not_break() -> None:
    gate = Gate()

    assert gate.shut(CLOSED)
    assert not gate.shut(BROKEN)
    assert gate.closed


def test_what_is_broken_can_be_mended_and_break_again() -> None:
    gate = Gate()
    assert not gate.mend(), "it was not broken"
    gate.shut(BROKEN)

    assert gate.mend()
    gate.check()
    assert gate.shut(BROKEN)


def test_what_is_closed_cannot_be_mended() -> None:
    gate = Gate()
    gate.shut(BROKEN)
    gate.shut(CLOSED)

    assert not gate.mend()
    assert gate.closed


class Interrupted(list[int]):
    """A word; another thread has a turn before, or after, the first store to it."""

    def __init__(self, state: int, other: Callable[[], object], *, after: bool) -> None:
        super().__init__([state])
        self.others = [other]
        self.after = after

    def __setitem__(self, index: Any, value: Any) -> None:
        others, self.others = self.others, []
        for each in others if not self.after else ():
            each()
        super().__setitem__(index, value)
        for each in others if self.after else ():
            each()


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize(
    ("state", "change"), [(BROKEN, Gate.mend), (OPEN, lambda gate: gate.shut(BROKEN))]
)
def test_who_closes_at_the_same_time_has_closed(
    state: int, change: Callable[[Gate], bool], after: bool
) -> None:
    gate: Any = Gate()
    gate.word = Interrupted(state, lambda: gate.shut(CLOSED), after=after)

    assert not change(gate)
    assert gate.closed


def test_who_asks_why_when_it_is_mended_already_is_told_why_it_was_not_open() -> None:
    assert isinstance(Gate().error(), BrokenError)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of a fork with threads, Python 3.12
def test_a_forked_child_finds_it_shut_and_cannot_change_it() -> None:
    gate = Gate()
    child = os.fork()
    if child == 0:
        os._exit(0 if gate.forked and not gate.shut(CLOSED) and gate.forked else 1)

    _, status = os.waitpid(child, 0)

    assert os.waitstatus_to_exitcode(status) == 0
    assert gate.state == OPEN
