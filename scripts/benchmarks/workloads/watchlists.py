"""Watchlists: every subscriber wants some of many topics."""

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

SUBSCRIBERS = 1000
PAYLOAD_BYTES = 128
SHARED_LISTS = 10
WATCHED_OF_TOPICS = ((20, 1000), (200, 1000), (5, 10_000))


class Watchlists(Workload):
    """1,000 subscribers; every one its own list, and ten lists that a hundred each share."""

    name = "watchlists"
    summary = "1,000 subscribers that want some of many topics, own and shared lists"
    metrics = RUN_METRICS
    peers = (*FANOUT, *LIBZMQ, *BROKERS)

    def cases(self, settings: Settings) -> Sequence[Case]:
        return [
            _case(subscribers, size, watched, topics, lists)
            for subscribers in settings.subscribers or (SUBSCRIBERS,)
            for size in settings.sizes or (PAYLOAD_BYTES,)
            for lists in (0, SHARED_LISTS)
            for watched, topics in WATCHED_OF_TOPICS
        ]

    def measure(self, peer: PeerKind, case: Case, settings: Settings) -> Sample:
        return measure_run(peer, case.traffic, settings)


def _case(subscribers: int, size: int, watched: int, topics: int, lists: int) -> Case:
    kind = f"{lists} shared lists" if lists else "own lists"
    label = f"{subscribers:,} subscribers x {watched} of {topics:,} topics, {kind}, {size:,} B"
    return Case(label, Traffic(subscribers, size, topics, watched, lists))
