"""Subscribers that never read, next to 99 that do: how long the 99 wait for each message."""

from __future__ import annotations

import statistics
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING

from benchmarks.session import Session
from benchmarks.traffic import Traffic
from benchmarks.workloads.base import (
    LIBZMQ,
    Case,
    Metric,
    Sample,
    Settings,
    Workload,
    dropping,
    milliseconds,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from benchmarks.peers import PeerKind

SUBSCRIBERS = (99,)
STALLED = (0, 1, 20)
MOST = STALLED[-1]
PAYLOAD_BYTES = 128
PER_SECOND = 1000
LAPS, QUICK_LAPS = 5, 2
BURST = 5_000  # messages, 0.7 MB on the wire: below the limit, so nobody healthy loses any
LIMIT_BYTES = 1024 * 1024  # of fanout: what is published in a lap is dropped in several portions
# Before anything is measured, 14 MB: more than the buffers of the kernel and the limit hold
# together, so that those who stall lose at their limit whatever is published.
BURSTS = 20


class Isolation(Workload):
    """One publisher for each number of stalled ones, all there at once, and paced in turn.

    What else the machine does hits all of them alike, then. A figure is the median over the laps,
    and the maximum that of all.
    """

    name = "isolation"
    summary = "delivery times of 99 subscribers beside 0, 1 and 20 that never read"
    metrics = (
        milliseconds(f"p99_{MOST}", f"beside {MOST}: p99 ms"),
        Metric("p99_growth", f"p99 {MOST} : 0", 1.0, higher_is_better=False),
        milliseconds(f"p50_{MOST}", f"{MOST}: p50 ms"),
        milliseconds(f"max_{MOST}", "max"),
        *(
            milliseconds(f"{name}_{stalled}", f"{stalled}: p50 ms" if name == "p50" else name)
            for stalled in STALLED[:-1]
            for name in ("p50", "p99", "max")
        ),
    )
    peers = ("fanout", *LIBZMQ, "nats")

    def kinds(self, settings: Settings) -> Sequence[PeerKind]:
        return [
            dropping(kind, BURST, slow_limit_bytes=LIMIT_BYTES) for kind in super().kinds(settings)
        ]

    def cases(self, settings: Settings) -> Sequence[Case]:
        return [
            Case(
                f"{subscribers:,} healthy subscribers, {size:,} B, {PER_SECOND:,} messages/s",
                Traffic(subscribers, size),
            )
            for size in settings.sizes or (PAYLOAD_BYTES,)
            for subscribers in settings.subscribers or SUBSCRIBERS
        ]

    def measure(self, peer: PeerKind, case: Case, settings: Settings) -> Sample:
        count = max(10, int(PER_SECOND * settings.seconds))
        found: dict[int, list[tuple[float, ...]]] = {stalled: [] for stalled in STALLED}
        with ExitStack() as stack:
            sessions = [
                (stalled, stack.enter_context(_filled(peer, case.traffic, stalled)))
                for stalled in STALLED
            ]
            for lap in range(QUICK_LAPS if settings.quick else LAPS):
                first = lap % len(sessions)  # who comes after whom shall not matter
                for stalled, session in sessions[first:] + sessions[:first]:
                    session.paced(PER_SECOND // 4, PER_SECOND)  # it was idle for a while
                    found[stalled].append(session.paced(count, PER_SECOND)[0].every)
        return Sample(figures_of(found))


def _filled(peer: PeerKind, traffic: Traffic, stalled: int) -> Session:
    """A session in which those who stall have all that they will ever take."""
    session = Session(peer, replace(traffic, stalled=stalled))
    try:
        for _ in range(BURSTS):
            session.run(BURST)
    except BaseException:
        session.close()
        raise
    return session


def figures_of(found: Mapping[int, Sequence[tuple[float, ...]]]) -> dict[str, float]:
    """What the laps come to.

    Args:
        found: for each number of stalled subscribers p50, p99, p99.9 and maximum of each lap.
    """
    figures: dict[str, float] = {}
    for stalled, laps in found.items():
        p50, p99, _, most = zip(*laps, strict=True)
        figures[f"p50_{stalled}"] = statistics.median(p50)
        figures[f"p99_{stalled}"] = statistics.median(p99)
        figures[f"max_{stalled}"] = max(most)
    return figures | {"p99_growth": figures[f"p99_{MOST}"] / figures["p99_0"]}
