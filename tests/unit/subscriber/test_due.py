"""Last values that are still to come, counted as their publisher counts them."""

from __future__ import annotations

from fanout.subscriber.due import Due


def due_of(*prefixes: bytes) -> Due:
    due = Due()
    for prefix in prefixes:
        due.expect(prefix)
    return due


def test_a_mark_is_about_the_first_ones() -> None:
    due = Due({b"A": b"since", b"B": b""})
    due.expect(b"C")
    due.shown(2)
    assert due.asked == {b"C": b""}
    due.shown(5)
    assert not due
    assert len(due) == 0


def test_what_is_cancelled_keeps_its_place_until_it_is_counted() -> None:
    due = due_of(b"A", b"B")
    due.cancel(b"A", is_counted=True)
    assert (b"A" in due, len(due)) == (False, 2)
    due.shown(1)
    assert due.asked == {b"B": b""}
    due.shown(1)
    assert not due


def test_what_was_never_said_has_no_place() -> None:
    due = due_of(b"A", b"B")
    due.cancel(b"A", is_counted=False)
    due.cancel(b"C", is_counted=True)  # which is not due
    due.shown(1)
    assert not due


def test_what_is_wanted_again_is_behind_all_others() -> None:
    due = due_of(b"A", b"B")
    due.cancel(b"A", is_counted=True)
    due.expect(b"A")
    due.shown(2)
    assert due.asked == {b"A": b""}
    due.cancel(b"A", is_counted=True)
    assert not due
    due.shown(1)
    assert len(due) == 0


def test_to_expect_it_twice_is_to_expect_it_once() -> None:
    due = Due({b"A": b"since", b"B": b""})
    due.expect(b"A")
    assert due.asked == {b"A": b"", b"B": b""}
    due.shown(1)
    assert due.asked == {b"B": b""}
