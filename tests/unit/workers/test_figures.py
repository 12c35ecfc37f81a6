"""Figures: signs of life once a tick, load once a second, totals that survive their worker."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fanout.basics.units import NS
from fanout.workers.figures import Figures, totals_in
from fanout.workers.stream.pump import Pump
from tests.helpers.around import Around
from tests.helpers.log import SMALL, Worker

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def around() -> Iterator[Around]:
    around = Around(SMALL)
    yield around
    around.close()


def test_load_and_memory_are_measured_once_a_second(around: Around) -> None:
    figures = Figures(around, Pump(around.log))
    around.cpu, around.rss = NS // 4, 5_000
    figures.tick(NS)
    first = (around.slot.load, around.slot.cpu_ns, around.slot.rss_bytes)
    around.cpu, around.rss = NS, 6_000
    figures.tick(NS + NS // 2)
    early = (around.slot.load, around.slot.cpu_ns, around.slot.rss_bytes)
    figures.tick(2 * NS)

    assert first == early == (250, NS // 4, 5_000)
    assert (around.slot.load, around.slot.cpu_ns, around.slot.rss_bytes) == (750, NS, 6_000)
    assert around.slot.heartbeat == 2 * NS


def test_a_replacement_counts_on_from_what_it_finds(around: Around) -> None:
    slot = around.slot
    slot.matched, slot.sent, slot.sent_bytes = 100, 60, 6_000
    slot.dropped, slot.discarded, slot.progress = 30, 10, 1_000
    pump = Pump(around.log, totals=totals_in(slot))
    figures = Figures(around, pump)
    pump.totals.matched += 1
    figures.progress += 1

    figures.publish()

    assert (slot.matched, slot.sent, slot.sent_bytes) == (101, 60, 6_000)
    assert (slot.dropped, slot.discarded, slot.progress) == (30, 10, 1_001)


def test_who_is_sent_what_was_there_before_is_counted_until_it_has_got_that(
    around: Around,
) -> None:
    worker = Worker()
    figures = Figures(around, worker.pump)
    member, _sink = worker.member(b"A")
    worker.pump.show(member, worker.pump.front, -1, [b"A"], {b"A"}, is_told=False, now=0)
    figures.publish()
    during = around.slot.in_snapshot
    after_its_worker = Figures(around, Pump(around.log))

    after_its_worker.publish()

    assert (during, around.slot.in_snapshot) == (1, 0)
    worker.log.segment.close()


def test_cohorts_with_members_are_counted(around: Around) -> None:
    worker = Worker()
    figures = Figures(around, worker.pump)
    counts = []
    for prefix in (b"A", b"A", b"B", b""):
        worker.member(prefix)
        figures.publish()
        counts.append(around.slot.cohorts)

    assert counts == [1, 1, 2, 3]
    worker.log.segment.close()
