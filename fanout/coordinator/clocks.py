"""Clocks: the time of day was set, the machine slept, or this process stood still. Pure.

Nothing here waits by the time of day, so none of that breaks anything: all waiting is by a clock
that never goes back and stands while the machine sleeps. But people compare what happened by the
time of day, connections are dead after a sleep of hours, and who was late to a look was of no
use to anybody meanwhile. So each is told of and counted.

Clocks that run side by side tell which it was. Without a jump their differences stay as they are,
since the system slews all of them alike when it corrects their rate.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from fanout.coordinator.watching import TICK, TICK_TRUST
from fanout.events import Event, EventKind

if TYPE_CHECKING:
    from fanout.coordinator.ledger import Ledger

JUMP = 0.1  # seconds that a clock jumps at least, to be told of; ntpd slews what is below 0.128 s
STANDSTILL = TICK_TRUST * TICK  # seconds between two looks at least; then more is no evidence
READING = 0.02  # seconds that reading them may take; one that was interrupted tells of no jump


class Times(NamedTuple):
    """The clocks at one instant, in seconds.

    Attributes:
        running: since some time; it stands while the machine sleeps, and never goes back.
        existing: the same, and goes on then.
        wall: the time of day, which is set by people and programs.
        took: how long it took to read them.
    """

    running: float
    existing: float
    wall: float
    took: float = 0.0


class Clocks:
    """Tells of jumps between two looks; its mutable state: the clocks at the last one.

    Args:
        ledger: where they are counted.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._looked: float | None = None
        self._slept = 0.0  # existing less running, as far as it was told of
        self._offset = 0.0  # the time of day less existing, as far as it was told of

    def look(self, times: Times) -> list[Event]:
        """What is to be told at this look."""
        before, self._looked = self._looked, times.running
        slept, offset = times.existing - times.running, times.wall - times.existing
        if before is None:
            self._slept, self._offset = slept, offset
            return []
        events = []
        if times.running - before > STANDSTILL:
            events.append(self._stood_still(times.running - before))
        if times.took > READING:
            return events  # they are not of one instant
        if slept - self._slept >= JUMP:
            events.append(self._woke(slept - self._slept))
            self._slept = slept
        if abs(offset - self._offset) >= JUMP:
            events.append(self._was_set(offset - self._offset))
            self._offset = offset
        return events

    def _stood_still(self, seconds: float) -> Event:
        self._ledger.standstills += 1
        text = (
            f"the publisher looked after nothing for {seconds:,.1f} s: its process was stopped, "
            "the machine was paused or too busy, or something held the GIL"
        )
        return Event(EventKind.STOOD_STILL, text)

    def _woke(self, seconds: float) -> Event:
        self._ledger.machine_sleeps += 1
        text = (
            f"the machine slept for {seconds:,.1f} s: of connections that have died meanwhile one "
            "hears as always, since their time begins again now"
        )
        return Event(EventKind.MACHINE_SLEPT, text)

    def _was_set(self, seconds: float) -> Event:
        self._ledger.clock_sets += 1
        way = "forward" if seconds > 0 else "back"
        text = f"the time of day was set {way} by {abs(seconds):,.1f} s: nothing waits by it here"
        return Event(EventKind.CLOCK_SET, text)
