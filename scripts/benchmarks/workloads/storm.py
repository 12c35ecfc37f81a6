"""Storm: a thousand subscribers arrive at once while others are being served."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from benchmarks.audience import Audience
from benchmarks.session import Session
from benchmarks.traffic import Traffic
from benchmarks.workloads.base import (
    LIBZMQ,
    Case,
    Metric,
    Sample,
    Settings,
    Workload,
    milliseconds,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.peers import PeerKind

NANO = 1e-9
ARRIVING = (1000,)
TOPICS, WATCHED = 10_000, 100
HEALTHY = 100
PER_SECOND = 500
CALM_SECONDS = 0.5  # paced messages before the storm
PACED_SECONDS = 4.0  # of them in all; a storm must be over before
PAYLOAD_BYTES = 128


class Storm(Workload):
    """The newcomers are served when each has seen a message on the last topic it asked for.

    There is one for them each 10 ms. What the others feel is taken from the messages of that time.
    """

    name = "storm"
    summary = "1,000 subscribers arrive with 100 topics each; what the 100 there before feel"
    metrics = (
        Metric("seconds_until_served", "s until all served", 1.0, higher_is_better=False),
        milliseconds("healthy_p50", "healthy p50 ms"),
        milliseconds("healthy_p99", "p99"),
        milliseconds("healthy_p999", "p99.9"),
    )
    peers = ("fanout", *LIBZMQ)

    def cases(self, settings: Settings) -> Sequence[Case]:
        return [
            Case(
                f"{arriving:,} arrive with {WATCHED} of {TOPICS:,} topics each",
                Traffic(arriving, PAYLOAD_BYTES, TOPICS, WATCHED),
            )
            for arriving in settings.subscribers or ARRIVING
        ]

    def measure(self, peer: PeerKind, case: Case, settings: Settings) -> Sample:
        healthy = replace(case.traffic, subscribers=HEALTHY, watched=0)
        newcomers = Audience(case.traffic, peer.dialect)
        try:
            with Session(peer, healthy) as session:
                count = int(PACED_SECONDS * PER_SECOND)
                session.begin_paced(count, PER_SECOND, after=CALM_SECONDS)
                newcomers.connect(session.peer.endpoints)
                newcomers.await_probe()  # some of the paced messages are
                served = newcomers.poll_probed(PACED_SECONDS)
                if served is None:
                    return Sample(invalid=f"not all were served within {PACED_SECONDS:g} s")
                latencies = session.end_paced(PER_SECOND, served.began_ns, served.ended_ns)
        finally:
            newcomers.close()
        p50, p99, p999, _ = latencies.every
        return Sample(
            {
                "seconds_until_served": (served.ended_ns - served.began_ns) * NANO,
                "healthy_p50": p50,
                "healthy_p99": p99,
                "healthy_p999": p999,
            }
        )
