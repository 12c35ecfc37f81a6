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


@given(
    st.lists(st.tuples(st.integers(0, 20 * MS), st.integers(0, 3)), max_size=60),
    st.integers(1, 7),
    st.integers(0, 60),
    st.sets(st.integers(0, 60)),
)
def test_what_came_before_is_as_old_as_others_have_noted(
    turns: list[tuple[int, int]], each: int, begins: int, asked: set[int]
) -> None:
    """Another worker served its member; the coordinator has noted one in so many of its turns."""
    ages = Ages()
    came: list[int] = []
    noted: list[tuple[int, int]] = []
    now = head = last = gap = 0
    ages.earlier = lambda sequence, time: [
        one for one in noted if one[0] > sequence and one[1] < time
    ]
    for number, (passed, messages) in enumerate(turns):
        now += passed
        came += [now] * messages
        head += messages
        if number % each == 0 and (not noted or noted[-1][0] < head):
            noted.append((head, now))
        if number % each == 0:
            gap, last = max(gap, now - last), now
        if number >= begins:
            ages.note(head, now)
        if number in asked and number >= begins:
            for sequence in range(head):  # it may be asked in between, and in any order
                assert ages.age_of(sequence, now) <= now - came[sequence]
    gap = max(gap, now - last)
    for sequence, time in reversed(list(enumerate(came))):
        assert 0 <= now - time - ages.age_of(sequence, now) <= max(gap, STEP_NS), "never too old"


def test_others_are_asked_once_of_each_message() -> None:
    ages, asked = Ages(), []

    def earlier(sequence: int, time: int) -> list[tuple[int, int]]:
        asked.append((sequence, time))
        return [(sequence + 1, time - MS)]

    ages.earlier = earlier
    ages.note(100, 50 * MS)
    assert ages.age_of(100, 60 * MS) == 0
    assert asked == [], "nobody has noted more of what is still to come"

    assert ages.age_of(90, 60 * MS) == 11 * MS
    assert ages.age_of(95, 60 * MS) == 10 * MS
    assert asked == [(90, 50 * MS)]
    ages.clear()
    ages.note(100, 50 * MS)
    assert ages.age_of(95, 60 * MS) == 11 * MS
    assert asked == [(90, 50 * MS), (95, 50 * MS)]


def test_a_message_begun_outside_the_log_keeps_its_age() -> None:
    """What is in the log is forgotten with it; the rest of that one still waits."""
    ages = Ages()
    for turn in range(10):
        ages.note(turn + 1, turn * STEP_NS)
    ages.earlier = lambda sequence, _time: [(sequence + 1, sequence * STEP_NS)]
    ages.forget(10)

    assert ages.age_of(4, 9 * STEP_NS) == 5 * STEP_NS


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


def test_who_did_not_look_for_a_while_takes_what_others_have_noted_meanwhile() -> None:
    """A worker that was stopped, or had nobody for whom to note anything."""
    ages = Ages()
    ages.earlier = lambda sequence, time: [
        one for one in ((5, 0), (20, 200 * MS), (30, 400 * MS)) if one[0] > sequence
    ]
    ages.note(10, 100 * MS)
    ages.note(30, 900 * MS)

    assert ages.age_of(15, 900 * MS) == 700 * MS
    assert ages.age_of(25, 900 * MS) == 500 * MS


def test_a_note_of_others_at_the_instant_of_our_last_one_may_have_seen_more() -> None:
    ages = Ages()
    theirs = [(24, 100 * MS)]
    ages.earlier = lambda sequence, time: [
        (head, at) for head, at in theirs if head > sequence and at < time
    ]
    ages.note(22, 100 * MS)
    ages.note(26, 900 * MS)

    assert ages.age_of(23, 900 * MS) == 800 * MS
    assert ages.age_of(25, 900 * MS) == 0
