"""Which span size and socket option make plain `send` fastest here: the ground for fanout's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.peers import PEERS, PeerKind
from benchmarks.traffic import Traffic
from benchmarks.workloads.base import RUN_METRICS, Case, Sample, Settings, Workload, measure_run

if TYPE_CHECKING:
    from collections.abc import Sequence

KIB = 1024
SUBSCRIBERS = (10, 100, 1000)
SPANS_KIB = (64, 128, 256, 512, 1024)
SOCKET_OPTIONS = {
    "default": {"lowat": 0, "sndbuf": 0},
    "lowat128K": {"lowat": 128 * KIB, "sndbuf": 0},
    "lowat256K": {"lowat": 256 * KIB, "sndbuf": 0},
    "sndbuf64K": {"lowat": 0, "sndbuf": 64 * KIB},
    "sndbuf128K": {"lowat": 0, "sndbuf": 128 * KIB},
    "sndbuf256K": {"lowat": 0, "sndbuf": 256 * KIB},
    "sndbuf1M": {"lowat": 0, "sndbuf": 1024 * KIB},
}
QUICK_SPANS_KIB, QUICK_OPTIONS = (256, 1024), ("default", "lowat256K", "sndbuf256K")
PAYLOAD_BYTES = 128  # the reference has no messages: this is only the unit of its rate


class Limits(Workload):
    """The reference sender alone, in many settings."""

    name = "limits"
    summary = "the reference sender alone: which span size and socket option are fastest"
    metrics = RUN_METRICS
    peers = ("limit",)

    def kinds(self, settings: Settings) -> Sequence[PeerKind]:
        names = QUICK_OPTIONS if settings.quick else tuple(SOCKET_OPTIONS)
        return [
            PEERS["limit"].variant(f"{name} {span}K", span=span * KIB, **SOCKET_OPTIONS[name])
            for name in names
            for span in (QUICK_SPANS_KIB if settings.quick else SPANS_KIB)
        ]

    def cases(self, settings: Settings) -> Sequence[Case]:
        return [
            Case(f"{subscribers:,} subscribers", Traffic(subscribers, PAYLOAD_BYTES))
            for subscribers in settings.subscribers or SUBSCRIBERS
        ]

    def measure(self, peer: PeerKind, case: Case, settings: Settings) -> Sample:
        return measure_run(peer, case.traffic, settings)
