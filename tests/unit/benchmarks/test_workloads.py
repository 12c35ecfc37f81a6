"""Workloads: which cases there are, and what is made of what was measured."""

from __future__ import annotations

import resource
from itertools import product

import pytest

from benchmarks.children import OTHER_DESCRIPTORS, require_descriptors
from benchmarks.workloads import WORKLOADS, Settings
from benchmarks.workloads.idle import above_the_first

KIB = 1024


def _subscribers(workload: str, settings: Settings) -> list[int]:
    return [case.traffic.subscribers for case in WORKLOADS[workload].cases(settings)]


def test_idle_subscribers_are_measured_by_the_thousand_and_by_the_ten_thousand() -> None:
    assert _subscribers("idle", Settings()) == [1000, 10_000]
    assert _subscribers("idle", Settings(quick=True)) == [1000]
    assert _subscribers("idle", Settings(subscribers=(5,))) == [5]


def test_the_first_metric_of_idle_is_the_memory_for_each_subscriber() -> None:
    assert WORKLOADS["idle"].metrics[0].name == "bytes_per_subscriber"
    assert above_the_first(7 * KIB, 7 * KIB + 999 * 3 * KIB, 1000) == 3 * KIB


def test_too_few_open_files_are_said_before_the_first_socket() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    require_descriptors(hard - OTHER_DESCRIPTORS)
    with pytest.raises(OSError, match=f"the hard limit is {hard:,}"):
        require_descriptors(hard)


def test_single_has_one_worker_one_thread_and_one_sender_under_their_own_names() -> None:
    kinds = {kind.name: dict(kind.options) for kind in WORKLOADS["single"].kinds(Settings())}
    assert list(kinds) == ["fanout", "fanout-batch", "libzmq-1io", "limit"]
    assert kinds["fanout"]["workers"] == kinds["fanout-batch"]["workers"] == 1
    assert kinds["fanout-batch"]["batch"] > 1
    assert kinds["libzmq-1io"]["io_threads"] == kinds["limit"]["senders"] == 1


def test_single_has_the_loads_that_other_engines_publish() -> None:
    cases = WORKLOADS["single"].cases(Settings())
    loads = [(case.traffic.subscribers, case.traffic.payload_bytes) for case in cases]
    assert loads == [(32, 64), (32, 256), (32, 1024), (32, 16 * 1024)]


def test_firehose_takes_every_load_that_is_asked_for() -> None:
    subscribers, sizes = (10, 100, 1000, 5000), (32, 128, 1024, 16 * KIB, 256 * KIB)
    cases = WORKLOADS["firehose"].cases(Settings(subscribers=subscribers, sizes=sizes))
    loads = {(case.traffic.subscribers, case.traffic.payload_bytes) for case in cases}
    assert loads == set(product(subscribers, sizes))
    assert len({case.label for case in cases}) == len(cases) == 20
