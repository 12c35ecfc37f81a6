"""Medians, spreads, ratios, and what is said of rounds that do not count."""

from __future__ import annotations

import pytest

from benchmarks.report import case_table
from benchmarks.summary import CaseResult, PeerRounds, Spread, ratio
from benchmarks.workloads import Metric, Sample

RATE = Metric("rate", "M/s")
COST = Metric("cost", "us", higher_is_better=False)


def _rounds(peer: str, *values: float) -> PeerRounds:
    return PeerRounds(peer, [Sample({"rate": value, "cost": value}) for value in values])


def test_the_spread_is_median_lowest_and_highest() -> None:
    assert _rounds("fanout", 3.0, 9.0, 4.0).spread(RATE) == Spread(4.0, 3.0, 9.0)


@pytest.mark.parametrize(("metric", "expected"), [(RATE, 4.0), (COST, 0.25)])
def test_a_ratio_above_one_means_that_fanout_is_ahead(metric: Metric, expected: float) -> None:
    assert ratio(_rounds("fanout", 8.0), _rounds("redis", 2.0), metric) == expected


def test_a_round_that_does_not_count_has_no_part_in_the_median_and_is_named() -> None:
    row = _rounds("redis", 2.0, 4.0)
    row.samples.append(Sample(invalid="3 subscribers got too little"))
    assert row.spread(RATE) == Spread(3.0, 2.0, 4.0)
    table = case_table(CaseResult("a case", [row]), [RATE])
    assert "INVALID in 1 of 3 rounds: 3 subscribers got too little" in table


def test_an_absent_peer_stays_in_the_table_with_its_reason() -> None:
    row = PeerRounds("redis", absent="program redis-server is not installed")
    table = case_table(CaseResult("a case", [_rounds("fanout", 1.0), row]), [RATE])
    assert "absent: program redis-server is not installed" in table
