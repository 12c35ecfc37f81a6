"""Replay one seed, or look for one that fails: `python -m tests.simulation --seed N --runs M`.

With `--coordinator` it is the coordinator that is simulated, with `--takeovers` workers that are
killed between any two steps, and those that go on, with `--shown` workers that show newcomers last
values and keyframes, with `--workers` these and the log alone. Without a `--seed` the runs are
spread over seeds of all kinds, of all of these or of the one that is named. How often each kill
point was hit is printed; that one never was is a failure, if there were runs enough to expect it.

With `--mutations` it is looked for the seed that shows each mistake soonest, for
`test_mutations.py`, `test_takeovers.py` or `test_shown.py`.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from typing import TYPE_CHECKING

from tests.simulation.coordinator.world import STEPS as COORDINATOR_STEPS
from tests.simulation.coordinator.world import CoordinatorWorld
from tests.simulation.kinds import ALL, spread
from tests.simulation.mutations import MUTATIONS
from tests.simulation.shown.deaths import DyingWorld
from tests.simulation.shown.mistakes import MISTAKES as SHOWN_MISTAKES
from tests.simulation.shown.reading import ReadingWorld
from tests.simulation.shown.world import STEPS as SHOWN_STEPS
from tests.simulation.shown.worlds import world_of
from tests.simulation.soonest import soonest
from tests.simulation.takeovers.fate import KILL_POINTS
from tests.simulation.takeovers.mistakes import MISTAKES
from tests.simulation.takeovers.world import STEPS as TAKEOVER_STEPS
from tests.simulation.takeovers.world import TakeoverWorld
from tests.simulation.world import STEPS, World

if TYPE_CHECKING:
    from collections.abc import Iterable

NOT_ONCE = "  <- not once"
# More than a third of so many runs of takeovers, spread over all kinds, are of seeds for what is
# seldom passed. Each other point was hit by 6 of 3,000 runs, or more: never is no chance.
ENOUGH = 5_000


def main() -> int:
    """Run seeds one after the other; 1 if one fails, or a kill point was not hit."""
    arguments = _arguments()
    named = next((world for world in RUNS if getattr(arguments, world)), None)
    first = arguments.seed or 0
    consecutive = range(first, first + arguments.runs)
    if arguments.mutations:
        return find_the_soonest(named or "workers", consecutive)
    if arguments.seed is None:
        kinds = [kind for kind in ALL if named in (None, kind.world)]
        seeds = spread(kinds, arguments.runs)
    else:
        seeds = [(named or "workers", seed) for seed in consecutive]
    totals: dict[str, Counter[str]] = {}
    for world, seed in seeds:
        try:
            totals.setdefault(world, Counter()).update(RUNS[world](seed, arguments.steps))
        except BaseException:
            option = "" if world == "workers" else f" --{world}"
            steps = f" --steps {arguments.steps}" if arguments.steps else ""
            print(f"failed: python -m tests.simulation{option} --seed {seed}{steps}")
            raise
    print(f"{arguments.runs:,} runs held")
    kills = totals.get("takeovers", Counter())
    points = [(name, kills.pop(name, 0)) for name in KILL_POINTS]
    for world, counts in totals.items():
        print(f"{world}: checked: {', '.join(f'{n:,} {what}' for what, n in counts.items())}")
    of_takeovers = sum(world == "takeovers" for world, _seed in seeds)
    return _print_kills(points, of_takeovers, all_kinds=arguments.seed is None)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.simulation", description=__doc__, allow_abbrev=False
    )
    parser.add_argument("--seed", type=int, help="the first one of consecutive ones")
    parser.add_argument("--runs", type=int, default=1, help="how many seeds")
    parser.add_argument("--steps", type=int, help="of each run")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--coordinator", action="store_true", help="simulate the coordinator")
    which.add_argument("--takeovers", action="store_true", help="simulate takeovers")
    which.add_argument("--shown", action="store_true", help="simulate newcomers that are shown it")
    which.add_argument("--workers", action="store_true", help="simulate workers and the log")
    parser.add_argument("--mutations", action="store_true", help="find seeds that show them soon")
    return parser.parse_args()


def _print_kills(points: list[tuple[str, int]], runs: int, *, all_kinds: bool) -> int:
    """Print how often each kill point was hit; 1 if one was not, and should have been."""
    print(f"killed before, or in, each of these, in {runs:,} runs of takeovers:")
    for name, count in points:
        print(f"{count:8,}  {name}{'' if count else NOT_ONCE}")
    missed = [name for name, count in points if not count]
    if not missed:
        return 0
    if all_kinds and runs >= ENOUGH:
        print(f"failed: nobody died at {', '.join(missed)}; {ENOUGH:,} runs are enough for each")
        return 1
    print(f"(a failure only with {ENOUGH:,} runs of takeovers, and without --seed)")
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
    cuts = world.cuts if isinstance(world, ReadingWorld) else 0
    return Counter(shown=world.shown, asked=world.asked, takeovers=resumed, cuts=cuts)


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
