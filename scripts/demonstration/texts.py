"""The table and the last paragraph. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fanout.cli.units import short_size

if TYPE_CHECKING:
    from collections.abc import Sequence

    from demonstration.observation import StalledFacts
    from demonstration.processes import Report

LAST_WIDTH = 44  # columns for the last value of a subscriber


@dataclass(frozen=True, slots=True)
class Row:
    """A healthy subscriber in the table."""

    name: str
    report: Report
    per_second: float


@dataclass(frozen=True, slots=True)
class Totals:
    """The feed as a whole."""

    elapsed_s: float
    messages: int
    message_bytes: int
    topics: int


def table(totals: Totals, rows: Sequence[Row], stalled: StalledFacts) -> list[str]:
    """Returns the lines of the table."""
    rate = totals.messages / max(totals.elapsed_s, 0.001)
    lines = [
        f"{totals.elapsed_s:5.1f} s   published {totals.messages:,} messages on {totals.topics} "
        f"topics, {rate:,.0f}/s, {short_size(totals.message_bytes)}",
        f"  {'subscriber':<22}{'messages':>9}{'per s':>7}{'topics':>7}{'missing':>8}  last",
    ]
    for row in rows:
        report = row.report
        lines.append(
            f"  {row.name:<22}{report.messages:>9,}{row.per_second:>7,.0f}{report.topics:>7}"
            f"{report.missing + report.disordered:>8}  {last_value(report)}"
        )
    lines.append(
        f"  {'stalled, over tcp':<22}{stalled.sent:>9,}{'':>7}{'':>7}{stalled.dropped:>8,}  "
        f"{stalled.state}"
    )
    return lines


def last_value(report: Report) -> str:
    """Returns the last message of a subscriber in a few words."""
    shown = [
        f"{name} {_value(value)}"
        for name, value in report.last_values.items()
        if name not in ("number", "time")
    ]
    text = f"{report.last_topic} {', '.join(shown)}".strip()
    return text if len(text) <= LAST_WIDTH else f"{text[: LAST_WIDTH - 1]}…"


def paragraph(
    totals: Totals, rows: Sequence[Row], stalled: StalledFacts, problems: Sequence[str]
) -> str:
    """Returns what was seen, in one paragraph."""
    rate = totals.messages / max(totals.elapsed_s, 0.001)
    feed = (
        f"In {totals.elapsed_s:.1f} s this machine's telemetry made {totals.messages:,} messages "
        f"on {totals.topics} topics ({rate:,.0f}/s, {short_size(totals.message_bytes)})."
    )
    return " ".join([feed, _healthy(rows, problems), _stalled(stalled, healthy=not problems)])


def _healthy(rows: Sequence[Row], problems: Sequence[str]) -> str:
    if problems:
        return f"Not everything arrived: {'; '.join(problems)}."
    got = sum(row.report.messages for row in rows)
    return (
        f"All {len(rows)} stock ZeroMQ subscribers, each in a process of its own, got every "
        f"message they had subscribed to: {got:,} in all, none missing, none twice, all in order."
    )


def _stalled(stalled: StalledFacts, *, healthy: bool) -> str:
    if stalled.blocked_at is None and stalled.slow_at is None and stalled.evicted_at is None:
        return (
            "One more subscriber never read, but its buffers were not full yet: "
            "let the demonstration run for longer."
        )
    told = [f"One more subscriber never read: it was sent {stalled.sent:,} messages"]
    if stalled.blocked_at is not None:
        told.append(f", and from {stalled.blocked_at:.1f} s on took nothing")
    if stalled.slow_at is not None:
        told.append(f"; at {stalled.slow_at:.1f} s the publisher called it slow")
    if stalled.dropped:
        told.append(f"; its {stalled.dropped:,} oldest waiting messages were dropped, and counted")
    if stalled.evicted_at is not None:
        told.append(f"; at {stalled.evicted_at:.1f} s it was evicted: {stalled.evicted_reason}")
    told.append("; it hurt nobody but itself." if healthy else ".")
    return "".join(told)


def _value(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.1f}"
    return f"{value:,}" if isinstance(value, int) else str(value)
