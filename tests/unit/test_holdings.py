"""What a test leaves behind is found, and what an earlier one has left is not taken for it."""

from __future__ import annotations

import os
import threading

import pytest

from tests.helpers import programs, waiting
from tests.helpers.programs import holdings, require_holdings


def test_a_thread_of_an_earlier_test_may_end_meanwhile() -> None:
    go = threading.Event()
    thread = threading.Thread(target=go.wait)
    thread.start()
    before = holdings()
    go.set()
    thread.join()
    waiting.wait_until(lambda: holdings()[2] < before[2], "its end, for the system too")
    require_holdings(before)


def test_a_thread_that_was_left_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    soon = monkeypatch.setattr
    soon(programs, "wait_until", lambda look, what: waiting.wait_until(look, what, deadline_s=0.05))
    before = holdings()
    go = threading.Event()
    thread = threading.Thread(target=go.wait)
    thread.start()
    with pytest.raises(AssertionError, match="nothing but"):
        require_holdings(before)
    go.set()
    thread.join()


@pytest.mark.parametrize("more", [True, False])
def test_a_descriptor_more_or_less_is_found(more: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    soon = monkeypatch.setattr
    soon(programs, "wait_until", lambda look, what: waiting.wait_until(look, what, deadline_s=0.05))
    one = os.open("/dev/null", os.O_RDONLY)
    without = holdings()
    other = os.open("/dev/null", os.O_RDONLY)
    before = without if more else holdings()
    if not more:
        os.close(other)
    with pytest.raises(AssertionError, match="nothing but"):
        require_holdings(before)
    os.close(one)
    if more:
        os.close(other)
