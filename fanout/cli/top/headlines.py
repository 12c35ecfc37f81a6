"""What stands around the table: the publisher, its workers, details, help, status. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fanout.cli.top.columns import COLUMNS, NOTHING, count_or_nothing, size_or_nothing
from fanout.cli.top.figures import EndFigures
from fanout.cli.top.records import end_record, subscriber_record
from fanout.cli.units import plural, printable, short_count, short_size, short_time

if TYPE_CHECKING:
    from fanout.cli.top.figures import (
        Frame,
        PublisherFigures,
        SubscriberFigures,
        WorkerFigures,
    )
    from fanout.cli.top.view import View
    from fanout.statistics import PublisherStatistics

KEYS = (
    ("< >", "sort by the column beside it"),
    ("r", "sort the other way round"),
    ("up down", "select a subscriber; page up, page down, home, end"),
    ("enter", "all figures of the selected one, and back"),
    ("/ f", "filter: words that are in id, name, user, address, endpoint or policy"),
    ("esc", "back: out of this, of the figures, of the filter, of the selection"),
    ("c", "those that have ended, the newest first, and back"),
    ("space", "pause, and go on"),
    ("+ -", "look more often, less often"),
    ("q", "quit"),
)
"""What keys do, but for those that sort."""

WORKER_TITLES = ("Worker", "Pid", "State", "CPU", "Memory", "Subs", "Rate", "Bytes/s", "Restarts")

HANGS_S = 2.0
"""A coordinator shows a sign of life each half second; one that is silent for so long hangs, or is
stopped, or has ended without saying so."""


def headlines(it: PublisherFigures) -> list[str]:
    """The publisher in three lines, and one more if it keeps last values."""
    totals, rates = it.statistics, it.rates
    used = it.log_used_bytes / it.log_bytes if it.log_bytes else 0.0
    return [
        f"{printable(it.name) or 'publisher'} (process {it.pid}): {it.state}, up "
        f"{short_time(it.now - it.started)}, {plural(totals.subscribers, 'subscriber')}",
        f"published {_per_s(rates.published)}, {size_or_nothing(rates.published_bytes)}/s; "
        f"sent {_per_s(rates.sent)}; lost {_per_s(rates.dropped)}; "
        f"log used {short_size(it.log_used_bytes)} of {short_size(it.log_bytes)} ({used:.0%})",
        f"in all: published {short_count(totals.published)}, sent {short_count(totals.sent)}, "
        f"queued {short_count(totals.queued)} ({short_size(totals.queued_bytes)}), "
        f"lost {short_count(totals.dropped)}, evicted {short_count(totals.evicted)}, "
        f"refused {short_count(totals.refused)}",
        *_values_line(totals),
    ]


def _values_line(totals: PublisherStatistics) -> list[str]:
    """What there is for who comes late, if there is anything."""
    if not (totals.value_topics or totals.replayed):
        return []
    lost = totals.past_inexact
    about = f" (about: {plural(lost, 'worker')} lost)" if lost else ""
    return [
        f"last values of {plural(totals.value_topics, 'topic')}, {short_size(totals.value_bytes)} "
        f"kept, {short_count(totals.values_evicted)} evicted; "
        f"sent {short_count(totals.from_snapshot)} of them, "
        f"{short_count(totals.replayed)} replayed, "
        f"{short_count(totals.keyframes_lost)} without a keyframe; "
        f"{plural(totals.in_snapshot, 'subscriber')} in snapshot" + about
    ]


def warnings(it: PublisherFigures) -> list[str]:
    """What is wrong with the publisher itself, a line each."""
    found = []
    age = it.heartbeat_age_s
    if age is not None and age > HANGS_S:
        found.append(
            f"NO SIGN OF LIFE for {short_time(age)}: it hangs or is stopped, or was killed"
        )
    if it.statistics.held_by:
        who = ", ".join(map(str, it.statistics.held_by))
        found.append(f"publish() WAITS for {who}: at a limit of the policy 'block'")
    return found


def worker_cells(it: WorkerFigures) -> list[str]:
    """A worker: index, process, state, CPU, memory, subscribers, rates, restarts."""
    row = it.row
    return [
        str(row.index),
        str(row.pid or NOTHING),
        row.state.name.lower(),
        f"{row.load / 10:.0f} %",
        short_size(row.rss_bytes),
        short_count(row.subscribers),
        count_or_nothing(it.messages_per_s),
        size_or_nothing(it.bytes_per_s),
        str(row.restarts),
    ]


def detail_lines(it: SubscriberFigures | EndFigures | str, now: float) -> list[str]:
    """All figures of one subscriber, or of its end, a line each; or why it is not there.

    Args:
        now: s since 1970.
    """
    if isinstance(it, str):
        return [f"this subscriber is not there any more: {printable(it)}"]
    if isinstance(it, EndFigures):
        record = end_record(it)
        record["ended"] = f"{short_time(now - it.statistics.ended)} ago"
    else:
        record = subscriber_record(it)
    width = max(map(len, record))
    return [f"{name:<{width}}  {_value(name, value)}" for name, value in record.items()]


def help_lines() -> list[str]:
    """What the keys do."""
    sorts = [f"{column.key:<10} sort by {column.title}; again: the other way" for column in COLUMNS]
    return [*sorts, *(f"{keys:<10} {what}" for keys, what in KEYS)]


def status_line(frame: Frame, view: View) -> str:
    """The last line: the filter while it is typed, else what is shown, and how to go on."""
    if view.typing:
        return f"filter: {view.filter}█  (enter: done, esc: show all)"
    number = len(frame.order)
    shown = f"{frame.first + 1:,}-{frame.first + len(frame.shown):,} of " if number else ""
    ended = "" if frame.ended is None else " that ended, c for those that are there"
    parts = [f"{shown}{plural(number, 'subscriber')}{ended}", f"each {view.interval_s:g} s"]
    if view.filter:
        parts.append(f"filter {printable(view.filter)!r}")
    if view.paused:
        parts.append("PAUSED, space goes on")
    return "   ".join([*parts, "? help", "q quit"])


def _value(name: str, value: object) -> str:
    if value is None:
        return NOTHING
    if isinstance(value, dict):  # by reason
        return ", ".join(f"{reason} {count:,}" for reason, count in value.items() if count) or "0"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return printable(str(value))
    if name.endswith("_s"):
        return f"{value:,.1f} s"
    if name in ("id", "worker", "number"):
        return str(value)
    shown = f"{value:,}" if isinstance(value, int) else f"{value:,.1f}"
    return f"{shown} ({short_size(value)})" if "bytes" in name else shown


def _per_s(value: float | None) -> str:
    return f"{count_or_nothing(value)}/s"
