"""Who goes to which worker, with loads that the test makes up."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fanout.coordinator.balance import HOT_FOR, LOOK, QUIET, Balance, Weighed

START = 100.0


class World:
    """Workers whose subscribers cost what the test says.

    Args:
        members: of each worker: what each of its subscribers costs, in cores.
        own: what each worker does beside that.
    """

    def __init__(self, members: dict[int, dict[int, float]], noise: float = 0.0) -> None:
        self.members = members
        self.own = 0.0
        self.noise = noise
        self.rng = random.Random(1)
        self.now = START
        self.balance = Balance(START - QUIET)
        self.cpu = dict.fromkeys(members, 0.0)
        self.moves: list[tuple[float, int]] = []
        self.cannot: set[int] = set()

    def loads(self) -> dict[int, float]:
        return {worker: self.own + sum(mine.values()) for worker, mine in self.members.items()}

    @property
    def part(self) -> float:
        """Of the greatest load, by how much the least is smaller."""
        loads = self.loads().values()
        return (max(loads) - min(loads)) / max(loads)

    def look(self) -> None:
        balance = self.balance
        if balance.look(self.now, self.cpu):
            weighed = {
                worker: [Weighed(int(cost * 1e9), one) for one, cost in mine.items()]
                for worker, mine in self.members.items()
            }
            chosen = balance.plan(self.now, weighed)
            assert len(chosen) <= 20
            for subscriber, target in chosen:
                if subscriber in self.cannot:
                    balance.failed(subscriber)
                    continue
                (source,) = [one for one, mine in self.members.items() if subscriber in mine]
                self.members[target][subscriber] = self.members[source].pop(subscriber)
                self.moves.append((self.now, subscriber))

    def pass_time(self, seconds: float) -> None:
        until = self.now + seconds
        while self.now < until:
            self.look()
            self.now += LOOK
            for worker, load in self.loads().items():
                self.cpu[worker] += load * LOOK * self.rng.uniform(1 - self.noise, 1 + self.noise)


def heavy_on_one(workers: int) -> World:
    """1,000 subscribers of which the 100 heaviest are all with the first worker."""
    members: dict[int, dict[int, float]] = {worker: {} for worker in range(workers)}
    for one in range(1_000):
        worker = 0 if one < 100 else one % workers
        members[worker][one] = 0.007 if one < 100 else 0.0002
    return World(members)


@pytest.mark.parametrize("workers", [2, 3, 4])
def test_the_heaviest_that_have_come_to_one_worker_are_spread_and_then_all_is_still(
    workers: int,
) -> None:
    world = heavy_on_one(workers)
    assert world.part > 0.8
    world.pass_time(10.0)
    assert world.part < 0.2
    world.pass_time(5.0)
    moved = len(world.moves)
    world.pass_time(300.0)
    assert len(world.moves) == moved
    assert len({one for _, one in world.moves}) == moved, "nobody was moved twice"


def test_it_is_no_end_that_one_was_guessed_to_cost_too_much() -> None:
    """What a worker does for itself seems to be its subscribers' until some are moved."""
    world = heavy_on_one(2)
    world.own = 0.05
    world.pass_time(20.0)
    assert world.part < 0.1
    moved = len(world.moves)
    world.pass_time(300.0)
    assert len(world.moves) == moved


def test_it_is_still_with_loads_that_are_noisy() -> None:
    world = heavy_on_one(2)
    world.noise = 0.05
    world.pass_time(20.0)
    moved = len(world.moves)
    world.pass_time(600.0)
    assert world.part < 0.2
    assert len(world.moves) == moved


def test_a_worker_that_is_new_gets_its_part() -> None:
    members = {0: dict.fromkeys(range(200), 0.001), 1: dict.fromkeys(range(200, 400), 0.001)}
    world = World({**members, 2: {}})
    world.pass_time(25.0)
    assert world.part < 0.2
    assert len(world.moves) > 2 * 20


def test_nobody_is_moved_twice_in_half_a_minute_whatever_the_loads_do() -> None:
    world = heavy_on_one(2)
    for _ in range(60):
        world.pass_time(10.0)
        for mine in world.members.values():
            factor = world.rng.uniform(0.2, 2.0)
            mine.update({one: cost * factor for one, cost in mine.items()})
        total = sum(world.loads().values())
        for mine in world.members.values():
            mine.update({one: cost * 0.8 / total for one, cost in mine.items()})
    last: dict[int, float] = {}
    again = 0
    for time, one in world.moves:
        again += one in last
        assert time - last.get(one, -30.0) >= 30.0
        last[one] = time
    assert again > 20, "hardly anybody was moved again"


def test_nobody_is_moved_before_it_has_been_so_for_a_while() -> None:
    world = heavy_on_one(2)
    world.pass_time(HOT_FOR)
    assert world.moves == []
    world = heavy_on_one(2)
    world.pass_time(3.0)
    world.balance.disturb(world.now)
    world.pass_time(QUIET + HOT_FOR)
    assert world.moves == []
    world.pass_time(5.0)
    assert world.moves != []


@pytest.mark.parametrize(
    "members",
    [
        {0: {1: 0.9, 2: 0.0}, 1: {3: 0.1}},  # the only one that has much to say
        {0: {1: 0.5}, 1: {2: 0.41}},  # little
        {0: {1: 0.05}, 1: {}},  # nobody works much
        {0: {}, 1: {}},
        {0: {1: 0.5}},
    ],
)
def test_nobody_is_moved_for_nothing(members: dict[int, dict[int, float]]) -> None:
    world = World(members)
    world.pass_time(100.0)
    assert world.moves == []


def test_a_process_that_is_replaced_disturbs() -> None:
    world = heavy_on_one(2)
    world.pass_time(HOT_FOR)
    world.cpu[1] = 0.0
    before = world.now
    world.pass_time(30.0)
    assert min(time for time, _ in world.moves) >= before + QUIET


def test_who_cannot_be_moved_is_not_counted_as_moved() -> None:
    world = heavy_on_one(2)
    world.cannot = set(range(50))
    world.pass_time(15.0)
    assert world.part < 0.2
    assert not world.cannot & {one for _, one in world.moves}


COSTS = st.lists(st.lists(st.floats(0.0, 0.4), max_size=12), min_size=2, max_size=5)


@pytest.mark.unmeasured
@given(COSTS)
@settings(max_examples=200, deadline=None)
def test_it_always_comes_to_an_end_and_never_gets_worse(costs: list[list[float]]) -> None:
    numbers = iter(range(1_000))
    world = World(
        {worker: {next(numbers): cost for cost in mine} for worker, mine in enumerate(costs)}
    )
    spread = _squares(world)
    for _ in range(120):
        moved = len(world.moves)
        world.pass_time(1.0)
        now = _squares(world)
        assert now <= spread + 1e-9
        assert len(world.moves) == moved or now < spread
        spread = now
    moved = len(world.moves)
    world.pass_time(120.0)
    assert len(world.moves) == moved


def _squares(world: World) -> float:
    """The less, the more equal the loads are, which have the same sum."""
    return sum(load * load for load in world.loads().values())
