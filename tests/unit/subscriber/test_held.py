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
