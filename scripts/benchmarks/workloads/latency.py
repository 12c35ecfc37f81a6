"""Latency at a fixed, modest rate: every delivery, and the last subscriber of each message."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.session import Session
from benchmarks.traffic import Traffic
from benchmarks.workloads.base import (
    BROKERS,
    LIBZMQ,
    MILLION,
    Case,
    Metric,
    Sample,
    Settings,
    Workload,
    milliseconds,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.peers import PeerKind

SIZES = (128,)
RATES = {10: 1000, 100: 1000, 1000: 200}  # subscribers -> messages a second
DELIVERIES_PER_SECOND = 100_000  # for other numbers of subscribers
SECONDS_FACTOR = 3  # paced runs need more time than others: p99.9 of 600 messages is the worst


class Latency(Workload):
    """Times are from before publish() to the read; see `latency.py` for how they are taken."""

    name = "latency"
    summary = "delivery times at a fixed rate, also of each message's last subscriber"
    metrics = (
        milliseconds("last_p50", "ms last p50"),
        milliseconds("last_p99", "p99"),
        milliseconds("last_p999", "p99.9"),
        milliseconds("every_p50", "every p50"),
        milliseconds("every_p99", "p99"),
        milliseconds("every_p999", "p99.9"),
        milliseconds("spread_p50", "first-last p50"),
        milliseconds("spread_p99", "p99"),
        Metric("cpu_seconds_per_million", "CPU s per M", 1.0, higher_is_better=False),
    )
    peers = ("fanout", "fanout-1w", *LIBZMQ, *BROKERS)

    def cases(self, settings: Settings) -> Sequence[Case]:
        return [
            Case(
                f"{subscribers:,} subscribers, {size:,} B, {_rate(subscribers):,} messages/s",
                Traffic(subscribers, size),
            )
            for size in settings.sizes or SIZES
            for subscribers in settings.subscribers or tuple(RATES)
        ]

    def measure(self, peer: PeerKind, case: Case, settings: Settings) -> Sample:
        subscribers = case.traffic.subscribers
        rate = _rate(subscribers)
        count = max(10, int(rate * settings.seconds * SECONDS_FACTOR))
        with Session(peer, case.traffic) as session:
            session.paced(max(10, rate // 4), rate)  # warms up
            latencies, cpu = session.paced(count, rate)
        names = ("p50", "p99", "p999", "max")
        values = {
            f"{kind}_{name}": value
            for kind in ("every", "last", "spread")
            for name, value in zip(names, getattr(latencies, kind), strict=True)
        }
        return Sample(values | {"cpu_seconds_per_million": cpu / (count * subscribers) * MILLION})


def _rate(subscribers: int) -> int:
    return RATES.get(subscribers) or max(1, DELIVERIES_PER_SECOND // subscribers)
