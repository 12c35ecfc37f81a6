"""What last values cost: calls in turns, and newcomers who get all of them."""

from __future__ import annotations

import shutil

import pytest

from benchmarks.peers import PEERS
from benchmarks.value_brokers import KEEPERS
from benchmarks.value_costs import BY_HAND, PURE
from benchmarks.workloads import WORKLOADS, Sample, Settings, last_values

SETTINGS = Settings(subscribers=(3,))


def sample_of(peer: str, beginning: str, monkeypatch: pytest.MonkeyPatch) -> Sample:
    monkeypatch.setattr(last_values, "PAIRS", 2)
    workload = WORKLOADS["last-values"]
    [kind] = [kind for kind in workload.kinds(SETTINGS) if kind.name == peer]
    [case] = [case for case in workload.cases(SETTINGS) if case.label.startswith(beginning)]
    return workload.measure(kind, case, SETTINGS)


def test_by_hand_is_left_out_where_it_has_no_batches_or_would_take_too_long() -> None:
    cases = WORKLOADS["last-values"].cases(Settings())
    own, served = ("fanout",), ("fanout", *KEEPERS)
    assert [case.peers for case in cases[:2]] == [("fanout", PURE, BY_HAND), ("fanout", PURE)]
    assert [case.peers for case in cases[2:]] == [("fanout", BY_HAND, *KEEPERS), served, own, own]
    assert [case.traffic.subscribers for case in cases[2:]] == [100, 1000, 100, 1000]


@pytest.mark.parametrize(
    ("peer", "loop"),
    [("fanout", "publish"), ("fanout", "batch"), (PURE, "batch"), (BY_HAND, "publish")],
)
def test_calls_are_compared(peer: str, loop: str, monkeypatch: pytest.MonkeyPatch) -> None:
    sample = sample_of(peer, loop, monkeypatch)
    assert sample.invalid == ""
    assert sample.values["seconds_with"] > 0
    assert sample.values["ratio"] > 0


@pytest.mark.parametrize(
    "peer", ["fanout", BY_HAND, *(name for name in KEEPERS if not PEERS[name].absent)]
)
def test_newcomers_get_all_values(peer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    sample = sample_of(peer, "3 arrive", monkeypatch)
    assert sample.invalid == ""
    values = sample.values
    assert values["ratio"] == values["seconds_with"] / values["seconds_without"]


def test_values_of_who_wants_everything_are_beside_the_same_bytes_published(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sample = sample_of("fanout", "3 subscribe", monkeypatch)
    assert sample.invalid == ""
    values = sample.values
    assert values["ratio"] == values["seconds_with"] / values["seconds_without"]


@pytest.mark.parametrize(
    ("peer", "program"), [("redis", "redis-server"), ("jetstream", "nats-server")]
)
def test_a_broker_is_said_not_to_be_there_where_it_is_not(
    peer: str, program: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "which", lambda _program: None)
    [kind] = [kind for kind in WORKLOADS["last-values"].kinds(SETTINGS) if kind.name == peer]
    assert kind.absent == f"program {program} is not installed"
