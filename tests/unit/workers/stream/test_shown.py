"""Shown: what is written down in the middle of snapshots, and what another worker makes of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fanout.workers.stream.loads import Load
from fanout.workers.stream.shown import Shown, shown_of, snapshots_of
from fanout.workers.stream.snapshot import Snapshots
from tests.unit.workers.stream.test_more import Kept

if TYPE_CHECKING:
    from collections.abc import Collection


def handed_on(snapshots: Snapshots, wants: Collection[bytes]) -> Snapshots:
    """As another worker has them, which knows what the member wants."""
    kept = Kept()
    shown = shown_of(snapshots, kept.keep)
    return snapshots_of(Shown(*shown), wants, kept.read)


def test_of_who_wants_nothing_else_nothing_is_stored() -> None:
    wants = {b"A", b"B"}
    snapshots = Snapshots(wants)
    snapshots.add(7, 3, [b"A", b"B"], is_told=True)
    first = snapshots.pending[0]
    first.is_begun, first.passed, first.sent, first.later = True, 5, 2, [9]

    assert shown_of(snapshots, Kept().keep).about == (0, 0)
    heir = handed_on(snapshots, wants).pending[0]
    assert (heir.due, heir.above, heir.passed) == (7, 3, 5)
    assert (heir.is_begun, heir.is_told, heir.is_alone, heir.sent) == (True, True, True, 2)
    assert (heir.later, set(heir.prefixes), heir.listing) == ([9], wants, None)


def test_what_each_is_about_and_what_covers_it_is_handed_on() -> None:
    wants = {b"A"}
    snapshots = Snapshots(wants)
    snapshots.add(1, -1, [b"A"], is_told=False)
    wants.update((b"AB", b"B"))
    snapshots.add(2, -1, [b"AB", b"B"], is_told=False, is_asked_for=True)
    wants.discard(b"A")
    snapshots.cancel([b"A"])
    heir = handed_on(snapshots, wants)

    first, second = heir.pending
    assert [[*one.prefixes] for one in heir.pending] == [[b"A"], [b"AB", b"B"]]
    for topic in (b"A1", b"AB1", b"B1"):
        was = [snapshots.is_covered(one, topic) for one in snapshots.pending]
        assert [heir.is_covered(first, topic), heir.is_covered(second, topic)] == was
    assert heir.has_cancelled
    assert [one.is_asked_for for one in heir.pending] == [False, True]


def test_what_was_cancelled_since_it_was_written_down_is_cancelled() -> None:
    wants = {b"A", b"B"}
    snapshots = Snapshots(wants)
    snapshots.add(1, -1, [b"A"], is_told=False)
    snapshots.add(2, -1, [b"B"], is_told=False)
    heir = handed_on(snapshots, {b"A"})

    assert heir.is_covered(heir.pending[1], b"B1")
    assert not heir.is_covered(heir.pending[0], b"A1")


def test_what_is_stored_is_stored_anew_when_it_has_changed() -> None:
    wants = {b"A", b"B"}
    snapshots = Snapshots(wants)
    snapshots.add(1, -1, [b"A"], is_told=False)
    changes = [
        lambda: snapshots.add(2, -1, [b"B"], is_told=False),
        lambda: snapshots.add_none([b"C"]),
        lambda: snapshots.cancel([b"B"]),
        snapshots.end_first,
    ]
    for change in changes:
        snapshots.stored = object()  # type: ignore[assignment]  # anything
        change()
        assert snapshots.stored is None


def test_the_part_of_the_names_that_is_sent_is_handed_on() -> None:
    """What was passed is so of that part only: of all names, what comes behind it would be left."""
    snapshots = Snapshots({b"A"})
    snapshots.add(9, -1, [b"A"], is_told=False)
    snapshots.pending[0].part, snapshots.pending[0].passed = (b"A5", b"A7"), 4
    (heir,) = handed_on(snapshots, {b"A"}).pending

    assert (heir.part, heir.passed) == ((b"A5", b"A7"), 4)


def test_what_was_being_sent_is_handed_on_as_it_is() -> None:
    snapshots = Snapshots({b"A"})
    snapshots.add(9, -1, [b"A"], is_told=False)
    snapshots.pending[0].load = Load(9, 3, [4, 6], [4, 7], [0, 2, 5], b"xxyyy")
    load = handed_on(snapshots, {b"A"}).pending[0].load

    assert load is not None
    assert ([*load.sequences], [*load.marks], [*load.bounds]) == ([4, 6], [4, 7], [0, 2, 5])
    assert (load.data, len(load)) == (b"xxyyy", 2)


@pytest.mark.parametrize("is_last", [False, True])
def test_whether_it_ends_with_what_is_being_sent_is_handed_on(is_last: bool) -> None:
    snapshots = Snapshots({b"A"})
    snapshots.add(7, -1, [b"A"], is_told=False)
    (first,) = snapshots.pending
    first.load, first.is_last = Load(7, 1, [3], [3], [0, 4], b"data"), is_last

    (heir,) = handed_on(snapshots, {b"A"}).pending
    assert heir.is_last is is_last
    assert heir.load is not None
    assert heir.load.data == b"data"
