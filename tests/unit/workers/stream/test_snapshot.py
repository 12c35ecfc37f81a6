"""Snapshots of one member: where they stand when it is sent the newest of each topic only."""

from __future__ import annotations

import pytest

from fanout.workers.stream.finding import Finding
from fanout.workers.stream.snapshot import Snapshot, Snapshots

FRONT = 50


def asked_for(due: int) -> tuple[Snapshots, Snapshot]:
    snapshots = Snapshots({b"x"})
    snapshots.add(due, -1, [b"x"], is_told=False)
    return snapshots, snapshots.pending[0]


@pytest.mark.parametrize(("due", "is_due_at"), [(10, 30), (30, 30), (40, 40)])
def test_who_has_jumped_and_gets_the_newest_gets_last_values_as_of_where_it_goes_on(
    due: int, is_due_at: int
) -> None:
    snapshots, one = asked_for(due)
    snapshots.pass_until(30, FRONT)
    assert (one.is_passed, one.due) == (True, is_due_at)
    snapshots.pass_until(45, FRONT + 10)
    assert one.due == is_due_at, "what it has got since then may be newer"


def test_what_is_due_at_the_end_of_a_pass_is_as_ever() -> None:
    snapshots, one = asked_for(FRONT)
    snapshots.pass_until(30, FRONT)
    assert (one.is_passed, one.due) == (False, FRONT)


def test_while_keyframes_are_looked_for_it_is_remembered_where_it_goes_on() -> None:
    snapshots, one = asked_for(10)
    one.finding = Finding(10, 30, 10)
    snapshots.pass_until(30, FRONT)
    assert (one.is_passed, one.due, one.finding.due) == (True, 10, 30)


def test_what_was_found_of_keyframes_is_found_anew_when_what_is_listed_is() -> None:
    """Else some topics would be looked at twice, and others never."""
    _snapshots, one = asked_for(10)
    one.finding = Finding(10, 30, 20, is_asked_for=True)
    one.finding.at = 2
    one.finding.lose(7)
    one.finding.alone.append(5)
    one.finding.floors[b"x"] = 11
    one.look_anew()

    found = one.finding
    assert found.held == (10, 30, 20, True)
    assert (found.at, found.lost, found.alone, found.floors) == (0, 0, [], {})


def changed(*changes: bytes) -> tuple[Snapshots, dict[int, Snapshot]]:
    """Who has subscribed to these, one after the other, and cancelled those that begin with `-`."""
    wants: set[bytes] = set()
    snapshots = Snapshots(wants)
    for change in changes:
        prefix = change.removeprefix(b"-")
        if prefix is change:
            wants.add(prefix)
            snapshots.add(FRONT, -1, [prefix], is_told=False)
        else:
            wants.remove(prefix)
            snapshots.cancel([prefix])
    return snapshots, {one.number: one for one in snapshots.pending}


@pytest.mark.parametrize(
    ("changes", "shown_by"),
    [
        ([b"x", b"xa"], [1]),
        ([b"x", b"-x"], []),
        ([b"x", b"-x", b"xa"], [2]),  # it has not got it, and is to get it once
        ([b"x", b"-x", b"x"], [2]),
        ([b"x", b"xa", b"-x"], [1]),  # the second one goes on with what the first had to bring
        ([b"x", b"xa", b"-x", b"-xa"], []),
        ([b"x", b"xa", b"-x", b"xab"], [1]),
        ([b"x", b"xa", b"-x", b"xab", b"-xa"], [1]),
        ([b"x", b"xa", b"-x", b"xab", b"-xa", b"-xab", b"xa"], [4]),
        ([b"x", b"x"], [2]),  # cancelled and subscribed to again at once
        ([b"x", b"xa", b"x"], [1]),
    ],
)
def test_a_topic_is_shown_once_whatever_is_cancelled_meanwhile(
    changes: list[bytes], shown_by: list[int]
) -> None:
    snapshots, pending = changed(*changes)
    shown = [number for number, one in pending.items() if not snapshots.is_covered(one, b"xabc")]
    assert shown == shown_by


@pytest.mark.parametrize(("topic", "is_covered"), [(b"xa", True), (b"xb", False)])
@pytest.mark.parametrize("waits", [False, True])
def test_what_is_wanted_all_the_time_is_shown_once(
    topic: bytes, *, is_covered: bool, waits: bool
) -> None:
    """It has wanted `xa`, and still waits for that, or has got it; then it wants `x` instead."""
    wants = {b"xa"}
    snapshots = Snapshots(wants)
    if waits:
        snapshots.add(FRONT, -1, [b"xa"], is_told=False)
    wants.symmetric_difference_update([b"xa", b"x"])
    snapshots.cancel([b"xa"])
    snapshots.add(FRONT, -1, [b"x"], is_told=False, kept=[b"xa"])

    *before, last = snapshots.pending
    assert not last.is_alone
    assert snapshots.is_covered(last, topic) == is_covered
    if before:
        assert snapshots.is_covered(before[0], topic) == (not is_covered)


@pytest.mark.parametrize(
    ("before", "is_covered"), [(b"", True), (b"x", True), (b"xa", True), (b"xabcd", False)]
)
def test_who_goes_on_knows_what_covered_it_if_that_is_cancelled_just_then(
    before: bytes, is_covered: bool
) -> None:
    """The one before has reported that, and is lost before it has seen to it."""
    snapshots = Snapshots({before, b"xab", b"y"})
    snapshots.add(FRONT, -1, [b"xab"], is_told=False)
    wants = {b"xab", b"y"}
    made, [(prefixes, _about)] = Snapshots.taken_over(wants, snapshots.packed(), 1)
    made.pending.append(Snapshot(1, FRONT, -1, prefixes, is_alone=False, is_told=False))
    made.cancel_what_is_gone()
    assert made.is_covered(made.pending[0], b"xabc") == is_covered
