"""What is held back of subscriptions is where each of them stands, and no history."""

from __future__ import annotations

import pytest

from fanout.subscriber.held import Held


@pytest.mark.parametrize(
    ("verbs", "left"),
    [
        ("s", [True]),
        ("sc", None),
        ("scs", [True]),
        ("c", [False]),
        ("cs", [False, True]),
        ("csc", [False]),
        ("cscs", [False, True]),
    ],
)
def test_what_is_left_of_many_changes(verbs: str, left: list[bool] | None) -> None:
    held = Held()
    for verb in verbs:
        held.hold(b"A", is_wanted=verb == "s")
    held.hold(b"B", is_wanted=True)
    expected = {b"B": [True]} if left is None else {b"A": left, b"B": [True]}
    assert dict(held.take()) == expected
    assert dict(held.take()) == {}


def test_what_is_wanted_is_said_in_the_order_in_which_that_was_ordered() -> None:
    held = Held()
    assert held.hold(b"A", is_wanted=False)
    assert held.hold(b"B", is_wanted=True)
    assert held.hold(b"A", is_wanted=True)
    assert [*held.take()] == [(b"B", [True]), (b"A", [False, True])]


def test_who_takes_back_what_was_not_said_yet_is_told_so() -> None:
    held = Held()
    held.hold(b"A", is_wanted=True)
    assert not held.hold(b"A", is_wanted=False)
    assert held.hold(b"A", is_wanted=False), "now it is something new"
