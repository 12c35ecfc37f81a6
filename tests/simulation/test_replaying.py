"""What the command of the simulation prints: how to replay what failed, and where nobody died."""

from __future__ import annotations

import shlex
import sys
from collections import Counter

import pytest

from tests.helpers.programs import outputs_of
from tests.simulation import __main__ as command
from tests.simulation.takeovers.fate import KILL_POINTS
from tests.simulation.violated import Violated

BROKEN = 5


def call(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["python -m tests.simulation", *arguments])
    return command.main()


@pytest.mark.parametrize("steps", [[], ["--steps", "30"]], ids=["", "steps"])
@pytest.mark.parametrize("world", command.RUNS)
def test_a_failing_seed_prints_one_command_that_replays_it(
    world: str,
    steps: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    ran: list[tuple[int, int | None]] = []

    def run(seed: int, steps: int | None) -> Counter[str]:
        ran.append((seed, steps))
        if seed == BROKEN:
            raise Violated("broken")
        return Counter()

    monkeypatch.setitem(command.RUNS, world, run)
    which = [] if world == "workers" else [f"--{world}"]
    with pytest.raises(Violated):
        call(monkeypatch, *which, "--seed", "3", "--runs", "9", *steps)
    (line,) = capsys.readouterr().out.splitlines()
    failed = ran[-1]
    ran.clear()
    words = shlex.split(line)
    assert words[:4] == ["failed:", "python", "-m", "tests.simulation"]
    with pytest.raises(Violated):
        call(monkeypatch, *words[4:])

    assert ran == [failed]


def test_a_kill_point_at_which_nobody_died_is_marked(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    never, *others = KILL_POINTS
    monkeypatch.setitem(command.RUNS, "takeovers", lambda *_: Counter(dict.fromkeys(others, 2)))

    assert call(monkeypatch, "--takeovers") == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if command.NOT_ONCE in line] == [
        f"       0  {never}{command.NOT_ONCE}"
    ]
    assert f"       2  {others[0]}" in lines


def test_one_seed_of_takeovers_is_one_run_in_any_process() -> None:
    """Whatever order sets of bytes have there."""
    script = (
        "from tests.simulation.takeovers.world import TakeoverWorld; world = TakeoverWorld(7)"
        ".run(); print(world.deliveries, world.resumed, world.kills, world.rng.random())"
    )
    assert len(outputs_of(script, (1, 2))) == 1
