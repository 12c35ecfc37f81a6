"""Scaling: the firehose with one worker (or I/O thread, or sender), then with more."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from benchmarks.peers import PEERS, PeerKind
from benchmarks.workloads.base import RUN_METRICS, Case, Sample, Settings, Workload, measure_run
from benchmarks.workloads.firehose import firehose_cases

if TYPE_CHECKING:
    from collections.abc import Sequence

SUBSCRIBERS = (32, 1000)
SIZES = (64, 256, 1024, 16 * 1024)
QUICK_SIZES = (64, 1024)
PARALLELISM = {"fanout-batch": "workers", "libzmq-1io": "io_threads", "limit": "senders"}


class Scaling(Workload):
    """One, two, four ... up to the number of cores."""

    name = "scaling"
    summary = "one worker, I/O thread or sender, and more of them up to the number of cores"
    metrics = RUN_METRICS
    peers = tuple(PARALLELISM)

    def kinds(self, settings: Settings) -> Sequence[PeerKind]:
        return [
            PEERS[name].variant(f"{name.split('-')[0]}-{number}", **{option: number})
            for number in _numbers(len(os.sched_getaffinity(0)))
            for name, option in PARALLELISM.items()
        ]

    def cases(self, settings: Settings) -> Sequence[Case]:
        sizes = settings.sizes or (QUICK_SIZES if settings.quick else SIZES)
        return firehose_cases(settings.subscribers or SUBSCRIBERS, sizes)

    def measure(self, peer: PeerKind, case: Case, settings: Settings) -> Sample:
        return measure_run(peer, case.traffic, settings)


def _numbers(cores: int) -> list[int]:
    powers = [1]
    while powers[-1] * 2 < cores:
        powers.append(powers[-1] * 2)
    return powers if cores == 1 else [*powers, cores]
