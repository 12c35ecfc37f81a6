"""Ways to let the publisher go on although somebody with a limit of `block` is at it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from fanout.shm.log import LogWriter
from fanout.workers.idling import Idling
from tests.simulation.mutations.known import replaces


@replaces(Idling, "sleep")
def say_what_is_left_before_all_is_heard(original: Any, self: Idling, front: int) -> bool:
    around: Any = self._around
    heard: Any = SimpleNamespace(is_heard=True)
    self._around = heard
    falls_asleep: bool = original(self, front)
    self._around = around
    return falls_asleep


@replaces(LogWriter, "hold")
def have_a_look_undo_that_credit_was_taken_back(_original: Any, self: LogWriter) -> None:
    self._position_limit = 0
