"""Producers that feed one publisher: all that they send arrives, whoever publishes it."""

from __future__ import annotations

from itertools import product

import pytest

from benchmarks.ingress_costs import BROKERS, HUBS, PACED, PRODUCERS
from benchmarks.peers import PEERS
from benchmarks.workloads import WORKLOADS, Settings, ingress
from benchmarks.workloads.ingress import HUBS_OF


def test_each_way_to_publish_is_measured_with_each_kind_of_producer() -> None:
    workload = WORKLOADS["ingress"]
    assert [kind.name for kind in workload.kinds(Settings())] == [*HUBS]
    cases = workload.cases(Settings())
    assert [case.producers for case in cases if isinstance(case, ingress.Load)] == [*PRODUCERS]
    loads = {(case.traffic.subscribers, case.traffic.payload_bytes) for case in cases}
    assert loads == {(10, 128)}


def test_what_a_call_costs_beside_paced_producers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ingress, "COUNT", 1250)  # ten calls
    workload, settings = WORKLOADS["ingress"], Settings(subscribers=(2,))
    [case] = [case for case in workload.cases(settings) if case.peers == ("fanout",)]
    [kind] = [kind for kind in workload.kinds(settings) if kind.name == "fanout"]
    sample = workload.measure(kind, case, settings)
    assert sample.invalid == ""
    assert 0 < sample.values["publish_p50_cpu"] <= sample.values["publish_p99_cpu"]


FAST = [one for one in PRODUCERS if one != PACED]
PRESENT = [one for one in HUBS if one not in BROKERS or not PEERS[one].absent]


@pytest.mark.parametrize(
    ("hub", "producers"),
    [(hub, one) for hub, one in product(PRESENT, FAST) if hub in HUBS_OF.get(one, HUBS)],
)
def test_all_messages_arrive(hub: str, producers: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ingress, "COUNT", 700)  # no multiple of what is sent at once
    workload, settings = WORKLOADS["ingress"], Settings(subscribers=(2,))
    [kind] = [kind for kind in workload.kinds(settings) if kind.name == hub]
    [case] = [case for case in workload.cases(settings) if f" {producers} " in case.label]
    sample = workload.measure(kind, case, settings)
    assert sample.invalid == ""
    assert sample.values["deliveries_per_second"] == 2 * sample.values["messages_per_second"] > 0
    assert sample.values["cpu_seconds_per_message"] > 0
