"""Charts: bars for who is measured, the limit as a line, and the memory in a picture of its own."""

from __future__ import annotations

import pytest

from benchmarks.charts import BAR_SPACE, Chart, charts_of, part_of
from benchmarks.summary import CaseResult, PeerRounds, WorkloadResult
from benchmarks.workloads import Metric, Sample
from benchmarks.workloads.base import MEMORY

RATE = Metric("rate", "M/s", 1e-6)
MEGA = 1e6


def _rounds(peer: str, *values: float) -> PeerRounds:
    samples = [Sample({"rate": value * MEGA, MEMORY.name: value * 10 * MEGA}) for value in values]
    return PeerRounds(peer, samples)


def _charts(*cases: list[PeerRounds], metrics: tuple[Metric, ...] = (RATE, MEMORY)) -> list[Chart]:
    made = [CaseResult(f"case {number}", rows) for number, rows in enumerate(cases)]
    return charts_of(WorkloadResult("firehose", metrics, made))


def test_the_limit_is_a_line_and_everyone_else_a_bar() -> None:
    rows = [_rounds("fanout", 6.0), _rounds("redis", 2.0), _rounds("limit", 7.0, 8.0, 12.0)]
    chart = _charts(rows)[0]
    assert [series.peer for series in chart.bars] == ["fanout", "redis"]
    assert [series.peer for series in chart.lines] == ["limit"]
    assert chart.lines[0].places == pytest.approx((0.0,))
    assert chart.lines[0].medians == pytest.approx((8.0,))
    assert chart.lines[0].colour not in {series.colour for series in chart.bars}


def test_the_memory_is_a_second_picture_without_the_limit() -> None:
    rows = [_rounds("fanout", 6.0), _rounds("redis", 2.0), _rounds("limit", 8.0)]
    rate, memory = _charts(rows)
    assert (rate.name, memory.name) == ("firehose", "firehose-memory")
    assert [series.medians for series in memory.bars] == [(60.0,), (20.0,)]
    assert not memory.lines
    assert (rate.logarithmic, memory.logarithmic) == (True, False)


@pytest.mark.parametrize("metrics", [(RATE,), (MEMORY,), (MEMORY, RATE)])
def test_there_is_no_second_picture_of_nothing_or_of_the_same(metrics: tuple[Metric, ...]) -> None:
    assert len(_charts([_rounds("fanout", 6.0)], metrics=metrics)) == 1


def test_a_part_of_a_chart_has_its_cases_alone_and_begins_at_0() -> None:
    both = [_rounds("fanout", 6.0), _rounds("redis", 2.0), _rounds("limit", 8.0)]
    chart = _charts(both, [_rounds("fanout", 7.0), _rounds("limit", 9.0)])[0]
    part = part_of(chart, 1, 2)
    assert part.ticks == chart.ticks[1:]
    assert [series.medians for series in part.bars] == [(7.0,), ()]
    assert part.bars[0].places == pytest.approx((chart.bars[0].places[1] - 1,))
    assert part.lines[0].medians == pytest.approx((9.0,))


def test_bars_have_the_spread_of_the_rounds_and_do_not_overlap() -> None:
    rows = [_rounds("fanout", 4.0, 6.0, 9.0), _rounds("redis", 2.0)]
    chart = _charts(rows, rows)[0]
    ours, theirs = chart.bars
    assert ours.medians == pytest.approx((6.0, 6.0))
    assert ours.below == pytest.approx((2.0, 2.0))
    assert ours.above == pytest.approx((3.0, 3.0))
    assert ours.places == pytest.approx((-0.2, 0.8))
    assert theirs.places == pytest.approx((0.2, 1.2))
    assert chart.bar_width == pytest.approx(BAR_SPACE / 2)


def test_who_has_no_round_that_counts_is_left_out_of_that_case_only() -> None:
    absent, invalid = PeerRounds("nats", absent="why"), PeerRounds("redis", [Sample(invalid="why")])
    chart = _charts([_rounds("fanout", 6.0), absent, invalid], [_rounds("redis", 2.0)])[0]
    assert [series.peer for series in chart.bars] == ["fanout", "redis"]
    assert chart.bars[1].places == pytest.approx((1.2,))


def test_the_verdict_stands_under_each_case() -> None:
    rows = [_rounds("fanout", 6.0), _rounds("fanout-batch", 8.0), _rounds("redis", 2.0)]
    rate, memory = _charts([*rows, _rounds("limit", 10.0)], [PeerRounds("fanout"), *rows[2:]])
    first, second = rate.ticks
    assert first.splitlines() == [
        "case 0",
        "fanout: 3.0 x redis, 60 % of limit",
        "fanout-batch: 4.0 x redis, 80 % of limit",
    ]
    assert second == "case 1"
    assert memory.ticks == ("case 0", "case 1")


def test_ours_have_colours_that_no_peer_has() -> None:
    peers = ("libzmq-1io", "libzmq-2io", "nats", "redis", "websockets")
    chart = _charts([_rounds(peer, 1.0) for peer in ("fanout", "fanout-batch", *peers)])[0]
    assert len({series.colour for series in chart.bars}) == len(chart.bars) == 7
