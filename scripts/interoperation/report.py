"""Engines by scenarios, as a table: pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from interoperation.registry import ENGINES
from interoperation.scenarios import SCENARIOS

if TYPE_CHECKING:
    from collections.abc import Sequence

PASSED, FAILED, KNOWN, LEFT = "ok", "FAILED", "known", "-"


@dataclass
class Row:
    """What came out for one engine; a scenario is missing if it was not run."""

    engine: str
    left_out: str = ""  # why nothing was run
    failures: dict[str, str] = field(default_factory=dict)  # scenario -> what went wrong; "" = ok
    lacking: dict[str, str] = field(default_factory=dict)  # scenario -> why it cannot be run

    def verdict(self, scenario: str) -> str:
        """One word for the table."""
        if self.left_out or scenario not in self.failures:
            return LEFT
        failure = self.failures[scenario]
        if not failure:
            return PASSED
        return KNOWN if ENGINES[self.engine].known_failure(scenario, failure) else FAILED

    @property
    def has_failed(self) -> bool:
        """Something went wrong that is not known of this engine."""
        return any(self.verdict(scenario) == FAILED for scenario in self.failures)


def missing_of(rows: Sequence[Row], required: Sequence[str]) -> list[str]:
    """Who of those that are required was left out, or was not asked for at all."""
    there = {row.engine for row in rows if not row.left_out}
    return [name for name in required if name not in there]


def table(rows: Sequence[Row]) -> str:
    """In Markdown, with the reasons below."""
    cells = [["engine", *SCENARIOS]]
    cells += [[ENGINES[row.engine].title, *map(row.verdict, SCENARIOS)] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = [
        "| " + " | ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)) + " |"
        for line in cells
    ]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    for row in rows:
        if row.left_out:
            lines.append(f"left out: {ENGINES[row.engine].title}: {row.left_out}")
        for scenario, text in row.lacking.items():
            lines.append(f"left out: {row.engine} {scenario}: {text}")
        for scenario, text in row.failures.items():
            if text:
                known = ENGINES[row.engine].known_failure(scenario, text)
                lines.append(f"{row.verdict(scenario)}: {row.engine} {scenario}: {known or text}")
    return "\n".join(lines)
