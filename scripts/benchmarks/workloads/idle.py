"""What a publisher with nothing to say takes: CPU, and memory for each subscriber."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from benchmarks.peers import PEERS, PeerKind
from benchmarks.session import Session
from benchmarks.traffic import Traffic
from benchmarks.workloads.base import (
    BROKERS,
    LIBZMQ,
    MEMORY,
    Case,
    Metric,
    Sample,
    Settings,
    Workload,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

KIB = 1024
SUBSCRIBERS, QUICK_SUBSCRIBERS = (1000, 10_000), (1000,)
PAYLOAD_BYTES = 128
SETTLE_SECONDS = 1.0  # after the last handshake
WATCH_SECONDS, QUICK_WATCH_SECONDS = 11.0, 3.0  # the longer one holds a round of heartbeats


class Idle(Workload):
    """Memory of all processes for each subscriber above the first, and their CPU.

    Memory is what the processes have in user space, what they share counted once; what the kernel
    keeps for each connection is the same for every peer.
    """

    name = "idle"
    summary = "memory and CPU of a publisher whose subscribers all wait"
    metrics = (
        Metric("bytes_per_subscriber", "KiB per subscriber", 1 / KIB, higher_is_better=False),
        MEMORY,
        Metric("cpu_share", "% of a core", 100.0, higher_is_better=False),
    )
    peers = ("fanout", *LIBZMQ, *BROKERS, "websockets")

    def kinds(self, settings: Settings) -> Sequence[PeerKind]:
        chosen = [PEERS[name] for name in settings.peers or self.peers]
        return [
            kind.variant(kind.name, heartbeats=1) if kind.name == "fanout" else kind
            for kind in chosen
        ]

    def cases(self, settings: Settings) -> Sequence[Case]:
        chosen = QUICK_SUBSCRIBERS if settings.quick else SUBSCRIBERS
        return [
            Case(f"{subscribers:,} idle subscribers", Traffic(subscribers, PAYLOAD_BYTES))
            for subscribers in settings.subscribers or chosen
        ]

    def measure(self, peer: PeerKind, case: Case, settings: Settings) -> Sample:
        alone, _ = _watch(peer, Traffic(1, PAYLOAD_BYTES), 0.0)
        seconds = QUICK_WATCH_SECONDS if settings.quick else WATCH_SECONDS
        memory, cpu = _watch(peer, case.traffic, seconds)
        return Sample(
            {
                "bytes_per_subscriber": above_the_first(alone, memory, case.traffic.subscribers),
                MEMORY.name: float(memory),
                "cpu_share": cpu / seconds,
            }
        )


def above_the_first(alone: int, memory: int, subscribers: int) -> float:
    """Bytes for each further subscriber, from the memory with one and with all of them."""
    return (memory - alone) / max(1, subscribers - 1)


def _watch(peer: PeerKind, traffic: Traffic, seconds: float) -> tuple[int, float]:
    """Memory in bytes, and CPU seconds over so long a time."""
    with Session(peer, traffic) as session:
        processes = session.peer.processes
        time.sleep(SETTLE_SECONDS)
        before = processes.precise_cpu_seconds()
        time.sleep(seconds)
        cpu = processes.precise_cpu_seconds() - before
        return processes.memory_bytes(), cpu
