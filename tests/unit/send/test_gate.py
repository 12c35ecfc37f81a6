"""The gate: what was shut stays shut, and a forked child finds it shut."""

from __future__ import annotations

import os

import pytest

from fanout.errors import BrokenError, ClosedError, FanoutError, ForkedError
from fanout.send.gate import BROKEN, CLOSED, FORKED, OPEN, Gate


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


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of a fork with threads, Python 3.12
def test_a_forked_child_finds_it_shut_and_cannot_change_it() -> None:
    gate = Gate()
    child = os.fork()
    if child == 0:
        os._exit(0 if gate.forked and not gate.shut(CLOSED) and gate.forked else 1)

    _, status = os.waitpid(child, 0)

    assert os.waitstatus_to_exitcode(status) == 0
    assert gate.state == OPEN
