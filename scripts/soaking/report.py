"""The table on the terminal, and the file for programs."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from typing import TYPE_CHECKING

from benchmarks.report import figure
from soaking.summary import MACHINE_SHARE_MAX

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from soaking.summary import Outcome

COLUMNS: tuple[tuple[str, str], ...] = (  # an attribute of Outcome, and what is above it
    ("healthy_p50_ms", "p50 ms"),
    ("healthy_p99_ms", "p99 ms"),
    ("healthy_max_ms", "max ms"),
    ("machine_max_ms", "machine max ms"),
    ("healthy_lost", "lost"),
    ("everything_p99_ms", "all: p99 ms"),
    ("everything_lost", "lost"),
    ("published_per_second", "msg/s"),
    ("publish_p50_us", "publish p50 us"),
    ("publish_p99_us", "p99 us"),
    ("user_mib", "user MiB"),
    ("workers_mib", "workers MiB"),
    ("user_cpu", "user CPU"),
    ("workers_cpu", "workers CPU"),
    ("workers_lost", "killed"),
    ("evicted", "evicted"),
    ("refused", "refused"),
    ("verdict", "verdict"),
)


def cells(outcome: Outcome) -> list[str]:
    """One row of the table."""
    return [outcome.attack, *(_cell(getattr(outcome, name)) for name, _ in COLUMNS)]


def _cell(value: float | str) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, int):
        return f"{value:,}"
    return "-" if math.isnan(value) else figure(value)


def table(outcomes: Sequence[Outcome]) -> str:
    """All attacks, in Markdown, below each other; and what is to be said of some of them."""
    rows = [["attack", *(label for _, label in COLUMNS)], *map(cells, outcomes)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [_line(row, widths) for row in rows]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    lines += [f"{o.attack}: {text}" for o in outcomes for text in remarks(o)]
    return "\n".join(lines)


def remarks(outcome: Outcome) -> list[str]:
    """What is in no column."""
    found = [*outcome.failures, *outcome.late, *outcome.notes]
    if outcome.machine_share > MACHINE_SHARE_MAX:
        share = f"{outcome.machine_share:.1%} of the time"
        found.append(f"the machine itself stood still for {share}: the times are its own, too")
    if outcome.no_descriptor:
        found.append(f"the program could not open a file {outcome.no_descriptor:,} times")
    if outcome.disorder:
        found.append(f"{outcome.disorder:,} messages came twice or not in order")
    return found


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    name, *values = row
    padded = [name.ljust(widths[0]), *(v.rjust(w) for v, w in zip(values, widths[1:], strict=True))]
    return "| " + " | ".join(padded) + " |"


def write_json(path: Path, machine: Mapping[str, str], outcomes: Sequence[Outcome]) -> None:
    """Everything: the machine, and all figures of each attack."""
    document = {"machine": dict(machine), "attacks": [asdict(outcome) for outcome in outcomes]}
    path.write_text(json.dumps(document, indent=1) + "\n")
