"""Lives: who takes connections, who may yet serve, and what a new process has of the old one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from fanout.coordinator.lives import Condition, Life, hopeful, taking
from fanout.shm.worker_slot import WorkerState

if TYPE_CHECKING:
    from collections.abc import Sequence

LIVES = st.lists(
    st.builds(
        Life,
        st.integers(0, 9),
        st.sampled_from(WorkerState),
        is_leaving=st.booleans(),
        is_dismissed=st.booleans(),
    )
)


@given(LIVES)
def test_connections_go_to_who_stays_or_to_who_has_not_been_told_to_end(
    lives: Sequence[Life],
) -> None:
    for index, life in enumerate(lives):
        life.index = index
    found = [lives[index] for index in taking(lives)]
    able = [one for one in lives if one.state is WorkerState.READY and not one.is_dismissed]
    assert all(one in able for one in found)
    assert bool(found) == bool(able)
    if any(not one.is_leaving for one in able):
        assert found == [one for one in able if not one.is_leaving]


@given(LIVES)
def test_only_who_is_given_up_or_not_wanted_gives_no_hope(lives: Sequence[Life]) -> None:
    without = [one for one in lives if one not in hopeful(lives)]
    assert {one.state for one in without} <= {WorkerState.GONE, WorkerState.RETIRED}
    assert {one.state for one in hopeful(lives)}.isdisjoint({WorkerState.GONE, WorkerState.RETIRED})


def test_a_new_process_is_blamed_for_nothing_of_the_old_one() -> None:
    life = Life(0, silent_for=9.0, stands_for=8.0, overstays_for=7.0, dismissed_for=6.0)
    life.hung_up_for, life.aborted_for, life.condition = 1.0, 2.0, Condition("T", 3.0)
    assert (life.hangs_for, life.is_stopped) == (9.0, True)
    life.begin()
    assert (life.hangs_for, life.is_stopped) == (0.0, False)
    assert (life.overstays_for, life.dismissed_for) == (0.0, 0.0)
    assert [life.hung_up_for, life.aborted_for, life.has_process] == [None, None, True]


def test_it_hangs_for_as_long_as_the_longer_of_both() -> None:
    assert Life(0, silent_for=2.0, stands_for=5.0).hangs_for == 5.0


def test_only_a_stopped_process_is_stopped() -> None:
    lives = {letter: Life(0, condition=Condition(letter, 0.0)) for letter in "RSDTtZXI"}
    stopped = [letter for letter, life in lives.items() if life.is_stopped]
    assert stopped == ["T", "t"]
    assert not Life(0).is_stopped


def test_who_has_left_as_it_was_told_to_is_started_at_once_with_a_clean_slate() -> None:
    life = Life(0, WorkerState.READY, failures=3, start_at=100.0, is_paced=True)
    life.has_process = life.is_left = life.is_leaving = life.is_dismissed = True
    assert life.leave_duty(7.0) == "told to end, its subscribers are with others"
    assert life.state is WorkerState.WAITING
    assert (life.failures, life.served, life.start_at, life.is_paced) == (0, 7.0, 7.0, False)
    assert not (life.has_process)
    assert not (life.is_left)
    assert not (life.is_leaving)
    assert not (life.is_dismissed)


def test_how_it_ended_is_told() -> None:
    told = Life(0).leave_duty(0.0, "exit status 4")
    assert told == "told to end, its subscribers are with others: exit status 4"
    life = Life(0, condemned="no sign of life")
    assert life.leave_duty(0.0, "ignored") == "killed by us: no sign of life"
    assert life.condemned == "", "the next one was not killed"
