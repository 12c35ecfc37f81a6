"""Workloads: which cases there are, and what is made of what was measured."""

from __future__ import annotations

import resource

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
