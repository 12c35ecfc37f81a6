"""Subscribing: how long it takes until a long list of topics is in force."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.children import Child
from benchmarks.hosted import HostedPeer
from benchmarks.traffic import Traffic
from benchmarks.workloads.base import LIBZMQ, Case, Metric, Sample, Settings, Workload

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.peers import PeerKind

TOPICS, QUICK_TOPICS = (1000, 9900, 50_000), (1000, 9900)
PAYLOAD_BYTES = 128
CALL_SECONDS = 30.0
PROBE_SECONDS = 0.001  # between two probes: how exact the times are
NANO = 1e-9
MILLI = 1e-3


class Subscribing(Workload):
    """One stock SUB; its list is in force when it sees a message on the last topic of it.

    The first time counts from its connect, the second from its next connect with the same list,
    right after it has left, the third from the SIGKILL of the worker that serves it.
    """

    name = "subscribing"
    summary = (
        "one SUB with a long list of topics: until all are in force, first, again, after a loss"
    )
    metrics = (
        Metric("seconds_first", "first ms", 1 / MILLI, higher_is_better=False),
        Metric("seconds_again", "again ms", 1 / MILLI, higher_is_better=False),
        Metric("seconds_after_loss", "worker lost ms", 1 / MILLI, higher_is_better=False),
    )
    peers = ("fanout", *LIBZMQ)

    def cases(self, settings: Settings) -> Sequence[Case]:
        return [
            Case(f"one SUB with {topics:,} topics", Traffic(1, PAYLOAD_BYTES, topics, topics))
            for topics in (QUICK_TOPICS if settings.quick else TOPICS)
        ]

    def measure(self, peer: PeerKind, case: Case, settings: Settings) -> Sample:
        hosted = HostedPeer(peer, case.traffic)
        subscriber = Child("benchmarks.stock", str(case.traffic.topics))
        try:
            [endpoint] = hosted.endpoints
            began = subscriber.ask(CALL_SECONDS, do="connect", endpoint=endpoint)["began_ns"]
            first = _seconds_until_served(hosted, subscriber, began)
            began = subscriber.ask(CALL_SECONDS, do="reconnect")["began_ns"]
            values = {
                "seconds_first": first,
                "seconds_again": _seconds_until_served(hosted, subscriber, began),
            }
            if peer.has_workers:
                subscriber.ask(CALL_SECONDS, do="drain")
                lost = hosted.lose_worker()
                values["seconds_after_loss"] = _seconds_until_served(hosted, subscriber, lost)
            return Sample(values)
        finally:
            subscriber.close()
            hosted.close()


def _seconds_until_served(hosted: HostedPeer, subscriber: Child, began_ns: int) -> float:
    subscriber.tell(do="await-probe", allowed_seconds=CALL_SECONDS)
    while True:
        hosted.probe()
        try:
            arrived: int = subscriber.answer(PROBE_SECONDS)["arrived_ns"]
        except TimeoutError:
            continue
        if not arrived:
            raise TimeoutError(f"the list was not in force within {CALL_SECONDS:g} s")
        return (arrived - began_ns) * NANO
