"""Subscribers without encryption next to 200 that are sealed for, one by one: what is left them."""

from __future__ import annotations

import statistics
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING, NamedTuple

from benchmarks.audience import Audience
from benchmarks.peers.base import LOOPBACK, free_port
from benchmarks.session import InvalidRun, Session
from benchmarks.traffic import PROBE_TOPIC, Traffic
from benchmarks.wire import DIALECTS
from benchmarks.workloads.base import (
    MILLION,
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

PLAIN, SEALED = 100, 200  # subscribers
PAYLOAD_BYTES = 128
PER_SECOND = 1000
# Sealed members have as much time in a turn as all others have had, or less (`sealed_turns.py`):
# so a half of a saturated worker is what is left to plain ones at least.
FAIR_SHARE = 0.5
LAPS, QUICK_LAPS = 5, 2
MORE_THAN_ENOUGH = 1 << 32  # messages that a sealed subscriber waits for: it never has them all
LAP_TIMES, LAP_SECONDS = 8.0, 3.0  # of a run's length, and besides: for so long they read in a lap


class Times(NamedTuple):
    """Delivery times of one lap, in seconds."""

    p50: float
    p99: float


class Lap(NamedTuple):
    """What came of one lap: deliveries a second, and delivery times."""

    rate: float
    p50: float
    p99: float


class CurveBeside(Workload):
    """Two publishers in turn, one of which has sealed subscribers, too.

    In each lap first as much is published as the plain ones take: those lose nothing and hold the
    publisher back, the sealed ones lose what is too much. Then a fixed rate, for delivery times. A
    figure is the median over the laps.

    Who makes boxes and who takes them needs the processor, whoever else there is. So there is a
    third figure for delivery times, `apart`: plain subscribers alone at their publisher, while
    another one has as many sealed ones and publishes the same. What is more than that beside them
    comes from what a worker does with both kinds.
    """

    name = "curve-beside"
    summary = f"{PLAIN} plain subscribers beside {SEALED} with CURVE, and without these"
    metrics = (
        Metric("share", f"of a fair share ({FAIR_SHARE:g})"),
        Metric("p99_growth", "p99 beside : apart", 1.0, higher_is_better=False),
        Metric("p99_of_alone", "p99 beside : alone", 1.0, higher_is_better=False),
        Metric("rate_alone", "alone: M/s", 1 / MILLION),
        Metric("rate_beside", "beside: M/s", 1 / MILLION),
        Metric("rate_sealed", "sealed: M/s", 1 / MILLION),
        *(
            milliseconds(f"{what}_{which}", f"{which}: {what} ms")
            for which in ("alone", "apart", "beside")
            for what in ("p50", "p99")
        ),
    )
    peers = ("fanout", "fanout-1w")

    def cases(self, settings: Settings) -> Sequence[Case]:
        return [
            Case(f"{plain:,} plain, {SEALED:,} sealed, {size:,} B", Traffic(plain, size))
            for size in settings.sizes or (PAYLOAD_BYTES,)
            for plain in settings.subscribers or (PLAIN,)
        ]

    def measure(self, peer: PeerKind, case: Case, settings: Settings) -> Sample:
        laps: dict[str, list[Lap]] = {"alone": [], "beside": []}
        sealed, apart = [], []
        with ExitStack() as stack:
            alone = stack.enter_context(Session(peer, case.traffic))
            beside = stack.enter_context(closing(_Beside(peer, case.traffic)))
            few = Traffic(1, case.traffic.payload_bytes)
            other = stack.enter_context(closing(_Beside(peer, few)))
            count = alone.count_for(settings.seconds)
            for number in range(QUICK_LAPS if settings.quick else LAPS):
                if number % 2 == 0:  # who comes after whom shall not matter
                    laps["alone"].append(_lap(alone, count, settings))
                lap, rate = beside.lap(count, settings)
                laps["beside"].append(lap)
                sealed.append(rate)
                apart.append(other.lap_apart(alone, count, settings))
                if number % 2:
                    laps["alone"].append(_lap(alone, count, settings))
        return Sample(figures_of(laps["alone"], laps["beside"], sealed, apart))


class _Beside:
    """A publisher with both kinds of subscribers."""

    def __init__(self, peer: PeerKind, traffic: Traffic) -> None:
        size = traffic.payload_bytes
        self._message_bytes = DIALECTS["curve"].message_bytes(len(PROBE_TOPIC), size)
        port = free_port()
        self._session = Session(peer.variant(peer.name, sealed_port=port), traffic)
        self._sealed = Audience(Traffic(SEALED, size), "curve")
        try:
            self._sealed.connect([f"{LOOPBACK}:{port}"])
            self._session.serve(self._sealed)
        except BaseException:
            self.close()
            raise

    def lap(self, count: int, settings: Settings) -> tuple[Lap, float]:
        """One lap, and the rate of the sealed ones in it."""
        seconds = self._begin(settings)
        lap = _lap(self._session, count, settings)
        return lap, self._end(seconds)

    def lap_apart(self, others: Session, count: int, settings: Settings) -> Times:
        """Delivery times of others, while sealed ones are sent as much here."""
        seconds = self._begin(settings)
        self._session.run(count)
        for messages in (PER_SECOND // 4, _paced_messages(settings)):
            self._session.begin_paced(messages, PER_SECOND)
            p50, p99, _, _ = others.paced(messages, PER_SECOND)[0].every
            self._session.end_paced(PER_SECOND)
        self._end(seconds)
        return Times(p50, p99)

    def _begin(self, settings: Settings) -> float:
        """The sealed ones read from now on; returns for how long."""
        seconds = LAP_TIMES * settings.seconds + LAP_SECONDS
        self._sealed.expect([MORE_THAN_ENOUGH] * SEALED, allowed_seconds=seconds)
        return seconds

    def _end(self, seconds: float) -> float:
        """At which rate they were sent messages in that time."""
        if self._sealed.poll_arrival(0.0) is not None:
            raise InvalidRun("the sealed subscribers have not read for as long as others")
        arrival = self._sealed.await_arrival()
        left = arrival.left_bytes / self._message_bytes
        return (SEALED * MORE_THAN_ENOUGH - left) / seconds

    def close(self) -> None:
        """Ends all processes."""
        self._sealed.close()
        self._session.close()


def _lap(session: Session, count: int, settings: Settings) -> Lap:
    run = session.run(count)
    session.paced(PER_SECOND // 4, PER_SECOND)  # it was at its limit just now
    p50, p99, _, _ = session.paced(_paced_messages(settings), PER_SECOND)[0].every
    return Lap(run.deliveries / run.seconds, p50, p99)


def _paced_messages(settings: Settings) -> int:
    return max(10, int(PER_SECOND * settings.seconds))


def figures_of(
    alone: Sequence[Lap], beside: Sequence[Lap], sealed: Sequence[float], apart: Sequence[Times]
) -> dict[str, float]:
    """What the laps come to."""
    figures = {"rate_sealed": statistics.median(sealed)}
    found: tuple[tuple[str, Sequence[Lap | Times]], ...]
    found = ("alone", alone), ("beside", beside), ("apart", apart)
    for which, laps in found:
        for what in laps[0]._fields:
            figures[f"{what}_{which}"] = statistics.median(getattr(lap, what) for lap in laps)
    return figures | {
        "share": figures["rate_beside"] / figures["rate_alone"] / FAIR_SHARE,
        "p99_growth": figures["p99_beside"] / figures["p99_apart"],
        "p99_of_alone": figures["p99_beside"] / figures["p99_alone"],
    }
