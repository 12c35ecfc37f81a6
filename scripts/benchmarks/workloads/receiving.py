"""Subscriber: how many messages a second a program in Python takes, and what each costs it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.children import Child
from benchmarks.peers import PeerKind
from benchmarks.traffic import Traffic
from benchmarks.workloads.base import MICRO, MILLION, Case, Metric, Sample, Settings, Workload

if TYPE_CHECKING:
    from collections.abc import Sequence

WAYS = (  # see `benchmarks.receiving_costs`
    *("Subscriber.recv_many", "Subscriber.recv", "asyncio recv_many", "asyncio recv"),
    *("pyzmq recv_multipart", "pyzmq asyncio recv_multipart"),
)
SIZES = (128,)
COUNT, QUICK_COUNT = 300_000, 50_000  # a second, and less, of the slower ways
PATIENCE_SECONDS = 120.0


class Receiving(Workload):
    """One way to receive in a process, and a publisher in another that sends what it has ready."""

    name = "subscriber"
    summary = "messages a second that a program takes from fanout.Subscriber, beside pyzmq"
    metrics = (
        Metric("messages_per_second", "M/s", 1 / MILLION),
        Metric("cpu_seconds_per_message", "CPU us each", 1 / MICRO, higher_is_better=False),
    )
    peers = WAYS

    def kinds(self, settings: Settings) -> Sequence[PeerKind]:
        del settings  # they are no publishers that could be chosen
        return [
            PeerKind(name, "zmtp", name, "", "zmq" if "pyzmq" in name else "fanout.subscriber.core")
            for name in WAYS
        ]

    def cases(self, settings: Settings) -> Sequence[Case]:
        return [Case(f"{size:,} B", Traffic(1, size)) for size in settings.sizes or SIZES]

    def measure(self, peer: PeerKind, case: Case, settings: Settings) -> Sample:
        count = QUICK_COUNT if settings.quick else COUNT
        module = "benchmarks.receiving_costs"
        with Child(module, "feed", str(count), str(case.traffic.payload_bytes)) as feeder:
            port = feeder.answer(PATIENCE_SECONDS)["port"]
            with Child(module, peer.name, f"tcp://127.0.0.1:{port}", str(count)) as receiver:
                figures = receiver.answer(PATIENCE_SECONDS)
        return Sample(
            {
                "messages_per_second": 1 / figures["seconds"],
                "cpu_seconds_per_message": figures["cpu_seconds"],
            }
        )
