"""Replay one seed, or look for one that fails: `python -m tests.simulation --seed N --runs M`.

With `--coordinator` it is the coordinator that is simulated, with `--takeovers` workers that are
killed between any two steps, and those that go on, with `--shown` workers that show newcomers last
values and keyframes; else workers and the log. With `--mutations` it is looked for the seed that
shows each mistake soonest, for `test_mutations.py`, `test_takeovers.py` or `test_shown.py`.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from typing import TYPE_CHECKING

from tests.simulation.coordinator.world import STEPS as COORDINATOR_STEPS
from tests.simulation.coordinator.world import CoordinatorWorld
from tests.simulation.mutations import MUTATIONS
from tests.simulation.shown.deaths import DyingWorld, world_of
from tests.simulation.shown.mistakes import MISTAKES as SHOWN_MISTAKES
from tests.simulation.shown.world import STEPS as SHOWN_STEPS
from tests.simulation.soonest import soonest
from tests.simulation.takeovers.fate import KILL_POINTS
from tests.simulation.takeovers.mistakes import MISTAKES
from tests.simulation.takeovers.world import STEPS as TAKEOVER_STEPS
from tests.simulation.takeovers.world import TakeoverWorld
from tests.simulation.world import STEPS, World

if TYPE_CHECKING:
    from collections.abc import Iterable

NOT_ONCE = "  <- not once"


def main() -> int:
    """Run seeds one after the other; 1 and the command to replay it if one fails."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.simulation", description=__doc__, allow_abbrev=False
    )
    parser.add_argument("--seed", type=int, default=0, help="the first one")
    parser.add_argument("--runs", type=int, default=1, help="how many seeds")
    parser.add_argument("--steps", type=int, help="of each run")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--coordinator", action="store_true", help="simulate the coordinator")
    which.add_argument("--takeovers", action="store_true", help="simulate takeovers")
    which.add_argument("--shown", action="store_true", help="simulate newcomers that are shown it")
    parser.add_argument("--mutations", action="store_true", help="find seeds that show them soon")
    arguments = parser.parse_args()
    world = "coordinator" if arguments.coordinator else "workers"
    world = "takeovers" if arguments.takeovers else "shown" if arguments.shown else world
    seeds = range(arguments.seed, arguments.seed + arguments.runs)
    if arguments.mutations:
        return find_the_soonest(world, seeds)
    totals: Counter[str] = Counter()
    for seed in seeds:
        try:
            totals += RUNS[world](seed, arguments.steps)
        except BaseException:
            option = "" if world == "workers" else f" --{world}"
            steps = f" --steps {arguments.steps}" if arguments.steps else ""
            print(f"failed: python -m tests.simulation{option} --seed {seed}{steps}")
            raise
    kills = [(name, totals.pop(name, 0)) for name in KILL_POINTS] if world == "takeovers" else []
    checked = ", ".join(f"{count:,} {what}" for what, count in totals.items())
    print(f"{arguments.runs} runs held; checked: {checked}")
    if kills:
        print("killed before, or in, each of these:")
    for name, count in kills:
        print(f"{count:8,}  {name}{'' if count else NOT_ONCE}")
    return 0


def find_the_soonest(world: str, seeds: Iterable[int]) -> int:
    """Print for each mistake the seed among these that shows it soonest; 1 if one has none."""
    mistakes = {"takeovers": MISTAKES, "shown": SHOWN_MISTAKES}.get(world, MUTATIONS)
    run = RUNS[world]
    found = {
        name: soonest(one, lambda seed: run(seed, None), seeds) for name, one in mistakes.items()
    }
    for name, best in sorted(found.items()):
        print(f'    "{name}": {best[0]},' if best else f"    # {name}: none of these")
    return int(None in found.values())


def _run_coordinator(seed: int, steps: int | None) -> Counter[str]:
    world = CoordinatorWorld(seed).run(steps or COORDINATOR_STEPS)
    return Counter(connections=world.ended, losses=world.lost, kills=world.kills)


def _run_takeovers(seed: int, steps: int | None) -> Counter[str]:
    world = TakeoverWorld(seed).run(steps or TAKEOVER_STEPS)
    return world.kills + Counter(deliveries=world.deliveries, takeovers=world.resumed)


def _run_shown(seed: int, steps: int | None) -> Counter[str]:
    world = world_of(seed)
    world.run(steps or SHOWN_STEPS)
    resumed = world.resumed if isinstance(world, DyingWorld) else 0
    return Counter(shown=world.shown, asked=world.asked, takeovers=resumed)


def _run_workers(seed: int, steps: int | None) -> Counter[str]:
    checker = World(seed).run(steps or STEPS)
    return Counter(deliveries=checker.deliveries, drops=checker.drops)


# One run of a seed, which returns how much there was to check.
RUNS = {
    "coordinator": _run_coordinator,
    "takeovers": _run_takeovers,
    "shown": _run_shown,
    "workers": _run_workers,
}


if __name__ == "__main__":
    sys.exit(main())
