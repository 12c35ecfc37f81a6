"""One subscriber that never reads, next to a hundred that do: what the hundred feel."""

from __future__ import annotations

import statistics
from dataclasses import replace
from typing import TYPE_CHECKING

from benchmarks.session import Run, Session
from benchmarks.traffic import Traffic
from benchmarks.workloads.base import (
    LIBZMQ,
    MILLION,
    Case,
    Metric,
    Sample,
    Settings,
    Workload,
    dropping,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.peers import PeerKind

SUBSCRIBERS = (100,)
PAYLOAD_BYTES = 128
BURST = 150_000  # messages, 21 MB on the wire: inside fanout's limit of 32 MiB for each subscriber
BURSTS, QUICK_BURSTS = 8, 4


class Stalled(Workload):
    """Bursts within the limit of a healthy subscriber, with a stalled one and without."""

    name = "stalled"
    summary = "one subscriber that never reads, next to 100 that must lose nothing"
    metrics = (
        Metric("deliveries_per_second", "M/s", 1 / MILLION),
        Metric("share_of_undisturbed", "% of undisturbed", 100.0),
        Metric("memory_growth_bytes", "MB more", 1 / MILLION, higher_is_better=False),
    )
    peers = ("fanout", "fanout-batch", *LIBZMQ)

    def kinds(self, settings: Settings) -> Sequence[PeerKind]:
        return [dropping(kind, BURST) for kind in super().kinds(settings)]

    def cases(self, settings: Settings) -> Sequence[Case]:
        return [
            Case(
                f"{subscribers:,} subscribers and one stalled", Traffic(subscribers, PAYLOAD_BYTES)
            )
            for subscribers in settings.subscribers or SUBSCRIBERS
        ]

    def measure(self, peer: PeerKind, case: Case, settings: Settings) -> Sample:
        bursts = QUICK_BURSTS if settings.quick else BURSTS
        undisturbed = _rate(_bursts(peer, case.traffic, bursts))
        runs = _bursts(peer, replace(case.traffic, stalled=1), bursts)
        return Sample(
            {
                "deliveries_per_second": _rate(runs),
                "share_of_undisturbed": _rate(runs) / undisturbed,
                "memory_growth_bytes": float(runs[-1].memory_bytes - runs[0].memory_bytes),
            }
        )


def _bursts(peer: PeerKind, traffic: Traffic, bursts: int) -> list[Run]:
    with Session(peer, traffic) as session:
        session.run(BURST)  # the first one warms up
        return [session.run(BURST) for _ in range(bursts)]


def _rate(runs: Sequence[Run]) -> float:
    return statistics.median(run.deliveries / run.seconds for run in runs)
