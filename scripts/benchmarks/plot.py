"""Plots of the medians, a PNG and an SVG for each chart; needs matplotlib."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from benchmarks.charts import BAR_SPACE, Chart, charts_of, part_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from benchmarks.summary import WorkloadResult

INCHES_PER_CASE, INCHES_BESIDE = 2.8, 2.4  # beside: the axis and the legend
INCHES_HIGH, INCHES_HIGH_IN_ROWS = 5.0, 2.6
CASES_IN_A_ROW = 4  # more would be unreadable on a page; the firehose has so many for each size
LINE_STYLES = ("--", ":", "-.")  # of the limit in its several settings


def plot_results(directory: Path, results: Sequence[WorkloadResult]) -> None:
    """Writes the charts of every workload into `directory`, and says so if it cannot."""
    try:
        import matplotlib
    except ImportError:
        print("no plots: matplotlib is not installed", file=sys.stderr)
        return
    matplotlib.use("Agg")
    directory.mkdir(parents=True, exist_ok=True)
    for result in results:
        for chart in charts_of(result):
            _plot(directory, chart)


def _plot(directory: Path, chart: Chart) -> None:
    from matplotlib import pyplot

    cases = len(chart.ticks)
    rows = -(-cases // CASES_IN_A_ROW)
    in_a_row = -(-cases // rows)
    width = INCHES_BESIDE + INCHES_PER_CASE * in_a_row
    height = INCHES_HIGH if rows == 1 else INCHES_HIGH_IN_ROWS * rows
    figure, grid = pyplot.subplots(rows, figsize=(width, height), squeeze=False)
    for row, (axes,) in enumerate(grid):
        first = row * in_a_row
        _draw(axes, part_of(chart, first, min(first + in_a_row, cases)))
    grid[0][0].set_title(chart.title)
    # Beside the bars: on them it would hide some.
    grid[0][0].legend(fontsize=8, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    figure.supylabel(chart.axis, fontsize="medium")
    figure.tight_layout()
    for suffix in ("png", "svg"):
        figure.savefig(directory / f"{chart.name}.{suffix}", dpi=150)
    pyplot.close(figure)


def _draw(axes: Any, chart: Chart) -> None:
    for series in chart.bars:
        axes.bar(
            series.places,
            series.medians,
            chart.bar_width,
            yerr=(series.below, series.above),
            label=series.peer,
            color=series.colour,
            error_kw={"linewidth": 0.8},
        )
    for index, series in enumerate(chart.lines):
        axes.hlines(
            series.medians,
            [place - BAR_SPACE / 2 for place in series.places],
            [place + BAR_SPACE / 2 for place in series.places],
            label=series.peer,
            colors=series.colour,
            linestyles=LINE_STYLES[index % len(LINE_STYLES)],
        )
    axes.set_xticks(range(len(chart.ticks)), chart.ticks)
    axes.tick_params(axis="x", labelsize=7)
    axes.set_yscale("log" if chart.logarithmic else "linear")
