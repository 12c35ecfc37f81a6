"""From rounds to medians, spreads and ratios: pure data."""

from __future__ import annotations

import statistics
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.workloads.base import Metric, Sample

REFERENCE = "limit"  # the ceiling, not a peer to be ahead of
OURS = "fanout"


@dataclass(frozen=True)
class Spread:
    """Median, smallest and largest of several rounds."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """The spread of at least one value."""
        return cls(statistics.median(values), min(values), max(values))


@dataclass
class PeerRounds:
    """All rounds of one peer on one case."""

    peer: str
    samples: list[Sample] = field(default_factory=list)
    absent: str = ""  # why it could not be measured at all

    @property
    def valid(self) -> list[Sample]:
        """The rounds that count."""
        return [sample for sample in self.samples if not sample.invalid]

    @property
    def problem(self) -> str:
        """What there is to say beside, or instead of, the figures."""
        if self.absent:
            return f"absent: {self.absent}"
        reasons = [sample.invalid for sample in self.samples if sample.invalid]
        if not reasons:
            return ""
        return f"INVALID in {len(reasons)} of {len(self.samples)} rounds: {reasons[0]}"

    def spread(self, metric: Metric) -> Spread | None:
        """The spread of one metric; None if no round counts, or none has it."""
        values = [s.values[metric.name] for s in self.valid if metric.name in s.values]
        return Spread.of(values) if values else None


@dataclass
class CaseResult:
    """All peers on one case."""

    label: str
    rounds: list[PeerRounds]

    @property
    def ours(self) -> list[PeerRounds]:
        """The rows of fanout."""
        return [row for row in self.rounds if is_ours(row.peer)]


def ratio(ours: PeerRounds, theirs: PeerRounds, metric: Metric) -> float | None:
    """How many times better our median is than theirs; above 1 = fanout is ahead."""
    mine, other = ours.spread(metric), theirs.spread(metric)
    if mine is None or other is None or min(mine.median, other.median) <= 0:
        return None  # nothing is no multiple of anything
    quotient = mine.median / other.median
    return quotient if metric.higher_is_better else 1 / quotient


@dataclass
class WorkloadResult:
    """All cases of a workload."""

    workload: str
    metrics: Sequence[Metric]
    cases: list[CaseResult] = field(default_factory=list)


def is_ours(peer: str) -> bool:
    """Whether a row is one of fanout's."""
    return peer.split("-")[0] == OURS


def is_reference(peer: str) -> bool:
    """Whether a row is the limit, in whatever setting."""
    return peer.split("-")[0] == REFERENCE
