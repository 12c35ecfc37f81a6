"""Subscriber: how many messages a second a program in Python takes, and what each costs it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.children import Child
from benchmarks.peers import PEERS, PeerKind
from benchmarks.traffic import Traffic
from benchmarks.workloads.base import MICRO, MILLION, Case, Metric, Sample, Settings, Workload

if TYPE_CHECKING:
    from collections.abc import Sequence

WAYS = (  # see `benchmarks.receiving_costs`
    *("Subscriber.recv_many", "Subscriber.recv", "asyncio recv_many", "asyncio recv"),
    *("pyzmq recv_multipart", "pyzmq asyncio recv_multipart"),
    *("redis-py listen", "nats-py ordered consumer"),
)
# What a way needs, by its first word: a package, and a program that feeds it, by its peer.
NEEDS = {"pyzmq": ("zmq", ""), "redis-py": ("redis", "redis"), "nats-py": ("nats", "jetstream")}
OURS = "fanout.subscriber.core", ""
SIZES = (128,)
COUNT, QUICK_COUNT = 300_000, 50_000  # a second, and less, of the slower ways
PATIENCE_SECONDS = 120.0


class Receiving(Workload):
    """One way to receive in a process, and a publisher in another that sends what it has ready.

    Clients of redis and JetStream are fed by these.
    """

    name = "subscriber"
    summary = "messages a second that a program takes: fanout.Subscriber, pyzmq, redis-py, nats-py"
    metrics = (
        Metric("messages_per_second", "M/s", 1 / MILLION),
        Metric("cpu_seconds_per_message", "CPU us each", 1 / MICRO, higher_is_better=False),
    )
    peers = WAYS

    def kinds(self, settings: Settings) -> Sequence[PeerKind]:
        del settings  # they are no publishers that could be chosen
        return [_kind(name) for name in WAYS]

    def cases(self, settings: Settings) -> Sequence[Case]:
        return [Case(f"{size:,} B", Traffic(1, size)) for size in settings.sizes or SIZES]

    def measure(self, peer: PeerKind, case: Case, settings: Settings) -> Sample:
        count = QUICK_COUNT if settings.quick else COUNT
        module = "benchmarks.receiving_costs"
        _module, feeding = NEEDS.get(peer.name.split()[0], OURS)
        size = str(case.traffic.payload_bytes)
        with Child(module, "feed", feeding, str(count), size) as feeder:
            port = feeder.answer(PATIENCE_SECONDS)["port"]
            with Child(module, peer.name, f"tcp://127.0.0.1:{port}", str(count)) as receiver:
                figures = receiver.answer(PATIENCE_SECONDS)
        return Sample(
            {
                "messages_per_second": 1 / figures["seconds"],
                "cpu_seconds_per_message": figures["cpu_seconds"],
            }
        )


def _kind(name: str) -> PeerKind:
    module, feeding = NEEDS.get(name.split()[0], OURS)
    program = PEERS[feeding].needs_program if feeding else ""
    return PeerKind(name, "zmtp", name, "", module, program)
