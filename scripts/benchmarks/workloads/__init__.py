"""The workloads, one file each."""

from __future__ import annotations

from benchmarks.workloads.base import Case, Metric, Sample, Settings, Workload
from benchmarks.workloads.firehose import Firehose
from benchmarks.workloads.limits import Limits

__all__ = ["WORKLOADS", "Case", "Metric", "Sample", "Settings", "Workload"]

_ALL: tuple[Workload, ...] = (Firehose(), Limits())

WORKLOADS = {workload.name: workload for workload in _ALL}
