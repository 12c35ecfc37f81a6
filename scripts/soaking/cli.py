"""The command line of `scripts/soak`."""

from __future__ import annotations

import argparse
import math
import signal
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

import fanout
from benchmarks.children import ChildFailed, raise_descriptor_limit
from benchmarks.choices import names_of, some_of
from benchmarks.machine import describe_machine
from fanout.options import Options
from soaking.attacks import ATTACKS, Attack
from soaking.chaos.people import KINDS
from soaking.chaos.report import report as chaos_report
from soaking.chaos.report import write_json as write_chaos
from soaking.chaos.session import Session as ChaosSession
from soaking.chaos.session import Settings as ChaosSettings
from soaking.network import own_network
from soaking.rebalance.session import Session as RebalanceSession
from soaking.rebalance.session import Settings as RebalanceSettings
from soaking.rebalance.session import report as rebalance_report
from soaking.reconnect.session import Session as ReconnectSession
from soaking.reconnect.session import report as reconnect_report
from soaking.report import table, write_json
from soaking.session import Session
from soaking.slow.session import Session as SlowSession
from soaking.slow.session import report

if TYPE_CHECKING:
    from collections.abc import Sequence

    from soaking.summary import Outcome

CALM = ("none-busy", "none")  # what attacks are compared with: that which published about as often
SECONDS = 20.0  # more than `worker_timeout`: who hangs is noticed


def parser() -> argparse.ArgumentParser:
    """The options."""
    made = argparse.ArgumentParser(
        allow_abbrev=False,
        prog="scripts/soak",
        description="Runs a publisher on bad days: attacked, with slow ones, or losing workers.",
    )
    kinds = made.add_subparsers(dest="kind", required=True)
    _add_hostile(kinds)
    _add_slow(kinds)
    _add_chaos(kinds)
    _add_reconnect(kinds)
    _add_rebalance(kinds)
    return made


