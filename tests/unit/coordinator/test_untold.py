"""What was lost is told to who takes it, or put back for the next."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, cast

import pytest

from fanout.coordinator.calls import Calls
from fanout.coordinator.ledger import Ledger
from fanout.coordinator.untold import Untold
from tests.helpers.waiting import DEADLINE_S
from tests.unit.coordinator.test_ledger import lose

if TYPE_CHECKING:
    from collections.abc import Callable


class Impatient(Calls):
    """Whoever waits for an answer is interrupted, before it is there or just when it is.

    Args:
        is_answered: whether it is there.
    """

    def __init__(self, *, is_answered: bool) -> None:
        super().__init__()
        self._is_answered = is_answered

    def call(self, function: Callable[[], object], timeout: float = 0.0) -> object:  # type: ignore[override]
        self.post(function)
        if self._is_answered:
            self.take()
        raise KeyboardInterrupt


@pytest.mark.parametrize("is_answered", [False, True])
def test_interrupted_it_leaves_it_to_the_next(is_answered: bool) -> None:
    ledger, calls = Ledger(), Impatient(is_answered=is_answered)
    lose(ledger, [1, 2])
    with pytest.raises(KeyboardInterrupt):
        Untold(cast("Calls", calls), ledger).take()
    calls.take()
    assert [one.messages for one in ledger.lost] == [1, 2]
    calls.close()


def test_taken_it_is_not_told_again() -> None:
    ledger, calls = Ledger(), Calls()
    lose(ledger, [1])
    done = threading.Event()

    def serve() -> None:
        calls.serve_here()
        while not done.wait(0.001):
            calls.take()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        untold = Untold(calls, ledger)
        assert [[one.messages for one in untold.take()] for _ in range(2)] == [[1], []]
    finally:
        done.set()
        thread.join(DEADLINE_S)
        calls.close()
