"""Last values: what they cost a call, and how long until many newcomers have all of them."""

from __future__ import annotations

from contextlib import ExitStack, closing
from typing import TYPE_CHECKING

from benchmarks.audience import Audience
from benchmarks.children import Child
from benchmarks.peers import PEERS, PeerKind
from benchmarks.peers.base import LOOPBACK
from benchmarks.session import InvalidRun
from benchmarks.traffic import Traffic
from benchmarks.value_brokers import KEEPERS
from benchmarks.value_costs import BY_HAND, LOOPS, MAKERS, PURE, TOPICS
from benchmarks.verbs import PAYLOAD
from benchmarks.wire import DIALECTS
from benchmarks.workloads.base import MILLI, Case, Metric, Sample, Settings, Workload

if TYPE_CHECKING:
    from collections.abc import Sequence

ARRIVING, QUICK_ARRIVING = (100, 1000), (100,)
# By hand each value goes to all who have come: what is sent grows with the square of their number.
BY_HAND_MOST = 100
PAIRS, QUICK_PAIRS = 150, 25  # of stretches with values and without
THOUSAND = 1000  # calls whose time is shown
PATIENCE_SECONDS = 60.0
PROBE_SECONDS = 0.005  # between two probes: how exact the times are
MODULE = "benchmarks.value_costs"
SHARING = "subscribe to everything, beside the same bytes published"
NANO = 1e-9


class LastValues(Workload):
    """A newcomer subscribes to 1,000 topics one by one, and to that of the probes after them.

    With values of fanout it has all when it has that of the probe, which was published last, for
    they come oldest first. By hand values come to others too, and in no order: there it has all
    when it sees a probe that was sent after all of them. Without values it has what it wants when
    it sees one of the probes that are published all the time: as in a storm. From redis it asks for
    the values itself, on the same connection, behind its subscriptions. From JetStream it gets a
    consumer in place of subscriptions, which brings the last message of each topic, oldest first.

    Of those who want everything it is the time until they have all values, beside that in which
    they get the same bytes when they are published: without connecting, in both.
    """

    name = "last-values"
    summary = "calls, and newcomers with 1,000 topics each, with last values and without"
    metrics = (
        Metric("seconds_with", "ms with values", 1 / MILLI, higher_is_better=False),
        Metric("seconds_without", "ms without", 1 / MILLI, higher_is_better=False),
        Metric("ratio", "with : without", higher_is_better=False),
    )
    peers = (*MAKERS, *KEEPERS)

    def kinds(self, settings: Settings) -> Sequence[PeerKind]:
        del settings  # they are no publishers that could be chosen
        return [
            *(
                PeerKind(
                    name, "zmtp", name, "", "zmq" if name == BY_HAND else "fanout.terms.last_values"
                )
                for name in MAKERS
            ),
            *(PEERS[name] for name in KEEPERS),
        ]

    def cases(self, settings: Settings) -> Sequence[Case]:
        size = len(PAYLOAD)
        default = QUICK_ARRIVING if settings.quick else ARRIVING
        return [
            Case(f"publish, {THOUSAND:,} calls of {size} B", Traffic(0, size), tuple(MAKERS)),
            Case(f"batch, {THOUSAND:,} messages of {size} B", Traffic(0, size), ("fanout", PURE)),
            *(
                Case(
                    f"{arriving:,} arrive with {len(TOPICS):,} topics each",
                    Traffic(arriving, size, len(TOPICS), len(TOPICS), watchlists=1),
                    ("fanout", *([BY_HAND] if arriving <= BY_HAND_MOST else []), *KEEPERS),
                )
                for arriving in settings.subscribers or default
            ),
            *(
                Case(f"{arriving:,} {SHARING}", Traffic(arriving, size), ("fanout",))
                for arriving in settings.subscribers or default
            ),
        ]

    def measure(self, peer: PeerKind, case: Case, settings: Settings) -> Sample:
        loop = case.label.partition(",")[0]
        if loop in LOOPS:
            return calls_sample(peer, loop, QUICK_PAIRS if settings.quick else PAIRS)
        try:
            if case.label.endswith(SHARING):
                return shared_sample(peer, case.traffic)
            without, seconds = (
                seconds_until_served(peer, case.traffic, keeps=keeps) for keeps in (False, True)
            )
        except (TimeoutError, InvalidRun) as error:
            return Sample(invalid=str(error))
        return Sample(
            {"seconds_with": seconds, "seconds_without": without, "ratio": seconds / without}
        )


def calls_sample(peer: PeerKind, loop: str, pairs: int) -> Sample:
    """What calls cost."""
    pure = {"FANOUT_PURE": "1"} if peer.name == PURE else {}
    with Child(MODULE, loop, peer.name, str(pairs), environment=pure) as child:
        figures = child.answer(PATIENCE_SECONDS)
    if pure and figures["is_compiled"]:
        return Sample(invalid="the compiled part was in use")
    return Sample({"seconds_with": figures["seconds"] * THOUSAND, "ratio": figures["ratio"]})


def seconds_until_served(peer: PeerKind, traffic: Traffic, *, keeps: bool) -> float:
    """From the first connection until the last newcomer has all that it asked for.

    Raises:
        TimeoutError: not all of them have.
        InvalidRun: values were not sent to all.
    """
    with ExitStack() as stack:
        server = stack.enter_context(Child(MODULE, "serve", peer.name, str(int(keeps))))
        port = server.answer(PATIENCE_SECONDS)["port"]
        dialect = f"{peer.dialect}-values"
        if not keeps or dialect not in DIALECTS:
            dialect = peer.dialect
        audience = stack.enter_context(closing(Audience(traffic, dialect)))
        audience.connect([f"{LOOPBACK}:{port}"])
        audience.await_probe()
        is_told = keeps and peer.name in ("fanout", *KEEPERS)
        wanted = traffic.subscribers * (len(TOPICS) + is_told) if keeps else 0
        while (served := audience.poll_probed(PROBE_SECONDS)) is None:
            if not is_told:
                server.ask(PATIENCE_SECONDS, do="probe", after=wanted)
        values = server.ask(PATIENCE_SECONDS, do="count")["count"]
    if values != wanted:
        raise InvalidRun(f"{values:,} values were sent, not {wanted:,}")
    return (served.ended_ns - served.began_ns) * NANO


def shared_sample(peer: PeerKind, traffic: Traffic) -> Sample:
    """Until all have the values who are connected and want the same; and until all get as much.

    Raises:
        TimeoutError: not all of them have.
    """
    counts = [len(TOPICS) + 1] * traffic.subscribers  # that of the probe, too
    with ExitStack() as stack:
        server = stack.enter_context(Child(MODULE, "serve", peer.name, "1"))
        port = server.answer(PATIENCE_SECONDS)["port"]
        audience = stack.enter_context(closing(Audience(traffic, peer.dialect)))
        audience.connect([f"{LOOPBACK}:{port}"], subscribes=False)
        audience.expect(counts, subscribes=True)
        values = audience.await_arrival()
        audience.expect(counts)
        began_ns = server.ask(PATIENCE_SECONDS, do="all")["began_ns"]
        published = audience.await_arrival()
    invalid = values.invalid or published.invalid
    seconds = (values.last_ns - values.began_ns) * NANO
    without = (published.last_ns - began_ns) * NANO
    figures = {"seconds_with": seconds, "seconds_without": without, "ratio": seconds / without}
    return Sample({} if invalid else figures, invalid)