def _add_hostile(kinds: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    listed = "\n".join(f"  {attack.name:12} {attack.summary}" for attack in ATTACKS.values())
    hostile = kinds.add_parser(
        "hostile",
        allow_abbrev=False,
        help="strangers attack; a healthy audience is measured",
        epilog=f"attacks:\n{listed}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    hostile.add_argument("attacks", nargs="*", metavar="ATTACK", help="default: all")
    hostile.add_argument(
        "--seconds", type=float, default=SECONDS, metavar="S", help=f"of each, default {SECONDS:g}"
    )
    hostile.add_argument("--json", type=Path, metavar="FILE", help="all figures, and the machine")


def _add_slow(kinds: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    slow = kinds.add_parser(
        "slow",
        allow_abbrev=False,
        help="slow subscribers of every policy; every counter and every gap is checked",
    )
    slow.add_argument("--seconds", type=float, default=60.0, metavar="S", help="default 60")
    slow.add_argument("--subscribers", type=int, default=200, metavar="N", help="default 200")
    slow.add_argument("--slow", type=int, default=20, metavar="N", help="of these, default 20")
    slow.add_argument(
        "--rate",
        type=float,
        default=0.0,
        metavar="N",
        help="messages a second; 0, the default: as many as the healthy ones read",
    )
    slow.add_argument(
        "--limit", type=int, default=65_536, metavar="BYTES", help="that may wait for a slow one"
    )


def _add_chaos(kinds: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    listed = "\n".join(f"  {name:12} {kind.summary}" for name, kind in KINDS.items())
    chaos = kinds.add_parser(
        "chaos",
        allow_abbrev=False,
        help="workers are killed, stopped and moved from; every byte is checked",
        epilog=f"kinds of subscriber:\n{listed}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    chaos.add_argument("--seconds", type=float, default=60.0, metavar="S", help="default 60")
    chaos.add_argument("--subscribers", type=int, default=200, metavar="N", help="default 200")
    chaos.add_argument("--seed", type=int, default=1, metavar="N", help="of all that is chosen")
    chaos.add_argument("--kinds", type=names_of("kind", KINDS), default=(), metavar="KIND,KIND")
    chaos.add_argument("--without", type=names_of("kind", KINDS), default=(), metavar="KIND,KIND")
    chaos.add_argument("--workers", type=int, default=2, metavar="N", help="default 2")
    chaos.add_argument("--log-mib", type=int, default=16, metavar="N", help="default 16")
    chaos.add_argument(
        "--rate",
        type=float,
        default=0.0,
        metavar="N",
        help="messages a second; 0, the default: as many as there is room for",
    )
    chaos.add_argument(
        "--worker-timeout",
        type=float,
        default=1.0,
        metavar="S",
        help="after which a worker has hung, default 1; more on a machine with much other work",
    )
    chaos.add_argument("--json", type=Path, metavar="FILE", help="all that was found")


def _add_reconnect(kinds: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    reconnect = kinds.add_parser(
        "reconnect",
        allow_abbrev=False,
        help="fanout.Subscriber, cut, evicted and made anew; each message comes once or is told of",
    )
    reconnect.add_argument("--seconds", type=float, default=60.0, metavar="S", help="default 60")
    reconnect.add_argument("--subscribers", type=int, default=200, metavar="N", help="default 200")
    reconnect.add_argument(
        "--rate", type=float, default=100.0, metavar="N", help="messages a second, default 100"
    )
    reconnect.add_argument("--seed", type=int, default=1, metavar="N", help="of what happens")


def _add_rebalance(kinds: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    known = RebalanceSettings()
    made = kinds.add_parser(
        "rebalance",
        allow_abbrev=False,
        help="all who are sent much are with one worker, and are spread; every byte is compared",
    )
    made.add_argument("--subscribers", type=int, default=known.subscribers, metavar="N")
    made.add_argument("--heavy", type=int, default=known.heavy, metavar="N", help="of these")
    made.add_argument("--workers", type=int, default=known.workers, metavar="N")
    made.add_argument(
        "--rate",
        type=float,
        default=known.per_second,
        metavar="N",
        help=f"messages a second to each heavy one, default {known.per_second:g}",
    )
    made.add_argument(
        "--still",
        type=float,
        default=known.still,
        metavar="S",
        help=f"in which nobody is to be moved any more, default {known.still:g}",
    )


def _run_chaos(options: argparse.Namespace) -> int:
    raise_descriptor_limit()
    kinds = [kind for kind in options.kinds or KINDS if kind not in options.without]
    settings = ChaosSettings(
        options.seconds,
        options.subscribers,
        options.seed,
        tuple(kinds),
        per_second=options.rate,
        workers=options.workers,
        log_bytes=options.log_mib << 20,
        worker_timeout=options.worker_timeout,
    )
    found = ChaosSession(settings).run()
    print(chaos_report(found), flush=True)
    if options.json:
        write_chaos(options.json, found, describe_machine() | asdict(settings))
    return int(not found.held)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs what was asked for; returns 1 if it did not hold, 0 otherwise."""
    made = parser()
    options = made.parse_args(arguments)
    if options.kind == "chaos":
        return _run_chaos(options)
    if options.kind == "reconnect":
        return _run_reconnect(options)
    if options.kind == "rebalance":
        return _run_rebalance(options)
    if options.kind == "slow":
        return _run_slow(options)
    names = some_of(made, "attack", options.attacks, ATTACKS)
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    raise_descriptor_limit()
    return _run([ATTACKS[name] for name in names], options)


def _run_slow(options: argparse.Namespace) -> int:
    raise_descriptor_limit()
    session = SlowSession(
        options.seconds, options.subscribers, options.slow, options.rate, limit=options.limit
    )
    found = session.run()
    print(report(found), flush=True)
    return int(bool(found.wrong))


def _run_reconnect(options: argparse.Namespace) -> int:
    raise_descriptor_limit()
    session = ReconnectSession(options.seconds, options.subscribers, options.rate, options.seed)
    found = session.run()
    print(reconnect_report(found), flush=True)
    return int(bool(found.wrong))


def _run_rebalance(options: argparse.Namespace) -> int:
    raise_descriptor_limit()
    settings = RebalanceSettings(
        options.subscribers,
        options.heavy,
        options.rate,
        workers=options.workers,
        still=options.still,
    )
    found = RebalanceSession(settings).run()
    print(rebalance_report(found), flush=True)
    return int(bool(found.complaints()))


def compared(outcome: Outcome, before: Sequence[Outcome]) -> Outcome:
    """The outcome of an attack, with what `publish()` costs without one, if that was measured.

    Who publishes rarely finds little in the caches, and wakes workers each time: so what counts is
    the cost where about as many messages are published in a second.
    """
    calm = [one for name in CALM for one in before if one.attack == name]
    if outcome.attack in CALM or not calm:
        return outcome
    nearest = min(calm, key=lambda one: abs(_size(one) - _size(outcome)))
    return replace(outcome, calm_publish_us=nearest.publish_p50_us)


def _size(outcome: Outcome) -> float:
    return math.log(max(outcome.published_per_second, 1.0))


def _run(attacks: Sequence[Attack], options: argparse.Namespace) -> int:
    hang = Options().worker_timeout
    if options.seconds <= hang:
        print(f"note: in {options.seconds:g} s no worker is found to hang ({hang:g} s)", flush=True)
    machine = describe_machine() | {"fanout": str(Path(fanout.__file__).parent)}
    print("\n".join(f"{name}: {value}" for name, value in machine.items()), flush=True)
    outside = own_network()
    outcomes: list[Outcome] = []
    for attack in attacks:
        print(f"\n== {attack.name}: {attack.summary}", flush=True)
        try:
            outcome = Session(attack, options.seconds, outside).run()
        except (ChildFailed, TimeoutError) as error:
            print(f"{attack.name} could not be measured: {error}", flush=True)
            continue
        outcomes.append(compared(outcome, outcomes))
        print(table(outcomes[-1:]), flush=True)
        if options.json:
            write_json(options.json, machine, outcomes)
    print(f"\n{table(outcomes)}")
    return int(len(outcomes) < len(attacks) or not all(outcome.held for outcome in outcomes))
