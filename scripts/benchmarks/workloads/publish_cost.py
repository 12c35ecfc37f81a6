"""What one publish() costs its caller, with 1 and with 1,000 subscribers."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

from benchmarks.peers import PEERS, PeerKind
from benchmarks.session import Session
from benchmarks.traffic import Traffic
from benchmarks.workloads.base import MICRO, MILLION, Case, Metric, Sample, Settings, Workload

if TYPE_CHECKING:
    from collections.abc import Sequence

SUBSCRIBERS = (1, 1000)
SIZES = (128,)
BURST = 4_000  # messages: fits every queue, so that nobody waits for a subscriber
STRETCHES = 8  # of a burst; half a millisecond at best, so most of them are not interrupted
BURSTS, QUICK_BURSTS = 20, 8
UNLIMITED = 0  # libzmq's queue: 4,000 x 1,000 entries of 64 B in the longest burst


class PublishCost(Workload):
    """Bursts that every queue holds; between them all subscribers catch up, and are counted.

    A caller shares the cores with whoever delivers. So there are three figures for a call: the time
    of a burst by the clock, that of its typical stretch of 500, and the CPU time of the thread.
    """

    name = "publish-cost"
    summary = "what one publish() of 128 B costs its caller, by the number of subscribers"
    metrics = (
        Metric("messages_per_second", "k calls/s", 1e-3),
        Metric("seconds_per_message", "us/call", 1 / MICRO, higher_is_better=False),
        Metric("seconds_typical", "typical", 1 / MICRO, higher_is_better=False),
        Metric("thread_cpu_per_message", "CPU us/call", 1 / MICRO, higher_is_better=False),
        Metric("cpu_seconds_per_million", "CPU s per M", 1.0, higher_is_better=False),
    )
    peers = ("fanout", "fanout-nice", "fanout-batch", "libzmq-1io")

    def kinds(self, settings: Settings) -> Sequence[PeerKind]:
        chosen = [PEERS[name] for name in settings.peers or self.peers]
        return [
            kind.variant(kind.name, send_hwm=UNLIMITED) if "libzmq" in kind.name else kind
            for kind in chosen
        ]

    def cases(self, settings: Settings) -> Sequence[Case]:
        return [
            Case(f"{subscribers:,} subscribers, {size:,} B", Traffic(subscribers, size))
            for size in settings.sizes or SIZES
            for subscribers in settings.subscribers or SUBSCRIBERS
        ]

    def measure(self, peer: PeerKind, case: Case, settings: Settings) -> Sample:
        with Session(peer, case.traffic) as session:
            session.run(BURST)  # the first one warms up
            bursts = QUICK_BURSTS if settings.quick else BURSTS
            runs = [session.run(BURST, STRETCHES) for _ in range(bursts)]
        seconds = statistics.median(run.publish_seconds for run in runs) / BURST
        stretches = [stretch for run in runs for stretch in run.stretch_seconds]
        thread = statistics.median(run.publish_cpu_seconds for run in runs) / BURST
        deliveries = sum(run.deliveries for run in runs)
        return Sample(
            {
                "messages_per_second": 1 / seconds,
                "seconds_per_message": seconds,
                "seconds_typical": statistics.median(stretches) * STRETCHES / BURST,
                "thread_cpu_per_message": thread,
                "cpu_seconds_per_million": sum(r.cpu_seconds for r in runs) / deliveries * MILLION,
            }
        )
