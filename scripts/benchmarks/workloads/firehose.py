"""Firehose: every subscriber wants every message, as fast as the publisher can."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.traffic import Traffic
from benchmarks.workloads.base import (
    BROKERS,
    FANOUT,
    LIBZMQ,
    RUN_METRICS,
    Case,
    Sample,
    Settings,
    Workload,
    measure_run,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.peers import PeerKind

SUBSCRIBERS, QUICK_SUBSCRIBERS = (10, 100, 1000, 5000), (100, 1000)
SIZES, QUICK_SIZES = (32, 128, 1024, 16 * 1024, 256 * 1024), (128,)
# What zmq-arena measures other engines with: rows of their own, to be held against its figures.
ARENA_SUBSCRIBERS, ARENA_SIZES = 32, (64, 256, 1024, 4096, 16 * 1024)


class Firehose(Workload):
    """Deliveries a second, all subscribers together."""

    name = "firehose"
    summary = "every subscriber wants every message, as fast as the publisher can"
    metrics = RUN_METRICS
    peers = (*FANOUT, *LIBZMQ, *BROKERS, "websockets", "limit")

    def cases(self, settings: Settings) -> Sequence[Case]:
        sizes = settings.sizes or (QUICK_SIZES if settings.quick else SIZES)
        subscribers = QUICK_SUBSCRIBERS if settings.quick else SUBSCRIBERS
        cases = firehose_cases(settings.subscribers or subscribers, sizes)
        if settings.quick or settings.subscribers or settings.sizes:
            return cases
        return cases + firehose_cases((ARENA_SUBSCRIBERS,), ARENA_SIZES)

    def measure(self, peer: PeerKind, case: Case, settings: Settings) -> Sample:
        return measure_run(peer, case.traffic, settings)


def firehose_cases(subscribers: Sequence[int], sizes: Sequence[int]) -> list[Case]:
    """Every number of subscribers with every size; subscribers who want everything."""
    return [
        Case(f"{number:,} subscribers, {size:,} B", Traffic(number, size))
        for size in sizes
        for number in subscribers
    ]
