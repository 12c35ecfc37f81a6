"""What a publish() costs its caller, with 1 and with 1,000 subscribers, and what each verb does."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

from benchmarks.children import Child
from benchmarks.peers import PEERS, PeerKind
from benchmarks.session import Session
from benchmarks.traffic import Traffic
from benchmarks.verbs import ASYNCIO, BATCH, PAYLOAD, VERBS
from benchmarks.workloads.base import (
    MICRO,
    MILLION,
    Case,
    Metric,
    Sample,
    Settings,
    Workload,
    is_pyzmq,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

SUBSCRIBERS = (1, 1000)
SIZES = (128,)
BURST = 4_000  # messages: fits every queue, so that nobody waits for a subscriber
STRETCHES = 8  # of a burst; half a millisecond at best, so most of them are not interrupted
BURSTS, QUICK_BURSTS = 20, 8
UNLIMITED = 0  # libzmq's queue: 4,000 x 1,000 entries of 64 B in the longest burst
PAIRS, QUICK_PAIRS = 150, 25  # of stretches, of a verb and of publish(): half a second
VERB_SECONDS = 60.0  # for all of them

_VERB = PeerKind("", "zmtp", "a verb of fanout", "benchmarks.verb_costs:main", "fanout.publisher")


class PublishCost(Workload):
    """Bursts that every queue holds; between them all subscribers catch up, and are counted.

    A caller shares the cores with whoever delivers. So there are three figures for a call: the time
    of a burst by the clock, that of its typical stretch of 500, and the CPU time of the thread.

    The verbs are rows of cases of their own: each against publish(), and against the publish() of
    its kind (awaited, in a batch), in turns, in one process.
    """

    name = "publish-cost"
    summary = (
        "what one publish() of 128 B costs its caller, by the number of subscribers, and each verb"
    )
    metrics = (
        Metric("messages_per_second", "k calls/s", 1e-3),
        Metric("seconds_per_message", "us/call", 1 / MICRO, higher_is_better=False),
        Metric("seconds_typical", "typical", 1 / MICRO, higher_is_better=False),
        Metric("thread_cpu_per_message", "CPU us/call", 1 / MICRO, higher_is_better=False),
        Metric("ratio_to_publish", "to publish()", higher_is_better=False),
        Metric("ratio_to_own_publish", "to that of its kind", higher_is_better=False),
        Metric("encoding_seconds", "encoding, apart", 1 / MICRO, higher_is_better=False),
        Metric("cpu_seconds_per_million", "CPU s per M", 1.0, higher_is_better=False),
    )
    peers = ("fanout", "fanout-nice", "fanout-batch", "libzmq-1io")

    def kinds(self, settings: Settings) -> Sequence[PeerKind]:
        chosen = [PEERS[name] for name in settings.peers or self.peers]
        return [
            *(
                kind.variant(kind.name, send_hwm=UNLIMITED) if is_pyzmq(kind) else kind
                for kind in chosen
            ),
            *(_VERB.variant(name) for name in VERBS),
        ]

    def cases(self, settings: Settings) -> Sequence[Case]:
        peers = settings.peers or self.peers
        loads = [
            Case(f"{subscribers:,} subscribers, {size:,} B", Traffic(subscribers, size), peers)
            for size in settings.sizes or SIZES
            for subscribers in settings.subscribers or SUBSCRIBERS
        ]
        if "fanout" not in peers:
            return loads
        return [*loads, *(_verbs(label, names) for label, names in _groups().items())]

    def measure(self, peer: PeerKind, case: Case, settings: Settings) -> Sample:
        if peer.name in VERBS:
            return _measure_verb(peer.name, QUICK_PAIRS if settings.quick else PAIRS)
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


def _groups() -> dict[str, tuple[str, ...]]:
    """The verbs of each kind of sender."""
    groups: dict[str, list[str]] = {}
    for name in VERBS:
        label = "asyncio" if name.startswith(ASYNCIO) else "blocking"
        groups.setdefault(f"{label}, in a batch" if BATCH in name else label, []).append(name)
    return {label: tuple(names) for label, names in groups.items()}


def _verbs(label: str, names: tuple[str, ...]) -> Case:
    return Case(
        f"verbs, {label}, {len(PAYLOAD)} B, nobody subscribes", Traffic(0, len(PAYLOAD)), names
    )


def _measure_verb(name: str, pairs: int) -> Sample:
    with Child("benchmarks.verb_costs", name, str(pairs)) as child:
        figures = child.answer(VERB_SECONDS)
    values = {
        "messages_per_second": 1 / figures["seconds"],
        "thread_cpu_per_message": figures["seconds"],
        "ratio_to_publish": figures["ratio"],
        "ratio_to_own_publish": figures["own_ratio"],
    }
    if figures["encoding_seconds"]:
        values["encoding_seconds"] = figures["encoding_seconds"]
    return Sample(values)
