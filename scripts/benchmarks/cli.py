"""The command line of `scripts/bench`."""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.children import raise_descriptor_limit
from benchmarks.choices import names_of, some_of
from benchmarks.machine import describe_machine
from benchmarks.peers import PEERS
from benchmarks.peers.programs import build_programs
from benchmarks.plot import plot_results
from benchmarks.progress import progress
from benchmarks.report import case_table, write_json
from benchmarks.runner import count_steps, run_workload
from benchmarks.workloads import WORKLOADS, Settings, Workload

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.summary import CaseResult, WorkloadResult

ROUNDS, QUICK_ROUNDS = 5, 3
SECONDS, QUICK_SECONDS = 1.0, 0.3


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(number) for number in text.split(","))


def parser() -> argparse.ArgumentParser:
    """The options."""
    listed = "\n".join(f"  {w.name:14} {w.summary}" for w in WORKLOADS.values())
    peers = "\n".join(f"  {kind.name:14} {kind.summary}" for kind in PEERS.values())
    made = argparse.ArgumentParser(
        allow_abbrev=False,
        prog="scripts/bench",
        description="Measures fanout and its peers, alternately, on the same work.",
        epilog=f"workloads:\n{listed}\n\npeers:\n{peers}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("workloads", nargs="*", metavar="WORKLOAD", help="default: firehose")
    made.add_argument("--quick", action="store_true", help="fewer cases, shorter runs")
    made.add_argument("--subscribers", type=_numbers, default=(), metavar="N,N")
    made.add_argument("--sizes", type=_numbers, default=(), metavar="BYTES,BYTES")
    made.add_argument("--peers", type=names_of("peer", PEERS), default=(), metavar="PEER,PEER")
    made.add_argument("--rounds", type=int, help=f"default {ROUNDS}, quick {QUICK_ROUNDS}")
    made.add_argument("--seconds", type=float, help="length of one run, about")
    made.add_argument("--json", type=Path, metavar="FILE", help="all rounds, machine, versions")
    made.add_argument("--plot", type=Path, metavar="DIR", help="PNG and SVG, needs matplotlib")
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the workloads; returns 1 if a round did not count, 0 otherwise."""
    made = parser()
    options = made.parse_args(arguments)
    names = some_of(made, "workload", options.workloads or ["firehose"], WORKLOADS)
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    raise_descriptor_limit()
    settings = Settings(
        subscribers=options.subscribers,
        sizes=options.sizes,
        peers=options.peers,
        rounds=options.rounds or (QUICK_ROUNDS if options.quick else ROUNDS),
        seconds=options.seconds or (QUICK_SECONDS if options.quick else SECONDS),
        quick=options.quick,
    )
    return _run([WORKLOADS[name] for name in names], settings, options)


def _run(workloads: Sequence[Workload], settings: Settings, options: argparse.Namespace) -> int:
    machine = describe_machine()
    print("\n".join(f"{name}: {value}" for name, value in machine.items()), flush=True)
    kinds = [kind for workload in workloads for kind in workload.kinds(settings)]
    build_programs((kind.program for kind in kinds if kind.program), print)
    results: list[WorkloadResult] = []
    for workload in workloads:
        results.append(_run_one(workload, settings))
        if options.json:
            write_json(options.json, machine, results)
    if options.plot:
        plot_results(options.plot, results)
    rows = [row for result in results for case in result.cases for row in case.rounds]
    return int(any(sample.invalid for row in rows for sample in row.samples))


def _run_one(workload: Workload, settings: Settings) -> WorkloadResult:
    def report(case: CaseResult) -> None:
        print(case_table(case, workload.metrics), end="\n\n", flush=True)

    print(f"\n== {workload.name}: {workload.summary}\n", flush=True)
    with progress(count_steps(workload, settings)) as step:
        return run_workload(workload, settings, step, report)
