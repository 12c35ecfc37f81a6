"""What people and programs read: tables on the terminal, JSON in a file."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from benchmarks.summary import CaseResult, PeerRounds, WorkloadResult, is_ours, ratio
from benchmarks.verdict import judge

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from benchmarks.workloads import Metric


def case_table(case: CaseResult, metrics: Sequence[Metric]) -> str:
    """The rows of one case: medians, (lowest-highest) of the first metric, and fanout's ratios.

    The last line is the verdict, by the first metric.
    """
    head = ["", f"{metrics[0].unit} (min-max)", *(m.unit for m in metrics[1:])]
    head += [f"{row.peer} is" for row in case.ours]
    rows = [_row(case, row, metrics) for row in case.rounds]
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    lines = [case.label]
    for cells, row in zip([head, *rows], [None, *case.rounds], strict=True):
        text = "  ".join(_align(cells, widths))
        problem = f"  {row.problem}" if row and row.problem else ""
        lines.append(f"  {text.rstrip()}{problem}")
    if verdict := judge(case, metrics[0]):
        lines.append(f"  => {verdict}")
    return "\n".join(lines)


def _align(cells: Sequence[str], widths: Sequence[int]) -> list[str]:
    name, *figures = (
        cell.rjust(width) if index else cell.ljust(width)
        for index, (cell, width) in enumerate(zip(cells, widths, strict=True))
    )
    return [name, *figures]


def _row(case: CaseResult, row: PeerRounds, metrics: Sequence[Metric]) -> list[str]:
    cells = [row.peer]
    for index, metric in enumerate(metrics):
        spread = row.spread(metric)
        if spread is None:
            cells.append("-")
            continue
        median, low, high = (
            figure(value * metric.scale) for value in (spread.median, spread.low, spread.high)
        )
        cells.append(median if index else f"{median} ({low}-{high})")
    for ours in case.ours:
        times = None if is_ours(row.peer) else ratio(ours, row, metrics[0])
        cells.append("" if times is None else f"{times:.2f} x")
    return cells


def figure(value: float) -> str:
    """Three significant digits, without exponents."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    if abs(value) >= 10:
        return f"{value:.1f}"
    return f"{value:.2f}" if abs(value) >= 0.1 or not value else f"{value:.4f}"


def write_json(path: Path, machine: Mapping[str, str], results: Sequence[WorkloadResult]) -> None:
    """Everything: machine, versions, every round as it was measured, and the verdicts."""
    document = {"machine": dict(machine), "workloads": [_workload(result) for result in results]}
    path.write_text(json.dumps(document, indent=1) + "\n")


def _workload(result: WorkloadResult) -> dict[str, Any]:
    document = asdict(result)
    for case, described in zip(result.cases, document["cases"], strict=True):
        verdict = judge(case, result.metrics[0])
        described["verdict"] = asdict(verdict) if verdict else None
    return document
