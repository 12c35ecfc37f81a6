"""Runs a workload: rounds outermost but one, so that peers alternate on every case."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from benchmarks.children import ChildFailed
from benchmarks.session import InvalidRun
from benchmarks.summary import CaseResult, PeerRounds, WorkloadResult
from benchmarks.workloads import Case, Sample, Settings, Workload

if TYPE_CHECKING:
    from benchmarks.peers import PeerKind

Report = Callable[[CaseResult], None]
Step = Callable[[str], None]


def run_workload(
    workload: Workload, settings: Settings, step: Step, report: Report
) -> WorkloadResult:
    """Measures every peer on every case; `step` hears of each round, `report` of each case."""
    result = WorkloadResult(workload.name, workload.metrics)
    for case in workload.cases(settings):
        rows = _run_case(workload, case, settings, step)
        result.cases.append(CaseResult(case.label, rows))
        report(result.cases[-1])
    return result


def count_steps(workload: Workload, settings: Settings) -> int:
    """How many rounds there are to run in all."""
    return settings.rounds * sum(
        sum(not kind.absent for kind in _kinds(workload, case, settings))
        for case in workload.cases(settings)
    )


def _kinds(workload: Workload, case: Case, settings: Settings) -> Sequence[PeerKind]:
    kinds = workload.kinds(settings)
    return [kind for kind in kinds if case.peers is None or kind.name in case.peers]


def _run_case(workload: Workload, case: Case, settings: Settings, step: Step) -> list[PeerRounds]:
    kinds = _kinds(workload, case, settings)
    rows = [PeerRounds(kind.name, absent=kind.absent) for kind in kinds]
    present = [(kind, row) for kind, row in zip(kinds, rows, strict=True) if not kind.absent]
    for number in range(settings.rounds):
        # Another peer begins each round: what one leaves behind must not always hit the same next.
        first = number % len(present) if present else 0
        for kind, row in present[first:] + present[:first]:
            step(f"{case.label}: {kind.name}, round {number + 1}")
            row.samples.append(_measure(workload, kind, case, settings))
    return rows


def _measure(workload: Workload, kind: PeerKind, case: Case, settings: Settings) -> Sample:
    try:
        return workload.measure(kind, case, settings)
    except (ChildFailed, InvalidRun, OSError) as error:  # TimeoutError is an OSError
        return Sample(invalid=f"{type(error).__name__}: {error}")
