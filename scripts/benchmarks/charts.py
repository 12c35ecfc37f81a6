"""What a plot shows: bars with their spread, the limit as a line over each case. Pure data."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass, replace
from itertools import compress
from typing import TYPE_CHECKING

from benchmarks.summary import CaseResult, WorkloadResult, is_ours, is_reference
from benchmarks.verdict import PERCENT, judge
from benchmarks.workloads.base import MEMORY

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.workloads.base import Metric

OUR_COLOURS = ("#0072b2", "#56a5d8", "#9fcbe8")
# Okabe and Ito's, but brown for their light blue, which would look like one of ours.
PEER_COLOURS = ("#e69f00", "#d55e00", "#009e73", "#cc79a7", "#f0e442", "#8c6d31")
LIMIT_COLOUR = "#333333"
BAR_SPACE = 0.8  # of the distance between two cases
LABEL_COLUMNS = 36  # characters under a case


@dataclass(frozen=True)
class Series:
    """One peer over the cases where it has rounds that count; figures in the metric's unit."""

    peer: str
    colour: str
    places: tuple[float, ...]  # case i is around i
    medians: tuple[float, ...]
    below: tuple[float, ...]  # from the median down to the lowest round
    above: tuple[float, ...]  # and up to the highest


@dataclass(frozen=True)
class Chart:
    """One picture."""

    name: str  # of its files, without the suffix
    title: str
    axis: str
    ticks: tuple[str, ...]  # one for each case
    logarithmic: bool  # where peers differ by powers of ten
    bar_width: float
    bars: tuple[Series, ...]
    lines: tuple[Series, ...]  # across all bars of a case


def charts_of(result: WorkloadResult) -> list[Chart]:
    """The first metric of a workload with its verdicts; then the memory, if it is another one."""
    first, *others = result.metrics
    peers = _measured_peers(result)
    limits = [peer for peer in peers if is_reference(peer)]
    rest = [peer for peer in peers if peer not in limits]
    ticks = [_tick(case, first) for case in result.cases]
    charts = [_chart(result, result.workload, first, ticks, rest, limits)]
    if any(metric.name == MEMORY.name for metric in others):
        # Without the limit: what it takes bounds nobody's memory.
        ticks = [_wrapped(case.label) for case in result.cases]
        charts.append(_chart(result, f"{result.workload}-memory", MEMORY, ticks, rest, []))
    return charts


def part_of(chart: Chart, first: int, stop: int) -> Chart:
    """The same chart with only the cases from `first` up to, not including, `stop`."""
    return replace(
        chart,
        ticks=chart.ticks[first:stop],
        bars=tuple(_part_of(series, first, stop) for series in chart.bars),
        lines=tuple(_part_of(series, first, stop) for series in chart.lines),
    )


def _part_of(series: Series, first: int, stop: int) -> Series:
    inside = [first <= round(place) < stop for place in series.places]  # case i is around i
    return replace(
        series,
        places=tuple(place - first for place in compress(series.places, inside)),
        medians=tuple(compress(series.medians, inside)),
        below=tuple(compress(series.below, inside)),
        above=tuple(compress(series.above, inside)),
    )


def _chart(
    result: WorkloadResult,
    name: str,
    metric: Metric,
    ticks: Sequence[str],
    bars: Sequence[str],
    lines: Sequence[str],
) -> Chart:
    colours, width = _colours(bars), BAR_SPACE / max(1, len(bars))
    offsets = [(index - len(bars) / 2 + 0.5) * width for index in range(len(bars))]
    return Chart(
        name=name,
        title=name.replace("-", " "),
        axis=f"{metric.name.replace('_', ' ')} [{metric.unit}], median and range",
        ticks=tuple(ticks),
        logarithmic=metric.name != MEMORY.name,
        bar_width=width,
        bars=tuple(
            _series(result, metric, peer, colours[peer], offset)
            for peer, offset in zip(bars, offsets, strict=True)
        ),
        lines=tuple(_series(result, metric, peer, LIMIT_COLOUR, 0.0) for peer in lines),
    )


def _series(
    result: WorkloadResult, metric: Metric, peer: str, colour: str, offset: float
) -> Series:
    found = [
        (place + offset, spread)
        for place, case in enumerate(result.cases)
        for row in case.rounds
        if row.peer == peer and (spread := row.spread(metric))
    ]
    return Series(
        peer,
        colour,
        places=tuple(place for place, _ in found),
        medians=tuple(spread.median * metric.scale for _, spread in found),
        below=tuple((spread.median - spread.low) * metric.scale for _, spread in found),
        above=tuple((spread.high - spread.median) * metric.scale for _, spread in found),
    )


def _measured_peers(result: WorkloadResult) -> list[str]:
    names: dict[str, None] = {}
    for case in result.cases:
        names.update(dict.fromkeys(row.peer for row in case.rounds if row.valid))
    return list(names)


def _colours(peers: Sequence[str]) -> dict[str, str]:
    ours = [peer for peer in peers if is_ours(peer)]
    others = [peer for peer in peers if not is_ours(peer)]
    return {
        peer: palette[index % len(palette)]
        for names, palette in ((ours, OUR_COLOURS), (others, PEER_COLOURS))
        for index, peer in enumerate(names)
    }


def _tick(case: CaseResult, metric: Metric) -> str:
    """The case, and below it how each of fanout's rows compares."""
    lines = [_wrapped(case.label)]
    if verdict := judge(case, metric):
        for row in case.ours:
            parts = []
            if (times := verdict.ratios.get(row.peer)) is not None:
                parts.append(f"{times:.1f} x {verdict.best_peer}")
            if (share := verdict.efficiencies.get(row.peer)) is not None:
                parts.append(f"{share * PERCENT:.0f} % of {verdict.limit}")
            lines += [f"{row.peer}: {', '.join(parts)}"] if parts else []
    return "\n".join(lines)


def _wrapped(label: str) -> str:
    return textwrap.fill(label, LABEL_COLUMNS)
