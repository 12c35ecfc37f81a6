"""What the command of the simulation prints: how to replay what failed, and where nobody died."""

from __future__ import annotations

import shlex
import sys
from collections import Counter

import pytest

from tests.helpers.programs import outputs_of
from tests.simulation import __main__ as command
from tests.simulation.kinds import ALL
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


def test_a_kill_point_that_is_never_hit_is_a_failure_if_there_were_runs_enough(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    never, *others = KILL_POINTS
    monkeypatch.setitem(command.RUNS, "takeovers", lambda *_: Counter(dict.fromkeys(others, 2)))
    monkeypatch.setattr(command, "ENOUGH", 60)

    assert call(monkeypatch, "--takeovers", "--runs", "60") == 1
    last = capsys.readouterr().out.splitlines()[-1]
    assert last == f"failed: nobody died at {never}; 60 runs are enough for each"
    assert call(monkeypatch, "--takeovers", "--runs", "60", "--seed", "0") == 0, "of one kind"
    assert call(monkeypatch, "--takeovers", "--runs", "59") == 0
    monkeypatch.setitem(
        command.RUNS, "takeovers", lambda *_: Counter(dict.fromkeys(KILL_POINTS, 1))
    )
    assert call(monkeypatch, "--takeovers", "--runs", "60") == 0


def test_runs_are_of_all_kinds_unless_a_seed_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ran: list[tuple[str, int]] = []
    for world in command.RUNS:

        def run(seed: int, _steps: int | None, world: str = world) -> Counter[str]:
            ran.append((world, seed))
            return Counter(checked=1)

        monkeypatch.setitem(command.RUNS, world, run)
    parts = sum(kind.parts for kind in ALL)

    assert call(monkeypatch, "--runs", str(2 * parts)) == 0
    firsts = {(kind.world, kind.first) for kind in ALL}
    assert firsts <= set(ran)
    assert len(set(ran)) == 2 * parts, "no seed is run twice"
    assert {(world, seed - seed % 10_000) for world, seed in ran} == firsts
    assert command.NOT_ONCE in capsys.readouterr().out, "the table is there"
    ran.clear()
    call(monkeypatch, "--runs", "40", "--takeovers")
    assert {world for world, _seed in ran} == {"takeovers"}
    ran.clear()
    call(monkeypatch, "--runs", "3", "--seed", "5")
    assert ran == [("workers", 5), ("workers", 6), ("workers", 7)]


def test_one_seed_of_takeovers_is_one_run_in_any_process() -> None:
    """Whatever order sets of bytes have there."""
    script = (
        "from tests.simulation.takeovers.world import TakeoverWorld; world = TakeoverWorld(7)"
        ".run(); print(world.deliveries, world.resumed, world.kills, world.rng.random())"
    )
    assert len(outputs_of(script, (1, 2))) == 1
