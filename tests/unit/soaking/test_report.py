"""The table of a soak, and its verdict."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from soaking.cli import compared
from soaking.report import table, write_json
from soaking.summary import HEALTHY_P99_MAX_MS, PUBLISH_TIMES_MAX, Outcome

if TYPE_CHECKING:
    from pathlib import Path

CALM = Outcome(
    attack="none",
    healthy_p50_ms=0.5,
    healthy_p99_ms=2.0,
    healthy_max_ms=3.0,
    healthy_wanted=4_000,
    healthy_lost=0,
    everything_p99_ms=math.nan,
    everything_wanted=0,
    everything_lost=0,
    disorder=0,
    published_per_second=5_500.0,
    publish_p50_us=1.2,
    publish_p99_us=20.0,
    publish_max_us=90.0,
    user_mib=16.0,
    workers_mib=25.0,
    user_cpu=0.1,
    workers_cpu=0.2,
    workers_lost=0,
    evicted=0,
    refused=0,
    no_descriptor=0,
)


def test_a_table_has_a_row_for_each_attack() -> None:
    lines = table([CALM, replace(CALM, attack="churn", healthy_lost=1_234)]).splitlines()
    assert [line.split()[1] for line in (lines[0], *lines[2:])] == ["attack", "none", "churn"]
    assert len({len(line) for line in lines}) == 1
    assert "1,234" in lines[3]
    assert "nan" not in lines[2]


@pytest.mark.parametrize(
    "harm",
    [
        {"healthy_lost": 1},
        {"everything_lost": 1},
        {"disorder": 1},
        {"workers_lost": 1},
        {"no_descriptor": 1},
        {"failures": ["BrokenError: no worker is left"]},
    ],
)
def test_any_harm_is_a_failure(harm: dict[str, object]) -> None:
    assert CALM.held
    assert not replace(CALM, **harm).held  # type: ignore[arg-type]


def test_who_is_made_to_wait_is_a_verdict_too() -> None:
    p99 = replace(CALM, attack="churn", healthy_p99_ms=HEALTHY_P99_MAX_MS + 1)
    assert (p99.unharmed, p99.held, p99.verdict) == (True, False, "late")
    assert "churn: the healthy have a p99 above 50 ms" in table([p99])

    twice = replace(CALM, attack="churn", publish_p50_us=PUBLISH_TIMES_MAX * CALM.publish_p50_us)
    dearer = replace(twice, publish_p50_us=twice.publish_p50_us + 0.1)
    assert compared(twice, [CALM]).held
    assert not compared(dearer, [CALM]).held
    assert compared(dearer, []).held, "it is not known what it costs without"
    assert compared(dearer, [CALM, replace(dearer, attack="none-busy")]).held
    assert "publish() costs more than 2 times the 1.2 us" in table([compared(dearer, [CALM])])
    assert replace(p99, disorder=1).verdict == "harm"


def test_what_is_published_rarely_is_compared_with_what_is() -> None:
    """A call that finds nothing in the caches, and wakes workers, costs more without attack too."""
    rare = replace(CALM, published_per_second=500.0, publish_p50_us=38.0)
    often = replace(CALM, attack="none-busy", published_per_second=5_500.0, publish_p50_us=1.4)
    seldom = replace(rare, attack="sippers", published_per_second=505.0, publish_p50_us=34.0)
    halved = replace(seldom, attack="readers", published_per_second=2_900.0)
    for before in ([rare, often], [often, rare]):
        assert compared(seldom, before).calm_publish_us == 38.0
        assert compared(seldom, before).held
        assert compared(halved, before).calm_publish_us == 1.4, "5,500 is nearer"
    stopped = replace(halved, published_per_second=0.0)
    assert compared(stopped, [often]).calm_publish_us == 1.4


def test_a_note_is_no_failure_and_is_shown() -> None:
    noted = replace(CALM, notes=["from the loopback"])
    assert noted.held
    assert table([noted]).splitlines()[-1] == "none: from the loopback"


def test_all_figures_are_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "soak.json"
    write_json(path, {"cores": "2"}, [CALM])
    document = json.loads(path.read_text())
    assert document["machine"] == {"cores": "2"}
    assert document["attacks"][0]["publish_p99_us"] == 20.0
