"""What a message costs a subscriber: each way receives all of them."""

from __future__ import annotations

import importlib.util

import pytest

from benchmarks.receiving_costs import WAYS
from benchmarks.workloads import WORKLOADS, Settings, receiving


def test_each_way_is_a_row() -> None:
    workload = WORKLOADS["subscriber"]
    assert [kind.name for kind in workload.kinds(Settings())] == [*WAYS] == [*receiving.WAYS]
    assert [case.label for case in workload.cases(Settings())] == ["128 B"]


PRESENT = [kind.name for kind in WORKLOADS["subscriber"].kinds(Settings()) if not kind.absent]


@pytest.mark.parametrize("way", PRESENT)
def test_a_message_has_a_cost(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receiving, "COUNT", 200)
    workload = WORKLOADS["subscriber"]
    [kind] = [kind for kind in workload.kinds(Settings()) if kind.name == way]
    sample = workload.measure(kind, workload.cases(Settings())[0], Settings())
    assert sample.values["messages_per_second"] > 0
    assert sample.values["cpu_seconds_per_message"] > 0


@pytest.mark.parametrize(
    ("way", "absent"),
    [
        ("redis-py listen", "Python package redis is not installed"),
        ("nats-py ordered consumer", "Python package nats is not installed"),
    ],
)
def test_clients_of_others_are_said_not_to_be_there_where_they_are_not(
    way: str, absent: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _module: None)
    [kind] = [kind for kind in WORKLOADS["subscriber"].kinds(Settings()) if kind.name == way]
    assert kind.absent == absent
