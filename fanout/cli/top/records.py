"""What programs read: JSON objects and CSV lines of all figures. Pure.

The names are a promise: `docs/reference/top.md` lists them, and `SCHEMA` counts up when one of them
goes or changes its meaning. More may come without that.
"""

from __future__ import annotations

import csv
import io
import json
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from fanout.cli.units import printable
from fanout.reasons import DROPPING
from fanout.statistics import ClosedSubscriber, PublisherStatistics, SubscriberStatistics
from fanout.terms.slow_policy import SlowPolicy

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fanout.cli.top.figures import (
        EndFigures,
        Frame,
        PublisherFigures,
        SubscriberFigures,
        WorkerFigures,
    )

SCHEMA = 1

_OF_PUBLISHER = tuple(one.name for one in fields(PublisherStatistics) if one.name != "workers")
_OF_SUBSCRIBER = tuple(one.name for one in fields(SubscriberStatistics))
_OF_END = tuple(one.name for one in fields(ClosedSubscriber))
_BY_REASON = ("dropped_by", "dropped_bytes_by")  # several figures each
_OF_WORKER = (
    *("index", "pid", "restarts", "subscribers", "cohorts"),
    *("matched", "sent", "sent_bytes", "dropped", "discarded", "unrecorded"),
    *("replayed", "from_snapshot", "keyframes_lost", "in_snapshot"),
)

_OF_POLICY = tuple(one.name for one in fields(SlowPolicy) if one.name != "action")


def publisher_record(it: PublisherFigures) -> dict[str, Any]:
    """The publisher as a JSON object."""
    rates = it.rates
    return {
        "name": it.name,
        "pid": it.pid,
        "epoch": str(it.epoch),  # it is larger than what a number in JavaScript keeps exactly
        "epoch_hex": f"{it.epoch:016x}",  # as `fanout sub` and `--since` have it
        "state": it.state,
        "started": round(it.started, 3),
        "heartbeat_age_s": _rounded(it.heartbeat_age_s),
        "poisoned": it.poisoned,
        "log_bytes": it.log_bytes,
        "log_used_bytes": it.log_used_bytes,
        "messages_per_s": _rounded(rates.published),
        "bytes_per_s": _rounded(rates.published_bytes),
        "sent_per_s": _rounded(rates.sent),
        "dropped_per_s": _rounded(rates.dropped),
        **{name: getattr(it.statistics, name) for name in _OF_PUBLISHER},
    }


def worker_record(it: WorkerFigures) -> dict[str, Any]:
    """A worker as a JSON object."""
    return {
        **{name: getattr(it.row, name) for name in _OF_WORKER},
        "state": it.row.state.name.lower(),
        "cpu": it.row.load / 1000,
        "memory_bytes": it.row.rss_bytes,
        "behind": it.behind,
        "heartbeat_age_s": _rounded(it.heartbeat_age_s),
        "messages_per_s": _rounded(it.messages_per_s),
        "bytes_per_s": _rounded(it.bytes_per_s),
    }


def subscriber_record(it: SubscriberFigures) -> dict[str, Any]:
    """A subscriber as a JSON object: the fields of `SubscriberStatistics`, and some more."""
    one = it.statistics
    return {
        **{name: getattr(one, name) for name in _OF_SUBSCRIBER},
        "blocked_s": round(one.blocked_s, 3),
        "age_s": round(one.age_s, 3),
        **_policy_record(one.policy),
        "connected_s": _rounded(it.connected_s),
    }


def end_record(it: EndFigures) -> dict[str, Any]:
    """An end as a JSON object: the fields of `ClosedSubscriber`, and some more."""
    one = it.statistics
    return {
        "number": it.number,
        **{name: getattr(one, name) for name in _OF_END},
        "cause": one.cause.label,
        "connected_s": round(one.connected_s, 3),
        "ended": round(one.ended, 3),
        **_policy_record(one.policy),
    }


def json_line(frame: Frame) -> str:
    """All of it as one line of JSON."""
    record: dict[str, Any] = {
        "schema": SCHEMA,
        "time": round(frame.publisher.now, 3),
        "publisher": publisher_record(frame.publisher),
        "workers": list(map(worker_record, frame.workers)),
    }
    if frame.ended is None:
        record["subscribers"] = list(map(subscriber_record, frame.subscribers))
    else:
        record["ended"] = list(map(end_record, reversed(frame.ended)))
    # ASCII: what is not printable is escaped. But for DEL, which JSON takes for printable.
    return json.dumps(record, separators=(",", ":")).replace("\x7f", "\\u007f") + "\n"


def csv_lines(frame: Frame, *, header: bool) -> Iterator[str]:
    """The subscribers, or those that have ended, as lines of CSV, each with the time of the look.

    Args:
        header: whether the first line has the names.
    """
    if header:
        yield _csv_line(CSV_COLUMNS if frame.ended is None else END_CSV_COLUMNS)
    time = round(frame.publisher.now, 3)
    records = map(subscriber_record, frame.subscribers)
    if frame.ended is not None:
        records = map(end_record, reversed(frame.ended))
    for record in records:
        yield _csv_line([time, *map(_cell, flat(record).values())])


def flat(record: dict[str, Any]) -> dict[str, Any]:
    """A record without objects in it: their members stand beside the others."""
    flat: dict[str, Any] = {}
    for name, value in record.items():
        if isinstance(value, dict):
            flat |= {f"{name}.{member}": one for member, one in value.items()}
        else:
            flat[name] = value
    return flat


def _policy_record(policy: SlowPolicy) -> dict[str, Any]:
    return {
        "policy": policy.action,
        **{f"policy_{name}": getattr(policy, name) for name in _OF_POLICY},
    }


def _csv_columns(*names: str) -> Iterator[str]:
    """Names of records as names of columns, after that of the time."""
    yield "time"
    for name in names:
        if name in _BY_REASON:
            yield from (f"{name}.{reason.label}" for reason in DROPPING)
        else:
            yield name


def _csv_line(cells: object) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(cells)  # type: ignore[arg-type]
    return line.getvalue()


def _cell(value: Any) -> Any:
    return printable(value) if isinstance(value, str) else value


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)


_POLICY_NAMES = tuple(f"policy_{name}" for name in _OF_POLICY)
CSV_COLUMNS = tuple(_csv_columns(*_OF_SUBSCRIBER, *_POLICY_NAMES, "connected_s"))
END_CSV_COLUMNS = tuple(_csv_columns("number", *_OF_END, *_POLICY_NAMES))
