"""CURVE, and TLS beside it: every subscriber wants every message, encrypted for each of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.workloads.base import (
    RUN_METRICS,
    Case,
    Sample,
    Settings,
    Workload,
    measure_run,
)
from benchmarks.workloads.firehose import firehose_cases

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.peers import PeerKind

SUBSCRIBERS, QUICK_SUBSCRIBERS = (10, 100, 1000), (10, 100)
SIZES, QUICK_SIZES = (128, 1024, 16 * 1024), (128,)


class Curve(Workload):
    """Deliveries a second, all subscribers together."""

    name = "curve"
    summary = "the firehose, encrypted for each subscriber by CURVE, or by TLS"
    metrics = RUN_METRICS
    peers = ("fanout-curve", "libzmq-curve-1io", "libzmq-curve-2io", "fanout-tls", "fanout")

    def cases(self, settings: Settings) -> Sequence[Case]:
        sizes = settings.sizes or (QUICK_SIZES if settings.quick else SIZES)
        subscribers = QUICK_SUBSCRIBERS if settings.quick else SUBSCRIBERS
        return firehose_cases(settings.subscribers or subscribers, sizes)

    def measure(self, peer: PeerKind, case: Case, settings: Settings) -> Sample:
        return measure_run(peer, case.traffic, settings)
