"""Clocks: each jump is told of once and counted, of whatever kind it is, and nothing else is."""

from __future__ import annotations

import pytest

from fanout.coordinator.clocks import JUMP, READING, STANDSTILL, Clocks, Times
from fanout.coordinator.ledger import Ledger
from fanout.coordinator.watching import TICK
from fanout.events import EventKind

CLOCK_SET, SLEPT, STOOD = EventKind.CLOCK_SET, EventKind.MACHINE_SLEPT, EventKind.STOOD_STILL
WALL = 1_700_000_000.0


class Machine:
    """Its clocks, who looks at them, and what that tells."""

    def __init__(self) -> None:
        self.running, self.slept, self.set_by = 50.0, 7.0, 0.0
        self.ledger = Ledger()
        self._clocks = Clocks(self.ledger)
        assert self.look(0.0) == [], "there is nothing to compare with"

    def look(self, seconds: float = TICK, took: float = 0.0) -> list[tuple[EventKind, str]]:
        self.running += seconds
        existing = self.running + self.slept
        times = Times(self.running, existing, WALL + existing + self.set_by, took)
        told = self._clocks.look(times)
        return [(one.kind, one.reason) for one in told]

    def counted(self) -> tuple[int, int, int]:
        ledger = self.ledger
        return ledger.clock_sets, ledger.machine_sleeps, ledger.standstills


def test_time_that_passes_is_nothing() -> None:
    machine = Machine()
    assert [machine.look(seconds) for seconds in (0.0, TICK, STANDSTILL)] == [[]] * 3
    assert machine.counted() == (0, 0, 0)


@pytest.mark.parametrize(
    ("seconds", "text"), [(3_600.0, "forward by 3,600.0 s"), (-0.5, "back by 0.5 s")]
)
def test_the_time_of_day_is_set(seconds: float, text: str) -> None:
    machine = Machine()
    machine.set_by = seconds
    ((kind, reason),) = machine.look()
    assert (kind, text in reason) == (CLOCK_SET, True)
    assert machine.look() == [], "told twice"
    assert machine.counted() == (1, 0, 0)


def test_small_steps_add_up() -> None:
    machine = Machine()
    told = []
    for _ in range(10):
        machine.set_by += JUMP / 4
        told += machine.look()
    assert machine.counted() == (len(told), 0, 0) == (2, 0, 0)


def test_the_machine_sleeps() -> None:
    """The time of day goes on meanwhile: that is no jump of it."""
    machine = Machine()
    machine.slept += 30_000.0
    ((kind, reason),) = machine.look()
    assert (kind, "30,000.0 s" in reason) == (SLEPT, True)
    assert machine.look() == []
    assert machine.counted() == (0, 1, 0)


def test_the_process_stands_still() -> None:
    """Whoever was stopped: the clocks of the machine have all gone on."""
    machine = Machine()
    ((kind, reason),) = machine.look(12.3)
    assert (kind, "12.3 s" in reason) == (STOOD, True)
    assert machine.look() == []
    assert machine.counted() == (0, 0, 1)


def test_all_of_it_at_once() -> None:
    machine = Machine()
    machine.slept, machine.set_by = 100.0, -60.0
    assert [kind for kind, _ in machine.look(5.0)] == [STOOD, SLEPT, CLOCK_SET]
    assert machine.counted() == (1, 1, 1)


def test_a_reading_that_was_interrupted_says_nothing_and_the_next_one_does() -> None:
    machine = Machine()
    machine.set_by = 1.0
    assert machine.look(took=2 * READING) == []
    assert [kind for kind, _ in machine.look()] == [CLOCK_SET]
