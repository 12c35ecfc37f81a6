"""Ages: of messages, by notes of how far the log had come."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fanout.workers.policy.ages import NOTES_MAX, STEP_NS, Ages

MS = 1_000_000


@given(st.lists(st.tuples(st.integers(0, 20 * MS), st.integers(0, 3)), max_size=60))
def test_an_age_is_right_to_the_distance_of_two_notes(turns: list[tuple[int, int]]) -> None:
    ages, came = Ages(), []
    now = head = 0
    for passed, messages in turns:
        now += passed
        came += [now] * messages
        head += messages
        ages.note(head, now)
    for sequence, time in enumerate(came):
        assert 0 <= now - time - ages.age_of(sequence, now) < STEP_NS, "never too old"


@given(st.integers(0, 400 * MS))
def test_who_keeps_what_is_younger_keeps_no_older_one(age_ns: int) -> None:
    ages = Ages()
    for turn in range(100):
        ages.note(turn + 1, turn * 5 * MS)
    now = 100 * 5 * MS

    first = ages.first_within(age_ns, now)

    assert all(ages.age_of(sequence, now) <= age_ns for sequence in range(first, 100))
    assert all(ages.age_of(sequence, now) > age_ns for sequence in range(first))


def test_what_was_not_noted_has_no_age_yet() -> None:
    ages = Ages()

    assert ages.age_of(5, 100) == 0
    assert ages.first_within(0, 100) == 0


def test_notes_are_bounded_and_old_ones_become_coarse() -> None:
    ages = Ages()
    turns = 3 * NOTES_MAX
    for turn in range(turns):
        ages.note(turn + 1, turn * STEP_NS)

    assert len(ages) <= NOTES_MAX
    for sequence in (0, turns // 2, turns - 1):
        age = (turns - 1 - sequence) * STEP_NS
        assert age * 0.8 <= ages.age_of(sequence, (turns - 1) * STEP_NS) <= age


def test_notes_below_the_tail_go() -> None:
    ages = Ages()
    for turn in range(100):
        ages.note(turn + 1, turn * STEP_NS)
    ages.forget(90)

    assert len(ages) == 10
    assert ages.age_of(95, 99 * STEP_NS) == 4 * STEP_NS
    ages.clear()
    assert not len(ages)
