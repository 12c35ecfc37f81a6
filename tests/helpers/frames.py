"""Frames for tests of how they are shown."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from fanout.basics.units import NS
from fanout.cli.top.figures import (
    EndFigures,
    Frame,
    PublisherFigures,
    Rates,
    Reading,
    SubscriberFigures,
    WorkerFigures,
)
from fanout.observe.rows import WorkerRow, closed_of
from fanout.reasons import DROPPING
from fanout.terms.slow_policy import SlowPolicy
from tests.helpers.fake_publisher import statistics, subscriber
from tests.helpers.fake_segment import END, FakeSegment

NASTY = "\x1b[31mdesk\x07\x7f\x9b\u202e"  # a name that would speak to a terminal

_BY_REASON = dict.fromkeys((reason.label for reason in DROPPING), 0)
MORE: dict[str, Any] = {
    "name": NASTY,
    "user": NASTY,
    "policy": SlowPolicy(),
    "chosen_by": "rule",
    "rate": 15,
    "dropped_by": _BY_REASON,
    "dropped_bytes_by": _BY_REASON,
}


def frame_of(
    ids: list[int], *, order: list[int] | None = None, first: int = 0, **publisher: Any
) -> Frame:
    """A frame with these subscribers; every name and user is nasty."""
    before = Reading(0, published=50, published_bytes=5_000, sent=100, dropped=1)
    after = Reading(NS, published=100, published_bytes=8_000, sent=300, dropped=3)
    fake = FakeSegment(1)
    figures = {
        "name": "ticks",
        "pid": 10,
        "epoch": 1 << 55,
        "state": "serving",
        "started": 1_000.0,
        "now": 1_090.5,
        "heartbeat_age_s": 0.25,
        "poisoned": False,
        "log_bytes": 1 << 20,
        "log_used_bytes": 1 << 18,
        "statistics": statistics(published=100, subscribers=len(ids), sent=300, dropped=3),
        "rates": Rates(before, after),
    }
    frame = Frame(
        publisher=PublisherFigures(**{**figures, **publisher}),
        workers=[WorkerFigures(WorkerRow.read(fake.segment, 0), 2, 0.1, 1.5, 70.0)],
        subscribers=[
            SubscriberFigures(replace(subscriber(one, f"{NASTY}{one}"), **MORE), 5.0) for one in ids
        ],
        first=first,
        order=ids if order is None else order,
    )
    fake.close()
    return frame


def frame_of_ends(ids: list[int], **changes: Any) -> Frame:
    """A frame with the ends of these, the newest first; every peer, name and user is nasty.

    They ended 60.5 s ago, after a second.
    """
    ends = [
        replace(END, subscriber=one, peer=f"{NASTY}{one}", name=NASTY, user=NASTY, **changes)
        for one in ids
    ]
    shown = [
        EndFigures(100 - place, closed_of(end, end.closed, 1_030.0))
        for place, end in enumerate(ends)
    ]
    return replace(frame_of([]), ended=shown, order=ids)
