"""Ingress: several producers feed one publisher, which has ten subscribers."""

from __future__ import annotations

import time
from contextlib import ExitStack, closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.audience import Audience
from benchmarks.children import Child
from benchmarks.ingress_costs import (
    BESIDE_SECONDS,
    BROKERS,
    HUBS,
    PACE,
    PACED,
    PRODUCERS,
    RawProducer,
)
from benchmarks.peers import PEERS, PeerKind
from benchmarks.peers.base import LOOPBACK
from benchmarks.resources import ProcessTree
from benchmarks.session import await_served
from benchmarks.traffic import LAST_MARK, PROBE_TOPIC, Traffic
from benchmarks.workloads.base import MICRO, MILLION, Case, Metric, Sample, Settings, Workload

if TYPE_CHECKING:
    from collections.abc import Sequence

SUBSCRIBERS = (10,)
SIZES = (128,)
SENDERS = 4
COUNT, QUICK_COUNT = 250_000, 25_000  # messages of each producer: a second of a fast one
PATIENCE_SECONDS = 60.0
MODULE = "benchmarks.ingress_costs"
NANO = 1e-9
# Of the time that paced producers take: a pause is longer than it is meant to be, and a call that
# is made when they are through costs what it costs beside nobody.
CALLS_SHARE = 0.7
# Producers that not all can have: a stock one speaks ZMTP, and only fanout publishes beside it.
HUBS_OF = {PACED: ("fanout",), "pyzmq": ("fanout", "PULL and PUB")}


@dataclass(frozen=True)
class Load(Case):
    """A case with what its producers are."""

    producers: str = "raw"


class Ingress(Workload):
    """From when all producers are told to send until the last byte at the last subscriber.

    The CPU time is that of who takes and publishes, workers too; producers and subscribers, which
    share the cores with it, have none in it. Beside paced producers the publisher publishes, too:
    what a call costs its own thread then, once a millisecond.
    """

    name = "ingress"
    summary = (
        "four producers feed 10 subscribers: fanout, PULL and PUB by hand, redis, nats, jetstream"
    )
    metrics = (
        Metric("messages_per_second", "M messages/s in", 1 / MILLION),
        Metric("deliveries_per_second", "M deliveries/s", 1 / MILLION),
        Metric("cpu_seconds_per_message", "CPU us each", 1 / MICRO, higher_is_better=False),
        Metric("publish_p50_cpu", "publish() CPU us p50", 1 / MICRO, higher_is_better=False),
        Metric("publish_p99_cpu", "publish() CPU us p99", 1 / MICRO, higher_is_better=False),
    )
    peers = tuple(HUBS)

    def kinds(self, settings: Settings) -> Sequence[PeerKind]:
        del settings  # they are no publishers that could be chosen
        return [
            PEERS[name]
            if name in BROKERS
            else PeerKind(name, "zmtp", name, "", "fanout.ingress" if name == "fanout" else "zmq")
            for name in HUBS
        ]

    def cases(self, settings: Settings) -> Sequence[Case]:
        return [
            Load(
                f"{SENDERS} {producers} producers, {size:,} B, {subscribers:,} subscribers",
                Traffic(subscribers, size),
                peers=HUBS_OF.get(producers),
                producers=producers,
            )
            for producers in PRODUCERS
            for size in settings.sizes or SIZES
            for subscribers in settings.subscribers or SUBSCRIBERS
        ]

    def measure(self, peer: PeerKind, case: Case, settings: Settings) -> Sample:
        assert isinstance(case, Load)
        is_paced = case.producers == PACED
        each = QUICK_COUNT if settings.quick and not is_paced else COUNT
        calls = int(CALLS_SHARE * each / PACE / BESIDE_SECONDS) if is_paced else 0
        with ExitStack() as stack:
            hub = stack.enter_context(Child(MODULE, peer.name))
            port, intake = hub.answer(PATIENCE_SECONDS)["ports"]
            audience = stack.enter_context(closing(Audience(case.traffic, peer.dialect)))
            audience.connect([f"{LOOPBACK}:{port}"])
            await_subscribed(audience, peer.name, intake, case.traffic)
            size = str(case.traffic.payload_bytes)
            arguments = (case.producers, peer.name, str(intake), str(each), size)
            senders = [stack.enter_context(Child(MODULE, *arguments)) for _ in range(SENDERS)]
            for sender in senders:
                sender.answer(PATIENCE_SECONDS)
            audience.expect([each * SENDERS + calls] * case.traffic.subscribers)
            processes = ProcessTree(hub.pid)
            cpu, began_ns = processes.precise_cpu_seconds(), time.monotonic_ns()
            for sender in senders:
                sender.tell(go=True)
            costs: list[int] = []
            if is_paced:
                request = {"publish": calls, "size": case.traffic.payload_bytes}
                costs = hub.ask(PATIENCE_SECONDS, **request)["costs"]
            arrival = audience.await_arrival()
            cpu = processes.precise_cpu_seconds() - cpu
        if arrival.invalid:
            return Sample(invalid=arrival.invalid)
        rate = each * SENDERS / ((arrival.last_ns - began_ns) * NANO)
        values = {
            "messages_per_second": rate,
            "deliveries_per_second": rate * case.traffic.subscribers,
            "cpu_seconds_per_message": cpu / (each * SENDERS),
        }
        for share, name in ((0.5, "publish_p50_cpu"), (0.99, "publish_p99_cpu")):
            if costs:
                values[name] = sorted(costs)[int(share * (len(costs) - 1))] * NANO
        return Sample(values)


def await_subscribed(audience: Audience, hub: str, intake: int, traffic: Traffic) -> None:
    """Send probes, as one more producer, until every subscriber has seen the last of them."""
    with closing(RawProducer(intake, hub)) as prober:
        await_served(
            audience,
            lambda last: prober.send(PROBE_TOPIC, LAST_MARK if last else traffic.probe_payload),
        )
