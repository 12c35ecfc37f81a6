"""The workloads, one file each."""

from __future__ import annotations

from benchmarks.workloads.base import Case, Metric, Sample, Settings, Workload
from benchmarks.workloads.bounds import Bounds
from benchmarks.workloads.conflate import Conflate
from benchmarks.workloads.curve import Curve
from benchmarks.workloads.curve_beside import CurveBeside
from benchmarks.workloads.firehose import Firehose
from benchmarks.workloads.idle import Idle
from benchmarks.workloads.ingress import Ingress
from benchmarks.workloads.isolation import Isolation
from benchmarks.workloads.last_values import LastValues
from benchmarks.workloads.latency import Latency
from benchmarks.workloads.limits import Limits
from benchmarks.workloads.publish_cost import PublishCost
from benchmarks.workloads.receiving import Receiving
from benchmarks.workloads.scaling import Scaling
from benchmarks.workloads.single import Single
from benchmarks.workloads.stalled import Stalled
from benchmarks.workloads.storm import Storm
from benchmarks.workloads.subscribing import Subscribing
from benchmarks.workloads.takeover import Takeover
from benchmarks.workloads.watchlists import Watchlists

__all__ = ["WORKLOADS", "Case", "Metric", "Sample", "Settings", "Workload"]

_ALL: tuple[Workload, ...] = (
    Firehose(),
    Curve(),
    CurveBeside(),
    PublishCost(),
    Idle(),
    Watchlists(),
    Stalled(),
    Isolation(),
    Bounds(),
    Conflate(),
    Latency(),
    Storm(),
    Subscribing(),
    Receiving(),
    LastValues(),
    Ingress(),
    Takeover(),
    Single(),
    Scaling(),
    Limits(),
)

WORKLOADS = {workload.name: workload for workload in _ALL}
