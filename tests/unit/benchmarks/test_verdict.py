"""The verdict: the best peer, how far ahead of it fanout is, and how near to the limit."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from benchmarks.report import case_table, write_json
from benchmarks.summary import CaseResult, PeerRounds, WorkloadResult
from benchmarks.verdict import Verdict, judge
from benchmarks.workloads import Metric, Sample

if TYPE_CHECKING:
    from pathlib import Path

RATE = Metric("rate", "M/s")
COST = Metric("cost", "us", higher_is_better=False)


def _rounds(peer: str, *values: float) -> PeerRounds:
    return PeerRounds(peer, [Sample({"rate": value, "cost": value}) for value in values])


def _invalid(peer: str) -> PeerRounds:
    return PeerRounds(peer, [Sample(invalid="1 subscribers got too little")])


def _judge(*rows: PeerRounds, metric: Metric = RATE) -> Verdict:
    verdict = judge(CaseResult("a case", list(rows)), metric)
    assert verdict is not None
    return verdict


def test_the_best_peer_is_the_one_with_the_highest_median() -> None:
    found = _judge(
        _rounds("fanout", 12.0),
        _rounds("fanout-batch", 24.0),
        _rounds("libzmq-1io", 2.0, 4.0, 90.0),
        _rounds("nats", 1.0, 3.0, 5.0),
        _rounds("limit", 30.0),
    )
    assert found.best_peer == "libzmq-1io"
    assert found.ratios == {"fanout": 3.0, "fanout-batch": 6.0}
    assert found.limit == "limit"
    assert found.efficiencies == {"fanout": 0.4, "fanout-batch": 0.8}


def test_where_less_is_better_the_best_peer_has_the_lowest_median() -> None:
    found = _judge(_rounds("fanout", 2.0), _rounds("nats", 9.0), _rounds("redis", 3.0), metric=COST)
    assert (found.best_peer, found.ratios) == ("redis", {"fanout": 1.5})


def test_neither_the_limit_nor_fanout_itself_is_a_peer() -> None:
    found = _judge(_rounds("fanout", 1.0), _rounds("fanout-batch", 9.0), _rounds("limit", 8.0))
    assert (found.best_peer, found.ratios) == ("", {})
    assert str(found) == "no peer to compare with; of limit: fanout 12 %, fanout-batch 112 %"


@pytest.mark.parametrize(
    "other", [_invalid("libzmq-2io"), PeerRounds("libzmq-2io", absent="not installed")]
)
def test_a_peer_without_a_round_that_counts_is_no_candidate_but_is_named(other: PeerRounds) -> None:
    rows = [_rounds("fanout", 9.0), other, _rounds("redis", 3.0)]
    assert _judge(*rows).best_peer == "redis"
    table = case_table(CaseResult("a case", rows), [RATE])
    assert any("libzmq-2io" in line and other.problem in line for line in table.splitlines())


def test_a_peer_is_judged_by_its_rounds_that_count() -> None:
    mixed = _rounds("redis", 6.0)
    mixed.samples.append(Sample(invalid="1 subscribers got too little"))
    found = _judge(_rounds("fanout", 9.0), _rounds("nats", 3.0), mixed)
    assert (found.best_peer, found.ratios) == ("redis", {"fanout": 1.5})


def test_fanout_without_a_round_that_counts_has_no_ratio() -> None:
    found = _judge(_invalid("fanout"), _rounds("fanout-batch", 6.0), _rounds("redis", 3.0))
    assert found.ratios == {"fanout-batch": 2.0}
    assert str(_judge(_invalid("fanout"), _rounds("redis", 3.0))) == "best peer redis: no ratio"


def test_a_limit_without_a_round_that_counts_gives_no_efficiency() -> None:
    found = _judge(_rounds("fanout", 9.0), _rounds("redis", 3.0), _invalid("limit"))
    assert (found.limit, found.efficiencies) == ("", {})
    assert str(found) == "best peer redis: fanout 3.00 x"


def test_of_several_limits_the_highest_counts() -> None:
    found = _judge(_rounds("fanout-2", 9.0), _rounds("limit-1", 6.0), _rounds("limit-2", 12.0))
    assert (found.limit, found.efficiencies) == ("limit-2", {"fanout-2": 0.75})


def test_a_peer_that_took_nothing_has_no_ratio() -> None:
    found = _judge(_rounds("fanout", 2.0), _rounds("redis", 0.0), metric=COST)
    assert (found.best_peer, found.ratios) == ("redis", {})


def test_there_is_no_verdict_where_fanout_has_no_part() -> None:
    case = CaseResult("a case", [_rounds("limit", 1.0), _rounds("redis", 1.0)])
    assert judge(case, RATE) is None
    assert "=>" not in case_table(case, [RATE])


def test_the_verdict_is_the_last_line_of_the_table_and_in_the_json(tmp_path: Path) -> None:
    rows = [_rounds("fanout", 9.0), _rounds("redis", 3.0), _rounds("limit", 12.0)]
    case = CaseResult("a case", rows)
    last = case_table(case, [RATE]).splitlines()[-1]
    assert last == "  => best peer redis: fanout 3.00 x; of limit: fanout 75 %"
    path = tmp_path / "results.json"
    write_json(path, {}, [WorkloadResult("firehose", (RATE,), [case])])
    written = json.loads(path.read_text())["workloads"][0]["cases"][0]
    assert written["verdict"]["ratios"] == {"fanout": 3.0}
    assert written["verdict"]["efficiencies"] == {"fanout": 0.75}
    assert len(written["rounds"]) == 3
