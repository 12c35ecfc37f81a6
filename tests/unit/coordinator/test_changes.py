"""Changes: the last ones are kept, within a limit, and it is known of whom one is missing."""

from __future__ import annotations

import pytest

from fanout.coordinator import changes as rules
from fanout.coordinator.changes import Change, Changes


def change(subscriber: int, sequence: int, *added: bytes) -> Change:
    return Change(subscriber, sequence, frozenset(added), frozenset())


def test_the_newest_comes_first_and_each_has_its_own() -> None:
    changes = Changes()
    changes.add(1, 5, [b"A"], [])
    changes.add(2, 6, [b"B"], [])
    changes.add(1, 7, [], [b"A"])

    assert changes.of(1) == (Change(1, 7, frozenset(), frozenset([b"A"])), change(1, 5, b"A"))
    assert changes.of(2) == (change(2, 6, b"B"),)
    assert changes.of(3) == ()


@pytest.mark.parametrize(("limit", "most"), [("CHANGES_MAX", 4), ("CHANGED_BYTES_MAX", 200)])
def test_the_oldest_go_and_that_is_known(
    limit: str, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rules, limit, most)
    changes = Changes()
    for number in range(3):
        changes.add(number % 2, 10 + number, [b"%d" % number * 100], [])

    assert [len(changes.of(subscriber)) for subscriber in (0, 1)] == [1, 1]
    assert (changes.are_known(0, 9), changes.are_known(0, 10)) == (False, True)
    assert changes.are_known(1, 0)


def test_who_is_gone_leaves_nothing_and_room_for_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "CHANGES_MAX", 4)
    changes = Changes()
    for number in range(1_000):
        changes.add(number, number, [b"A"], [])
        changes.forget(number)
    changes.add(-1, 1_000, [b"B"], [])

    assert changes.of(-1) == (change(-1, 1_000, b"B"),)
    assert (len(changes._all), len(changes._of), len(changes._dropped)) == (2, 1, 0)
