"""What limits for slow subscribers cost that nobody reaches: fanout with each of them, and without.

Bursts that are less than half of each limit, so that nobody waits at one, loses anything, or is
reported as slow; between them all subscribers catch up, and are counted.
"""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

from benchmarks.peers import PEERS
from benchmarks.session import Session
from benchmarks.traffic import Traffic
from benchmarks.workloads.base import (
    CPU,
    MICRO,
    MILLION,
    RATE,
    Case,
    Metric,
    Sample,
    Settings,
    Workload,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.peers import PeerKind

MIB = 1024 * 1024
PAYLOAD_BYTES = 128
# Of each limit, the largest that the default log allows for; seconds longer than any burst takes.
BOUNDS: dict[str, dict[str, int]] = {
    "none": {},
    "messages": {"limit_messages": 262_144},
    "bytes": {"limit_bytes": 32 * MIB},
    "age": {"limit_age": 60},
}
ACTIONS = {"block": 1, "drop_oldest": 0}
BURST = 80_000  # messages: less than half of each limit, from where on one is slow
BURSTS, QUICK_BURSTS = 7, 3
LISTENERS, WATCHERS = 100, 1000
WATCHED, TOPICS = 20, 1000


class Bounds(Workload):
    """Two policies with each limit, and without; who publishes goes as fast as it can."""

    name = "bounds"
    summary = "fanout with limits for slow subscribers that nobody reaches, and without"
    metrics = (
        RATE,
        CPU,
        Metric("thread_cpu_per_message", "CPU us/call", 1 / MICRO, higher_is_better=False),
        Metric("seconds_per_message", "us/call", 1 / MICRO, higher_is_better=False),
    )
    peers = ("fanout",)

    def kinds(self, settings: Settings) -> Sequence[PeerKind]:
        return [
            PEERS[name].variant(f"{action}, {bound}", block=block, **limit)
            for name in settings.peers or self.peers
            for action, block in ACTIONS.items()
            for bound, limit in BOUNDS.items()
        ]

    def cases(self, settings: Settings) -> Sequence[Case]:
        few, many = settings.subscribers or (LISTENERS,), settings.subscribers or (WATCHERS,)
        return [
            *(_case(number, "") for number in (1, *few)),
            *(
                _case(number, f" x {WATCHED} of {TOPICS:,} topics", TOPICS, WATCHED)
                for number in many
            ),
        ]

    def measure(self, peer: PeerKind, case: Case, settings: Settings) -> Sample:
        with Session(peer, case.traffic) as session:
            session.run(BURST)  # the first one warms up
            bursts = QUICK_BURSTS if settings.quick else BURSTS
            runs = [session.run(BURST) for _ in range(bursts)]
        deliveries = sum(run.deliveries for run in runs)
        return Sample(
            {
                RATE.name: statistics.median(run.deliveries / run.seconds for run in runs),
                CPU.name: sum(run.cpu_seconds for run in runs) / deliveries * MILLION,
                "thread_cpu_per_message": statistics.median(
                    run.publish_cpu_seconds / BURST for run in runs
                ),
                "seconds_per_message": statistics.median(
                    run.publish_seconds / BURST for run in runs
                ),
            }
        )


def _case(subscribers: int, which: str, *topics: int) -> Case:
    label = f"{subscribers:,} subscribers{which}, {PAYLOAD_BYTES} B"
    return Case(label, Traffic(subscribers, PAYLOAD_BYTES, *topics))
