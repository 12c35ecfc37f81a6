"""What a case comes to: fanout against the best of the peers, and against the limit. Pure data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.summary import CaseResult, PeerRounds, is_ours, is_reference, ratio

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from benchmarks.workloads.base import Metric

PERCENT = 100


@dataclass(frozen=True)
class Verdict:
    """By the medians of one metric; who has no round that counts has no part in it."""

    metric: str
    best_peer: str  # empty if no peer has a round that counts
    ratios: Mapping[str, float]  # ours -> times better than the best peer; above 1 = ahead
    limit: str  # the reference that is compared with, empty if it has no round that counts
    efficiencies: Mapping[str, float]  # ours -> share of the limit; 1 = as good as it

    def __str__(self) -> str:
        parts = []
        if self.best_peer:
            ahead = _listed(self.ratios, lambda times: f"{times:.2f} x")
            parts.append(f"best peer {self.best_peer}: {ahead}")
        else:
            parts.append("no peer to compare with")
        if self.limit:
            reached = _listed(self.efficiencies, lambda share: f"{share * PERCENT:.0f} %")
            parts.append(f"of {self.limit}: {reached}")
        return "; ".join(parts)


def judge(case: CaseResult, metric: Metric) -> Verdict | None:
    """The verdict on one case; None if fanout has no part in it."""
    if not case.ours:
        return None
    peers = [row for row in case.rounds if not is_ours(row.peer) and not is_reference(row.peer)]
    best = _best(peers, metric)
    limit = _best([row for row in case.rounds if is_reference(row.peer)], metric)
    return Verdict(
        metric=metric.name,
        best_peer=best.peer if best else "",
        ratios=_ratios(case, best, metric),
        limit=limit.peer if limit else "",
        efficiencies=_ratios(case, limit, metric),
    )


def _best(rows: list[PeerRounds], metric: Metric) -> PeerRounds | None:
    medians = [(spread.median, row) for row in rows if (spread := row.spread(metric))]
    choose = max if metric.higher_is_better else min
    return choose(medians, key=lambda each: each[0])[1] if medians else None


def _ratios(case: CaseResult, other: PeerRounds | None, metric: Metric) -> dict[str, float]:
    if other is None:
        return {}
    found = {row.peer: ratio(row, other, metric) for row in case.ours}
    return {peer: times for peer, times in found.items() if times is not None}


def _listed(figures: Mapping[str, float], text: Callable[[float], str]) -> str:
    listed = ", ".join(f"{peer} {text(value)}" for peer, value in figures.items())
    return listed or "no ratio"
