"""The state at the beginning: nobody is connected, and the limits are those of the options."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fanout.coordinator.actions import Abort, Kill
from fanout.coordinator.interest import Interest
from fanout.coordinator.ledger import Ledger
from fanout.coordinator.lives import Sight
from fanout.coordinator.roster import Accepted
from fanout.coordinator.state import State, make_state
from fanout.coordinator.watching import TICK
from fanout.options import Options
from fanout.reasons import Reason
from fanout.shm.worker_slot import WorkerState
from fanout.terms.addresses import AddressRefusal

if TYPE_CHECKING:
    from fanout.coordinator.actions import Action

NOW = 1_000.0


def state(options: Options | None = None, workers: int = 2) -> State:
    return make_state(options or Options(), workers, Interest(), Ledger(), NOW)


def admit(made: State) -> Accepted | AddressRefusal:
    return made.roster.admit("peer", "endpoint", "zmtp", [0], [0, 0], 0.0)


def test_nobody_is_connected_and_no_worker_was_started() -> None:
    made = state(workers=3)

    assert made.roster.connections == {}
    assert made.duplicates == {}
    lives = made.supervision.lives
    assert [(life.index, life.state) for life in lives] == [
        (index, WorkerState.STARTING) for index in range(3)
    ]
    assert not any(life.has_process for life in lives)
    assert [made.roster.served_by(index) for index in range(3)] == [[], [], []]


def test_it_keeps_what_others_look_at() -> None:
    interest, ledger = Interest(), Ledger()

    made = make_state(Options(), 1, interest, ledger, NOW)

    assert made.interest is interest
    assert made.ledger is ledger


def test_two_publishers_share_nothing() -> None:
    one, other = state(), state()

    assert one.answers is not other.answers
    assert one.duplicates is not other.duplicates


def test_the_limits_of_the_roster_are_those_of_the_options() -> None:
    few = state(Options(max_subscribers=1, max_half_open=5))
    assert isinstance(admit(few), Accepted)
    refusal = admit(few)
    assert isinstance(refusal, AddressRefusal)
    assert refusal.cause is Reason.FULL

    slow = state(Options(max_subscribers=5, max_half_open=1))
    assert isinstance(admit(slow), Accepted)
    refusal = admit(slow)
    assert isinstance(refusal, AddressRefusal)
    assert refusal.cause is Reason.HALF_OPEN


@pytest.mark.parametrize("is_ready", [True, False])
def test_the_workers_are_watched_from_now_on_with_the_times_of_the_options(is_ready: bool) -> None:
    watch = state(Options(worker_timeout=5.0, start_timeout=9.0), workers=1).supervision
    watch.started(0)
    if is_ready:
        watch.serves(0, NOW)
    now = NOW
    said: list[Action] = []
    while not said:
        now += TICK
        said = watch.look(now, [Sight(heartbeat=0, has_hung_up=False)])

    assert now - NOW == (5.0 if is_ready else 9.0)
    assert [type(action) for action in said] == [Abort if is_ready else Kill]
