"""What came out of an attack, in numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from soaking.figures import Histogram

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.channel import Message
    from soaking.attacks import Attack
    from soaking.usage import Usage

MILLI, MICRO, NANO = 1e-6, 1e-3, 1e-9  # of nanoseconds; the last for seconds
MIB = 1 << 20

HEALTHY_P99_MAX_MS = 50.0  # of those with a feed of their own, whoever attacks
MACHINE_SHARE_MAX = 0.005  # of the time; with twice as much, a p99 is that of the machine
PUBLISH_TIMES_MAX = 2.0  # that one `publish()` may cost under attack, of what it costs without


@dataclass(frozen=True)
class Outcome:
    """The figures of one attack; times of the healthy are of those with a feed of their own."""

    attack: str
    healthy_p50_ms: float
    healthy_p99_ms: float
    healthy_max_ms: float
    healthy_wanted: int  # messages, over all of them
    healthy_lost: int
    everything_p99_ms: float  # of those who want all that is published
    everything_wanted: int
    everything_lost: int
    disorder: int  # messages that came twice, or not in order, to any of them
    published_per_second: float
    publish_p50_us: float
    publish_p99_us: float
    publish_max_us: float
    user_mib: float  # at most, without what is shared
    workers_mib: float
    user_cpu: float  # cores
    workers_cpu: float
    workers_lost: int
    evicted: int
    refused: int
    no_descriptor: int  # times the program could not open a file, of ten tries a second
    strangers: dict[str, float] = field(default_factory=dict)
    statistics: dict[str, int] = field(default_factory=dict)
    events: dict[str, int] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    calm_publish_us: float = math.nan  # p50 without an attack; nan = it was not measured
    machine_max_ms: float = 0.0  # the longest that the machine itself had everybody wait
    machine_share: float = 0.0  # of the time, in which it had everybody wait

    @property
    def late(self) -> list[str]:
        """What took longer than it may; times are for a full run, on a machine of its own."""
        found = []
        if self.healthy_p99_ms > HEALTHY_P99_MAX_MS:
            found.append(f"the healthy have a p99 above {HEALTHY_P99_MAX_MS:g} ms")
        if self.publish_p50_us > PUBLISH_TIMES_MAX * self.calm_publish_us:
            calm = f"the {self.calm_publish_us:.1f} us without attack"
            found.append(f"publish() costs more than {PUBLISH_TIMES_MAX:g} times {calm}")
        return found

    @property
    def held(self) -> bool:
        """No harm was done, and nobody was made to wait."""
        return self.unharmed and not self.late

    @property
    def verdict(self) -> str:
        """One word for the table."""
        if not self.unharmed:
            return "harm"
        return "late" if self.late else "held"

    @property
    def unharmed(self) -> bool:
        """Nobody healthy lost anything, no worker was killed, and the publisher lives."""
        lost = self.healthy_lost + self.everything_lost + self.disorder
        return not (lost or self.workers_lost or self.no_descriptor or self.failures)


def _times(heard: Sequence[Message], *, everything: bool) -> Histogram:
    times = Histogram()
    for one in heard:
        if one["everything"] is everything:
            times.merge(Histogram.from_pairs(one["times"]))
    return times


def _sum(heard: Sequence[Message], name: str, *, everything: bool) -> int:
    return sum(one[name] for one in heard if one["everything"] is everything)


def summarise(
    attack: Attack,
    arrived: Message,
    strangers: Message,
    figures: Message,
    heard: Sequence[Message],
    usage: Usage,
    cpu: tuple[float, float],
    pauses: Message,
    seconds: float,
    notes: Sequence[str],
    failures: Sequence[str],
) -> Outcome:
    """The outcome from what the processes said."""
    own, everything = _times(heard, everything=False), _times(heard, everything=True)
    cost = Histogram.from_pairs(figures["cost"])
    statistics, events = figures["statistics"], figures["events"]
    broken = [figures["broken"]] if figures["broken"] else []
    came = {"arrival_s": arrived["seconds"]} if arrived else {}
    return Outcome(
        attack=attack.name,
        healthy_p50_ms=own.quantile(0.5) * MILLI,
        healthy_p99_ms=own.quantile(0.99) * MILLI,
        healthy_max_ms=own.quantile(1) * MILLI,
        healthy_wanted=_sum(heard, "wanted", everything=False),
        healthy_lost=_sum(heard, "lost", everything=False),
        everything_p99_ms=everything.quantile(0.99) * MILLI,
        everything_wanted=_sum(heard, "wanted", everything=True),
        everything_lost=_sum(heard, "lost", everything=True),
        disorder=sum(one["disorder"] for one in heard),
        published_per_second=cost.total / seconds,
        publish_p50_us=cost.quantile(0.5) * MICRO,
        publish_p99_us=cost.quantile(0.99) * MICRO,
        publish_max_us=cost.quantile(1) * MICRO,
        user_mib=usage.user_peak_bytes / MIB,
        workers_mib=usage.workers_peak_bytes / MIB,
        user_cpu=cpu[0] / seconds,
        workers_cpu=cpu[1] / seconds,
        workers_lost=events.get("worker_lost", 0),
        evicted=statistics["evicted"],
        refused=statistics["refused"],
        no_descriptor=figures["no_descriptor"],
        strangers=came | strangers,
        statistics=statistics,
        events=events,
        reasons=figures["reasons"],
        notes=list(notes),
        failures=[*failures, *broken],
        machine_max_ms=pauses["longest_ns"] * MILLI,
        machine_share=pauses["paused_ns"] * NANO / seconds,
    )
