"""A look at counters in mid-stream must show what is so."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from soaking.slow.looks import Look, contradictions, falls
from soaking.slow.people import MESSAGE_BYTES, STALLS, Person
from soaking.slow.runs import Runs

PERSON = Person("me", False, -1, "drop_newest", 0, STALLS, gaps=False)
BEFORE = Look(80, 0.5, 80, 40, 30, 30 * MESSAGE_BYTES, 10, 0)
NOW = Look(100, 1.0, 100, 40, 30, 30 * MESSAGE_BYTES, 30, 0)
# 0 to 69, and then the present: that is what was sent and waited.
HEARD = {"holes": [[70, 99, 30]], "hole_times": [2.0], "last": 149}


def wrong(exact: bool = True, **changes: Any) -> str:
    return "\n".join(falls(PERSON, BEFORE, NOW._replace(**changes), exact=exact))


def test_a_right_look_is_not_complained_of() -> None:
    assert wrong() == "" == "\n".join(falls(PERSON, None, NOW, exact=True))


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"queued": -1, "queued_bytes": 0}, "-1 messages"),
        ({"queued_bytes": -5}, "-5 bytes"),
        ({"queued": 29}, "bytes are queued in 29 messages"),
        ({"matched": 99}, "99 matched of 100 published"),
        ({"matched": 101}, "101 matched of 100 published"),
        ({"sent": 39}, "sent was 40, and is 39"),
        ({"dropped": 9}, "dropped was 10, and is 9"),
    ],
)
def test_what_is_wrong_with_a_look_is_said(changes: dict[str, Any], text: str) -> None:
    assert text in wrong(**changes)


def test_who_was_not_asked_in_time_may_be_behind_but_not_ahead() -> None:
    assert wrong(exact=False, matched=90) == ""
    assert "101 matched" in wrong(exact=False, matched=101)


def test_what_waited_came_whole_unless_its_policy_loses_that() -> None:
    runs = Runs(PERSON, HEARD)
    early = NOW._replace(queued=40)  # ten more waited than have come

    assert list(contradictions(PERSON, [BEFORE, NOW], runs)) == []
    assert "70 have come; 40 were sent and 40" in next(contradictions(PERSON, [early], runs))
    oldest = replace(PERSON, policy="drop_oldest")
    assert list(contradictions(oldest, [early], runs)) == []
    sent = NOW._replace(sent=71)
    assert "70 have come; 71 were sent" in next(contradictions(oldest, [sent], runs))


def test_a_look_without_an_answer_says_nothing() -> None:
    stale = NOW._replace(matched=90, queued=40)

    assert list(contradictions(PERSON, [stale], Runs(PERSON, HEARD))) == []
