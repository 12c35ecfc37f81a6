"""Who hangs: by signs of life and by progress, in witnessed time, on a machine that is busy."""

from __future__ import annotations

import pytest

from fanout.coordinator.actions import Abort, Kill
from fanout.coordinator.lives import Condition
from fanout.coordinator.watching import ABORT_GRACE, TICK
from tests.unit.coordinator.test_supervision import WORKER_TIMEOUT, Watch, kills

SLACK = 0.2  # seconds past `worker_timeout` and a tick in which one that hangs is killed
CANNOT_TELL = "no sign of life for 10 s (worker_timeout); it is stopped"


def serving(workers: int = 1, worker_timeout: float = WORKER_TIMEOUT) -> Watch:
    watch = Watch(workers, worker_timeout)
    watch.serve()
    watch.look()
    return watch


# Progress.


def test_one_that_lives_and_gets_nowhere_hangs() -> None:
    """A turn that never ends may look at the clock, which is its sign of life."""
    watch = serving(2)
    watch.waited_for.update((0, 1))
    watch.getting_on.discard(1)

    assert kills(watch.pass_time(WORKER_TIMEOUT - TICK)) == []
    assert kills(watch.look()) == [Abort(1)]
    assert watch.lives[1].condemned == "no progress for 10 s (worker_timeout)"
    assert kills(watch.look(after=2 * ABORT_GRACE)) == [Kill(1, watch.lives[1].condemned)]


def test_one_that_nobody_waits_for_need_not_get_on() -> None:
    watch = serving()
    watch.getting_on.clear()

    assert kills(watch.pass_time(3_600)) == []


def test_only_the_time_counts_in_which_something_waited() -> None:
    watch = serving()
    watch.getting_on.clear()
    for _ in range(3):
        watch.waited_for.add(0)
        assert kills(watch.pass_time(WORKER_TIMEOUT - TICK)) == []
        watch.waited_for.clear()
        watch.look()


def test_progress_makes_up_for_a_pause() -> None:
    watch = serving()
    watch.waited_for.add(0)
    for _ in range(3):
        watch.getting_on.clear()
        assert kills(watch.pass_time(WORKER_TIMEOUT - TICK)) == []
        watch.getting_on.add(0)
        watch.look()


def test_one_that_finishes_has_the_time_of_the_end() -> None:
    watch = serving()
    watch.waited_for.add(0)
    watch.getting_on.clear()
    watch.supervision.finish(3_600.0, watch.now)

    assert kills(watch.pass_time(60)) == []


# In time.


@pytest.mark.parametrize("timeout", [0.5, 1.0, 2.3, 7.3, 10.0])
@pytest.mark.parametrize(
    ("state", "gives_signs"),
    [("R", False), ("R", True), ("S", False), ("S", True), ("D", False), ("T", False)],
)
def test_one_that_hangs_is_killed_in_time(timeout: float, state: str, gives_signs: bool) -> None:
    """A look may come just before it hangs, or just after: then its last sign is seen late."""
    for part in (0.0, 0.05, 0.99):
        watch = serving(worker_timeout=timeout)
        watch.waited_for.add(0)
        next_look = watch.supervision.next_look() - watch.now
        hangs_since = watch.now + part * next_look
        if part:
            watch.look(next_look)
        (watch.getting_on if gives_signs else watch.beating).clear()
        worked = 0.0
        actions: list[object] = []
        while not any(isinstance(one, Kill) for one in actions):
            worked += watch.tick
            watch.conditions[0] = Condition(state, worked)
            actions = watch.look(watch.supervision.next_look() - watch.now)
            assert watch.now - hangs_since <= timeout + watch.tick + SLACK
        assert watch.now - hangs_since >= timeout - watch.tick


def test_one_that_is_stopped_is_not_asked_where() -> None:
    watch = serving()
    watch.beating.clear()
    watch.conditions[0] = Condition("T", 1.0)

    assert kills(watch.pass_time(WORKER_TIMEOUT)) == [Kill(0, CANNOT_TELL)]


# A machine that slept, or is busy.


@pytest.mark.parametrize("timeout", [0.5, 1.0, 10.0])
def test_a_group_that_was_stopped_again_and_again_does_not_hang(timeout: float) -> None:
    """Each time the coordinator looks before its workers run again."""
    watch = serving(2, timeout)
    watch.waited_for.update((0, 1))
    for _ in range(20):
        watch.beating.clear()
        assert kills(watch.look(after=60.0)) == []
        watch.beating.update((0, 1))
        assert kills(watch.look()) == []


def starved_for(watch: Watch, seconds: float, share: float, state: str = "R") -> list[object]:
    """What it comes to if worker 0 gets so much of a core for so long."""
    until = watch.now + seconds
    actions: list[object] = []
    while watch.now < until:
        before = watch.conditions.get(0, Condition(state, 0.0)).cpu_s
        watch.conditions[0] = Condition(state, before + share * watch.tick)
        actions += watch.look()
    return actions


@pytest.mark.parametrize("share", [0.0, 0.05])
def test_one_that_gets_nothing_of_a_busy_machine_has_twice_the_time(share: float) -> None:
    watch = serving()
    watch.beating.clear()

    assert kills(starved_for(watch, 2 * WORKER_TIMEOUT - 2 * TICK, share)) == []
    assert kills(starved_for(watch, 2 * TICK, share))


@pytest.mark.parametrize(("share", "state"), [(0.5, "R"), (0.0, "S"), (0.0, "D"), (0.0, "T")])
def test_one_that_works_or_does_not_want_to_has_not(share: float, state: str) -> None:
    watch = serving()
    watch.beating.clear()

    assert kills(starved_for(watch, WORKER_TIMEOUT, share, state))


def test_a_start_on_a_busy_machine_has_twice_the_time_as_well() -> None:
    watch = Watch()

    assert kills(starved_for(watch, 59.0, 0.0)) == []
    assert kills(starved_for(watch, 1.5, 0.0))
