"""What a worker says of itself in its slot: signs of life, load, and totals. Shell."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fanout.basics.units import NS
from fanout.workers.stream.totals import Totals

if TYPE_CHECKING:
    from fanout.shm.worker_slot import WorkerSlot
    from fanout.workers.stream.pump import Pump
    from fanout.workers.surroundings import Surroundings


def totals_in(slot: WorkerSlot) -> Totals:
    """What the slot says; a replacement counts on from where its predecessor stopped."""
    return Totals(
        *(slot.matched, slot.sent, slot.sent_bytes, slot.dropped, slot.discarded),
        *(slot.dropped_bytes, slot.conflated, slot.conflated_bytes),
        *(slot.matched_bytes, slot.discarded_bytes, slot.replayed),
        from_snapshot=slot.from_snapshot,
        keyframes_lost=slot.keyframes_lost,
    )


class Figures:
    """Writes the slot: signs of life in each tick, and the totals whenever somebody asks.

    Its mutable state: the CPU time at the last measurement, when the next is due, and how many
    subscribers the slot says to be in a snapshot.

    Attributes:
        progress: turns that did something for the messages, or found that there was nothing to do.
            One that stands still, with messages waiting, counts none.
    """

    def __init__(self, around: Surroundings, pump: Pump) -> None:
        self._around = around
        self._slot = around.slot
        self._pump = pump
        self.progress = self._slot.progress
        self._cpu_ns = around.cpu_ns()
        self._next_second = 0  # monotonic ns
        self._in_snapshot = self._slot.in_snapshot  # as its predecessor has left it

    def tick(self, now: int) -> None:
        """It is alive; and once a second: how much it works, and how large it is."""
        self._slot.heartbeat = now
        self._slot.progress = self.progress
        if now >= self._next_second:
            self._next_second = now + NS
            self._measure()

    def publish(self) -> None:
        """Write down what was counted; exact if everybody is settled."""
        slot, pump = self._slot, self._pump
        totals = pump.totals
        slot.matched = totals.matched
        slot.sent = totals.sent
        slot.sent_bytes = totals.sent_bytes
        slot.dropped = totals.dropped
        slot.discarded = totals.discarded
        slot.conflated = totals.conflated
        slot.matched_bytes = pump.matched_bytes
        slot.dropped_bytes = totals.dropped_bytes
        slot.conflated_bytes = totals.conflated_bytes
        slot.discarded_bytes = totals.discarded_bytes
        slot.replayed = totals.replayed
        slot.from_snapshot = totals.from_snapshot
        if totals.keyframes_lost:  # mostly there are no keyframes at all
            slot.keyframes_lost = totals.keyframes_lost
        in_snapshot = pump.in_snapshot
        if in_snapshot != self._in_snapshot:  # mostly there are no last values at all
            self._in_snapshot = slot.in_snapshot = in_snapshot
        slot.cohorts = pump.cohorts.in_use
        slot.front = pump.front
        slot.progress = self.progress

    def _measure(self) -> None:
        cpu_ns = self._around.cpu_ns()
        self._slot.load = (cpu_ns - self._cpu_ns) * 1000 // NS
        self._slot.cpu_ns = self._cpu_ns = cpu_ns
        self._slot.rss_bytes = self._around.rss_bytes()
