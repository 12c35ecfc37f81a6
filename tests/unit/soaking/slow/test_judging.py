"""Each thing that can be wrong with a slow subscriber is complained of."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from soaking.slow.judging import complaints, law, sums
from soaking.slow.people import MESSAGE_BYTES, STALLS, STEADY, Person

SLOW = Person("me", False, -1, "drop_oldest", 5, STALLS, gaps=True)
HEARD: dict[str, Any] = {
    "received": 7,
    "disorder": 0,
    "last": 9,
    "closed": False,
    "holes": [[2, 4, 3]],
    "markers": [[2, 4, 3]],
}


def account(**changes: Any) -> Any:
    """Of ten messages, seven were sent and three dropped."""
    counted = {"matched": 10, "sent": 7, "dropped": 3, "conflated": 0, "discarded": 0}
    values = counted | {f"{name}_bytes": n * MESSAGE_BYTES for name, n in counted.items()}
    return SimpleNamespace(**(values | changes))


def found(person: Person = SLOW, ended: bool = False, **changes: Any) -> str:
    told = HEARD | {name: value for name, value in changes.items() if name in HEARD}
    counted = {name: value for name, value in changes.items() if name not in HEARD}
    return "\n".join(complaints(person, told, account(**counted), 10, ended=ended))


def test_who_got_what_its_policy_says_is_not_complained_of() -> None:
    assert found() == ""


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"disorder": 1}, "1 messages came twice"),
        ({"received": 6}, "7 counted as sent, 6 received"),
        ({"sent_bytes": 6 * MESSAGE_BYTES}, "bytes sent in 7 messages"),
        ({"matched": 11, "sent": 8}, "11 matched"),
        ({"dropped_bytes": 1}, "3 dropped (1 bytes), 3 are missing"),
        ({"holes": [[2, 5, 4]]}, "4 are missing"),
        ({"markers": []}, "it was told of []"),
        ({"last": 8}, "the last one is 8 of 10"),
        ({"queued": 0, "discarded": 1}, "do not add up"),
    ],
)
def test_what_is_wrong_is_said(changes: dict[str, Any], text: str) -> None:
    assert text in found(**changes)


@pytest.mark.parametrize(
    "person",
    [replace(SLOW, pace=STEADY), replace(SLOW, policy="block"), replace(SLOW, policy="disconnect")],
)
def test_who_may_lose_nothing_may_not(person: Person) -> None:
    assert "3 are missing, and it may lose none" in found(person)


END: dict[str, Any] = {
    "reason": SimpleNamespace(label="too_slow"),
    "text": "why",
    "holes": [],
    "closed": True,
}
ENDED = END | {"dropped": 0, "dropped_bytes": 0, "discarded": 3}
ENDED["discarded_bytes"] = 3 * MESSAGE_BYTES


def test_who_was_closed_by_its_policy_has_lost_the_end_alone() -> None:
    disconnected = replace(SLOW, policy="disconnect")

    assert found(disconnected, ended=True, **ENDED) == ""
    assert "it was closed (too_slow)" in found(ended=True, **ENDED)
    assert "has not seen its end" in found(disconnected, ended=True, **ENDED | {"closed": False})
    holes = {"holes": [[2, 4, 3]]}
    assert "only lose the end" in found(disconnected, ended=True, **ENDED | holes)


def test_the_law_holds_in_messages_and_bytes_with_what_is_queued() -> None:
    waiting = account(matched=12, matched_bytes=11 * MESSAGE_BYTES)

    assert list(law(waiting, 2, MESSAGE_BYTES)) == []
    assert len(list(law(waiting, 1, 0))) == 2


def test_totals_are_sums() -> None:
    one, other = account(), account(sent=8)
    total = account(**{name: 2 * value for name, value in vars(one).items()} | {"sent": 15})

    assert list(sums(total, [one, other])) == []
    assert list(sums(total, [one, one])) == ["the total of sent is 15, the sum 14"]
