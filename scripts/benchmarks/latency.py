"""Latencies from byte counts: pure data.

Messages are of one size, so the number of bytes that a subscriber has says which messages it has;
no payload need be read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

QUANTILES = (0.5, 0.99, 0.999, 1.0)
NANO = 1e-9


def arrival_times(reads: Iterable[tuple[int, int]], message_bytes: int, count: int) -> list[int]:
    """When each of `count` messages was complete, from (time, bytes) of each read in order."""
    times: list[int] = []
    total = 0
    for time_ns, size in reads:
        total += size
        complete = min(total // message_bytes, count)
        times.extend([time_ns] * (complete - len(times)))
    return times


def quantiles(values: list[int]) -> list[float]:
    """The 50th, 99th and 99.9th percentile and the most, in seconds, of nanoseconds; sorts them."""
    values.sort()
    last = len(values) - 1
    return [values[min(last, int(share * len(values)))] * NANO for share in QUANTILES]


def summarise(arrivals: Sequence[Sequence[int]], sent_ns: Sequence[int]) -> dict[str, list[float]]:
    """Percentiles over deliveries, over each message's last subscriber, and of its spread."""
    every = [
        arrived - sent for times in arrivals for arrived, sent in zip(times, sent_ns, strict=True)
    ]
    per_message = list(zip(*arrivals, strict=True))
    last = [max(times) - sent for times, sent in zip(per_message, sent_ns, strict=True)]
    spread = [max(times) - min(times) for times in per_message]
    return {"every": quantiles(every), "last": quantiles(last), "spread": quantiles(spread)}
