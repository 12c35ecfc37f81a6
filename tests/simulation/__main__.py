"""Replay one seed, or look for one that fails: `python -m tests.simulation --seed N --runs M`."""

from __future__ import annotations

import argparse
import sys

from tests.simulation.world import STEPS, World


def main() -> int:
    """Run seeds one after the other; 1 and the command to replay it if one fails."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seed", type=int, default=0, help="the first one")
    parser.add_argument("--runs", type=int, default=1, help="how many seeds")
    parser.add_argument("--steps", type=int, default=STEPS, help="of each run")
    arguments = parser.parse_args()
    deliveries = drops = 0
    for seed in range(arguments.seed, arguments.seed + arguments.runs):
        try:
            checker = World(seed).run(arguments.steps)
        except BaseException:
            print(f"failed: python -m tests.simulation --seed {seed} --steps {arguments.steps}")
            raise
        deliveries += checker.deliveries
        drops += checker.drops
    print(f"{arguments.runs} runs held; {deliveries:,} deliveries and {drops:,} drops checked")
    return 0


if __name__ == "__main__":
    sys.exit(main())
