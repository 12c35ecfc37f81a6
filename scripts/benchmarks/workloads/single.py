"""Single: the firehose with one worker against one I/O thread and one sender of the limit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.peers import PEERS, PeerKind
from benchmarks.workloads.base import RUN_METRICS, Case, Sample, Settings, Workload, measure_run
from benchmarks.workloads.firehose import ARENA_SIZES, ARENA_SUBSCRIBERS, firehose_cases

if TYPE_CHECKING:
    from collections.abc import Sequence

SUBSCRIBERS, SIZES = (ARENA_SUBSCRIBERS,), ARENA_SIZES
QUICK_SIZES = (64, 1024)
ONE = {"fanout": "workers", "fanout-batch": "workers", "limit": "senders"}  # peer -> its option


class Single(Workload):
    """What one process (or thread) that sends can do; the publishing thread comes on top."""

    name = "single"
    summary = "one worker against one I/O thread, and one sender: 32 subscribers"
    metrics = RUN_METRICS
    peers = ("fanout", "fanout-batch", "libzmq-1io", "limit")

    def kinds(self, settings: Settings) -> Sequence[PeerKind]:
        return [_of_one(PEERS[name]) for name in settings.peers or self.peers]

    def cases(self, settings: Settings) -> Sequence[Case]:
        sizes = QUICK_SIZES if settings.quick else SIZES
        return firehose_cases(settings.subscribers or SUBSCRIBERS, settings.sizes or sizes)

    def measure(self, peer: PeerKind, case: Case, settings: Settings) -> Sample:
        return measure_run(peer, case.traffic, settings)


def _of_one(kind: PeerKind) -> PeerKind:
    """The peer with one that sends; under its own name, for all of them have one here."""
    return kind.variant(kind.name, **{ONE[kind.name]: 1}) if kind.name in ONE else kind
