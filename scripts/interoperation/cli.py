"""The command line of `scripts/interop`."""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import fanout
from benchmarks.choices import names_of, some_of
from fanout import FanoutError
from interoperation.building import Left, build, cache_folder, command_of
from interoperation.foreign import Failed
from interoperation.registry import ENGINES, Engine
from interoperation.report import Row, missing_of, table
from interoperation.scenarios import NEEDS, SCENARIOS

if TYPE_CHECKING:
    from collections.abc import Sequence


def _engines(text: str) -> tuple[str, ...]:
    return tuple(ENGINES) if text == "all" else names_of("engine", ENGINES)(text)


def parser() -> argparse.ArgumentParser:
    """The options."""
    engines = "\n".join(f"  {engine.name:14} {engine.title}" for engine in ENGINES.values())
    scenarios = "\n".join(f"  {name:18} {run.__doc__}" for name, run in SCENARIOS.items())
    made = argparse.ArgumentParser(
        allow_abbrev=False,
        prog="scripts/interop",
        description="Runs a publisher against subscribers of other engines.",
        epilog=f"engines:\n{engines}\n\nscenarios:\n{scenarios}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("engines", nargs="*", metavar="ENGINE", help="default: all")
    made.add_argument(
        "--scenarios",
        type=names_of("scenario", SCENARIOS),
        default=tuple(SCENARIOS),
        metavar="NAME,NAME",
    )
    made.add_argument(
        "--require",
        type=_engines,
        default=(),
        metavar="ENGINE,ENGINE",
        help="these must not be left out; all = every one",
    )
    made.add_argument("--build", action="store_true", help="build the programs, and run nothing")
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """Builds and runs; returns 1 if something failed, or what is required was left out."""
    made = parser()
    options = made.parse_args(arguments)
    names = some_of(made, "engine", options.engines, ENGINES)
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    print(f"fanout: {Path(fanout.__file__).parent}\nbuilds: {cache_folder()}", flush=True)
    scenarios = [] if options.build else options.scenarios
    rows = [_run(ENGINES[name], scenarios) for name in names]
    print(f"\n{table(rows)}")
    missing = missing_of(rows, options.require)
    if missing:
        print(f"required, and not run: {', '.join(missing)}")
    return int(bool(missing) or any(row.has_failed for row in rows))


def _run(engine: Engine, scenarios: Sequence[str]) -> Row:
    row = Row(engine.name)
    try:
        build(engine)
    except Left as error:
        row.left_out = str(error)
        print(f"{engine.name}: left out: {error}", flush=True)
        return row
    for scenario in scenarios:
        if why := lacking(engine, scenario):
            row.lacking[scenario] = why
            continue
        row.failures[scenario], note = attempt(engine, scenario)
        text = row.failures[scenario] or f"ok{f': {note}' if note else ''}"
        print(f"{engine.name} {scenario}: {text}", flush=True)
    return row


def lacking(engine: Engine, scenario: str) -> str:
    """Why an engine cannot do this, "" if it can."""
    mechanism = NEEDS.get(scenario, "")
    has = engine.lacks.get(mechanism)
    return f"no {mechanism}: {has}" if has else ""


def attempt(engine: Engine, scenario: str) -> tuple[str, str]:
    """Runs one scenario; returns what went wrong, "" if nothing did, and what is to be said."""
    try:
        note = SCENARIOS[scenario](command_of(engine))
    except (Failed, FanoutError) as error:
        return str(error), ""
    return "", note or ""
