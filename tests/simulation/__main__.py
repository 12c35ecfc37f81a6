"""Replay one seed, or look for one that fails: `python -m tests.simulation --seed N --runs M`.

With `--coordinator` it is the coordinator that is simulated, else the workers and the log. With
`--mutations` it is looked for the seed that shows each mistake soonest, for `test_mutations.py`.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter

from tests.simulation.coordinator import STEPS as COORDINATOR_STEPS
from tests.simulation.coordinator import CoordinatorWorld
from tests.simulation.mutations import MUTATIONS
from tests.simulation.soonest import soonest
from tests.simulation.world import STEPS, World


def main() -> int:
    """Run seeds one after the other; 1 and the command to replay it if one fails."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.simulation", description=__doc__, allow_abbrev=False
    )
    parser.add_argument("--seed", type=int, default=0, help="the first one")
    parser.add_argument("--runs", type=int, default=1, help="how many seeds")
    parser.add_argument("--steps", type=int, help="of each run")
    parser.add_argument("--coordinator", action="store_true", help="simulate the coordinator")
    parser.add_argument("--mutations", action="store_true", help="find seeds that show them soon")
    arguments = parser.parse_args()
    if arguments.mutations:
        return find_the_soonest(range(arguments.seed, arguments.seed + arguments.runs))
    totals: Counter[str] = Counter()
    for seed in range(arguments.seed, arguments.seed + arguments.runs):
        try:
            totals += one_run(seed, arguments.steps, coordinator=arguments.coordinator)
        except BaseException:
            which = " --coordinator" if arguments.coordinator else ""
            steps = f" --steps {arguments.steps}" if arguments.steps else ""
            print(f"failed: python -m tests.simulation{which} --seed {seed}{steps}")
            raise
    checked = ", ".join(f"{count:,} {what}" for what, count in totals.items())
    print(f"{arguments.runs} runs held; checked: {checked}")
    return 0


def find_the_soonest(seeds: range) -> int:
    """Print for each mutation the seed among these that shows it soonest; 1 if one has none."""
    found = {name: soonest(name, seeds) for name in MUTATIONS}
    for name, best in sorted(found.items()):
        print(f'    "{name}": {best[0]},' if best else f"    # {name}: none of these")
    return int(None in found.values())


def one_run(seed: int, steps: int | None, *, coordinator: bool) -> Counter[str]:
    """One run; returns how much there was to check."""
    if coordinator:
        world = CoordinatorWorld(seed).run(steps or COORDINATOR_STEPS)
        return Counter(connections=world.ended, losses=world.lost, kills=world.kills)
    checker = World(seed).run(steps or STEPS)
    return Counter(deliveries=checker.deliveries, drops=checker.drops)


if __name__ == "__main__":
    sys.exit(main())
