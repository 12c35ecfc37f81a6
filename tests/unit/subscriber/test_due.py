"""Last values that are still to come, counted as their publisher counts them."""

from __future__ import annotations

import pytest

from fanout.subscriber.due import Due
from fanout.subscriber.losses import ValuesShown


def due_of(*prefixes: bytes) -> Due:
    due = Due()
    for prefix in prefixes:
        due.expect(prefix)
    return due


def test_a_mark_is_about_the_first_ones() -> None:
    due = Due({b"A": b"since", b"B": b""})
    due.expect(b"C")
    due.shown(ValuesShown(2))
    assert due.asked == {b"C": b""}
    due.shown(ValuesShown(5))
    assert not due
    assert len(due) == 0


def test_what_is_cancelled_keeps_its_place_until_it_is_counted() -> None:
    due = due_of(b"A", b"B")
    due.cancel(b"A", is_counted=True)
    assert (b"A" in due, len(due)) == (False, 2)
    due.shown(ValuesShown(1))
    assert due.asked == {b"B": b""}
    due.shown(ValuesShown(1))
    assert not due


def test_what_was_never_said_has_no_place() -> None:
    due = due_of(b"A", b"B")
    due.cancel(b"A", is_counted=False)
    due.cancel(b"C", is_counted=True)  # which is not due
    due.shown(ValuesShown(1))
    assert not due


def test_what_is_wanted_again_is_behind_all_others() -> None:
    due = due_of(b"A", b"B")
    due.cancel(b"A", is_counted=True)
    due.expect(b"A")
    due.shown(ValuesShown(2))
    assert due.asked == {b"A": b""}
    due.cancel(b"A", is_counted=True)
    assert not due
    due.shown(ValuesShown(1))
    assert len(due) == 0


def test_to_expect_it_twice_is_to_expect_it_once() -> None:
    due = Due({b"A": b"since", b"B": b""})
    due.expect(b"A")
    assert due.asked == {b"A": b"", b"B": b""}
    due.shown(ValuesShown(1))
    assert due.asked == {b"B": b""}


@pytest.mark.parametrize("many", [1 << 63, (1 << 64) - 1, 10**30])
def test_a_mark_may_say_any_number(many: int) -> None:
    due = due_of(b"A", b"B")
    due.shown(ValuesShown(many))
    assert (bool(due), len(due)) == (False, 0)


def named(*names: bytes, count: int | None = None, denied: tuple[bytes, ...] = ()) -> ValuesShown:
    return ValuesShown(len(names) if count is None else count, names, denied)


def test_a_mark_that_names_what_it_is_about_is_about_nothing_else() -> None:
    due = due_of(b"A", b"B", b"C")
    due.shown(named(b"B"))
    due.shown(named(b"D"))
    assert due.asked == {b"A": b"", b"C": b""}
    due.shown(named(b"C", b"A"))
    assert (bool(due), len(due)) == (False, 0)


def test_what_is_too_much_to_be_named_is_what_was_said_first_of_the_rest() -> None:
    due = due_of(b"A", b"B", b"C", b"D")
    due.shown(named(b"C", count=3))
    assert due.asked == {b"D": b""}


def test_a_name_is_that_of_what_was_cancelled_if_that_was_said_before() -> None:
    due = due_of(b"A", b"B")
    due.cancel(b"A", is_counted=True)
    due.expect(b"A")
    due.shown(named(b"A"))
    assert due.asked == {b"B": b"", b"A": b""}
    due.shown(named(b"A"))
    assert due.asked == {b"B": b""}


def test_of_what_is_denied_nothing_is_to_come_but_over_another_connection() -> None:
    due = due_of(b"A", b"B")
    due.shown(named(b"A", b"B", denied=(b"A",)))
    assert (bool(due), len(due), due.asked) == (False, 0, {b"A": b""})
    assert b"A" not in due, "no mark counts it"


@pytest.mark.parametrize("granted", [b"A", b"A1"])
def test_what_is_granted_later_is_denied_no_more(granted: bytes) -> None:
    due = due_of(b"A", b"B", b"C")
    due.shown(named(b"A", denied=(b"A",)))
    due.shown(named(granted, count=0))
    assert due.asked == {b"B": b"", b"C": b""}


@pytest.mark.parametrize("is_wanted_again", [False, True])
def test_what_is_denied_can_be_cancelled(is_wanted_again: bool) -> None:
    due = due_of(b"A")
    due.shown(named(b"A", denied=(b"A",)))
    due.cancel(b"A", is_counted=False)
    assert not due.asked
    if is_wanted_again:
        due.expect(b"A")
        assert due
        due.shown(named(b"A"))
    assert (bool(due), len(due), due.asked) == (False, 0, {})
