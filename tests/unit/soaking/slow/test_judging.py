"""Each thing that can be wrong with a slow subscriber is complained of."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from soaking.slow.judging import Feed, complaints, law, sums
from soaking.slow.looks import Look
from soaking.slow.people import BYTES, MESSAGE_BYTES, PACED, PACED_BYTES, STALLS, STEADY, Person

EPOCH = 11

SLOW = Person("me", False, -1, "drop_oldest", 5, STALLS, gaps=True)
HEARD: dict[str, Any] = {
    "received": 7,
    "disorder": 0,
    "last": 9,
    "closed": False,
    "holes": [[2, 4, 3]],
    "markers": [[2, 4, 3]],
    "hole_times": [1.0],
    "reasons": {},
    "epochs": [EPOCH],
    "untold": "",
}


def account(**changes: Any) -> Any:
    """Of ten messages, seven were sent and three dropped."""
    counted = {"matched": 10, "sent": 7, "dropped": 3, "conflated": 0, "discarded": 0}
    values = counted | {f"{name}_bytes": n * MESSAGE_BYTES for name, n in counted.items()}
    return SimpleNamespace(**(values | changes))


def found(person: Person = SLOW, ended: bool = False, **changes: Any) -> str:
    told = HEARD | {name: value for name, value in changes.items() if name in HEARD}
    counted = {name: value for name, value in changes.items() if name not in HEARD}
    feed = Feed(10, 1.0, EPOCH, [0.01 * number for number in range(10)])
    looks = [Look(10, 1.0, 10, 2, 5, 5 * MESSAGE_BYTES, 3, 0)]
    return "\n".join(complaints(person, told, account(**counted), feed, looks, ended=ended))


def test_who_got_what_its_policy_says_is_not_complained_of() -> None:
    assert found() == ""


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"disorder": 1}, "1 messages came twice"),
        ({"received": 6}, "7 counted as sent, 6 received"),
        ({"sent_bytes": 6 * MESSAGE_BYTES}, "bytes sent in 7 messages"),
        ({"matched": 11, "sent": 8}, "11 matched"),
        ({"dropped_bytes": 1}, "3 dropped (1 bytes), 3 are missing by that"),
        ({"holes": [[2, 5, 4]]}, "4 are missing"),
        ({"markers": []}, "it was told of []"),
        ({"untold": "at the wrong place"}, "at the wrong place"),
        ({"reasons": {"lag": 1, "lag_log": 1}}, "and loses by none"),
        ({"epochs": [EPOCH, 12]}, "epochs [11, 12], and there is 11"),
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


# Of topics 0 to 49, twice; 12 to 41 have come only the second time.
NEWEST = replace(SLOW, policy="conflate")
LAST = {"received": 70, "last": 99, "holes": [[12, 30, 19], [32, 42, 11]], "hole_times": [1, 1]}
TOLD = LAST | {"markers": [[12, 42, 30]]}


def conflated(**changes: Any) -> str:
    counted = {"matched": 100, "sent": 70, "dropped": 0, "conflated": 30}
    counted |= {f"{name}_bytes": n * MESSAGE_BYTES for name, n in counted.items()}
    counted |= {name: value for name, value in changes.items() if name not in HEARD}
    heard = HEARD | TOLD | {name: value for name, value in changes.items() if name in HEARD}
    feed = Feed(100, 1.0, EPOCH, [0.01 * number for number in range(100)])
    looks = [Look(100, 1.0, 100, 10, 60, 60 * MESSAGE_BYTES, 0, 30)]
    return "\n".join(complaints(NEWEST, heard, account(**counted), feed, looks, ended=False))


def test_who_got_the_newest_of_each_topic_is_not_complained_of() -> None:
    assert conflated() == ""


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"conflated": 29, "dropped": 1}, "29 conflated"),
        ({"conflated": 29, "dropped": 1}, "1 dropped"),
        ({"markers": [[12, 42, 29]]}, "it was told of 29 messages, and 30 are missing"),
        ({"markers": [[12, 31, 30]]}, "it was told that 31 is missing, and it has come"),
        ({"markers": [[11, 42, 30]]}, "it was told that 11 is missing, and it has come"),
        ({"holes": [[12, 30, 19], [60, 70, 11]]}, "the newest on some topics are missing: 70 of"),
        ({"reasons": {"conflated": 2, "lag": 1}}, "and loses by conflated"),
    ],
)
def test_what_is_wrong_with_the_newest_is_said(changes: dict[str, Any], text: str) -> None:
    assert text in conflated(**changes)


def test_who_got_more_than_it_wanted_a_second_is_complained_of() -> None:
    paced = replace(SLOW, pace=PACED)
    size = PACED_BYTES * 2
    assert "bytes in 1.0 s, and it wants 20000" in found(paced, sent_bytes=size)
    assert "it wants" not in found(paced)


END: dict[str, Any] = {
    "reason": SimpleNamespace(label="too_slow"),
    "text": "why",
    "holes": [],
    "markers": [],
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


def test_who_was_closed_by_its_limit_is_looked_at_beside_it() -> None:
    limited = replace(SLOW, policy="disconnect", kind=BYTES, limit=2 * MESSAGE_BYTES)
    why = {"text": "621 bytes wait for it"}

    assert found(limited, ended=True, **ENDED | why) == ""
    assert "it was closed (too_slow): why" in found(limited, ended=True, **ENDED)
    assert "621 bytes waited: 621 may" in found(
        replace(limited, limit=3 * MESSAGE_BYTES), ended=True, **ENDED | why
    )


def test_the_law_holds_in_messages_and_bytes_with_what_is_queued() -> None:
    waiting = account(matched=12, matched_bytes=11 * MESSAGE_BYTES)

    assert list(law(waiting, 2, MESSAGE_BYTES)) == []
    assert len(list(law(waiting, 1, 0))) == 2


def test_totals_are_sums() -> None:
    one, other = account(), account(sent=8)
    total = account(**{name: 2 * value for name, value in vars(one).items()} | {"sent": 15})

    assert list(sums(total, [one, other])) == []
    assert list(sums(total, [one, one])) == ["the total of sent is 15, the sum 14"]
