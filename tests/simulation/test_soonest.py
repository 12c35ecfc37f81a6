"""How long a seed takes is known, or that it takes too long; nothing else comes of it."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Any

from tests.simulation import soonest
from tests.simulation.violated import Violated

if TYPE_CHECKING:
    import pytest


def _violate(_seed: int) -> None:
    raise Violated("as it should")


def _work(_seed: int) -> None:
    while True:
        pass


def test_a_signal_that_comes_when_all_is_over_is_of_no_effect(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It may be on its way when the timer is ended: it went through whoever had asked."""
    before = signal.getsignal(signal.SIGPROF)
    handlers: list[Any] = []

    def end(_which: int, seconds: float) -> None:
        if not seconds:
            handlers.append(signal.getsignal(signal.SIGPROF))
            handlers[0](signal.SIGPROF, None)

    monkeypatch.setattr(signal, "setitimer", end)

    took = soonest._time_of(_violate, 1, 5.0)

    assert handlers
    assert took is not None
    assert signal.getsignal(signal.SIGPROF) is before


def test_who_takes_too_long_is_given_up() -> None:
    assert soonest._time_of(_work, 1, 0.01) is None
