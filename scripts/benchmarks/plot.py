"""Plots of the medians, a PNG and an SVG for each workload; needs matplotlib."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from benchmarks.summary import REFERENCE, WorkloadResult, is_ours

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

OURS_COLOUR, LIMIT_COLOUR = "#0072b2", "#999999"
PEER_COLOURS = ("#e69f00", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#f0e442")  # Okabe-Ito
OURS_LIGHT = "#56a5d8"
BAR_SPACE = 0.8  # of the distance between two cases


def plot_results(directory: Path, results: Sequence[WorkloadResult]) -> None:
    """Writes one picture for each workload into `directory`, and says so if it cannot."""
    try:
        import matplotlib
    except ImportError:
        print("no plots: matplotlib is not installed", file=sys.stderr)
        return
    matplotlib.use("Agg")
    directory.mkdir(parents=True, exist_ok=True)
    for result in results:
        _plot(directory, result)


def _plot(directory: Path, result: WorkloadResult) -> None:
    from matplotlib import pyplot

    metric = result.metrics[0]
    figure, axes = pyplot.subplots(figsize=(max(6.0, 2.2 * len(result.cases)), 4.5))
    peers = _measured_peers(result)
    width = BAR_SPACE / max(1, len(peers))
    for index, peer in enumerate(peers):
        _bars(axes, result, peer, (index - len(peers) / 2 + 0.5) * width, width)
    axes.set_xticks(range(len(result.cases)), [case.label for case in result.cases])
    axes.tick_params(axis="x", labelsize=8)
    axes.set_ylabel(f"{metric.name.replace('_', ' ')} [{metric.unit}], median and range")
    axes.set_yscale("log")
    axes.set_title(result.workload)
    axes.legend(fontsize=8)
    figure.tight_layout()
    for suffix in ("png", "svg"):
        figure.savefig(directory / f"{result.workload}.{suffix}", dpi=150)
    pyplot.close(figure)


def _measured_peers(result: WorkloadResult) -> list[str]:
    names: dict[str, None] = {}
    for case in result.cases:
        names.update(dict.fromkeys(row.peer for row in case.rounds if row.valid))
    return list(names)


def _bars(axes: Any, result: WorkloadResult, peer: str, offset: float, width: float) -> None:
    metric = result.metrics[0]
    places, heights, below, above = [], [], [], []
    for place, case in enumerate(result.cases):
        for row in case.rounds:
            spread = row.spread(metric) if row.peer == peer else None
            if spread is None:
                continue
            places.append(place + offset)
            heights.append(spread.median * metric.scale)
            below.append((spread.median - spread.low) * metric.scale)
            above.append((spread.high - spread.median) * metric.scale)
    axes.bar(
        places,
        heights,
        width,
        yerr=(below, above),
        label=peer,
        color=_colour(peer, _measured_peers(result)),
        error_kw={"linewidth": 0.8},
    )


def _colour(peer: str, peers: Sequence[str]) -> str:
    if peer == REFERENCE:
        return LIMIT_COLOUR
    if is_ours(peer):
        return OURS_COLOUR if "-" not in peer else OURS_LIGHT
    others = [name for name in peers if name != REFERENCE and not is_ours(name)]
    return PEER_COLOURS[others.index(peer) % len(PEER_COLOURS)]
