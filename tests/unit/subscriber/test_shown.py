"""Which last values were given: per topic, up to a number, and no more than fit."""

from __future__ import annotations

import pytest

from fanout.subscriber import shown
from fanout.subscriber.prefixes import Prefixes
from fanout.subscriber.shown import Shown


def test_what_is_not_newer_than_the_last_value_of_its_topic_has_come() -> None:
    values = Shown()
    values.add(b"A", 6)
    values.add(b"B", 9)
    assert [values.has(b"A", key) for key in (5, 6, 7)] == [True, True, False]
    assert not values.has(b"C", 1), "of other topics older messages may come"
    assert values.top == 9


def test_it_is_known_until_all_of_that_is_passed() -> None:
    values = Shown()
    values.add(b"A", 6)
    values.add(b"B", 9)
    values.passed(8)
    assert values.has(b"A", 6)
    values.passed(9)
    assert not values
    assert values.top is None


@pytest.mark.parametrize("looked_at_max", [0, 10])
def test_what_is_wanted_anew_comes_again(
    looked_at_max: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shown, "LOOKED_AT_MAX", looked_at_max)
    values = Shown()
    values.add(b"A1", 6)
    values.add(b"B", 9)
    values.forget(b"A", Prefixes())
    assert not values.has(b"A1", 6)
    assert values.has(b"B", 9) is bool(looked_at_max), "of many nobody looks which they are"


def test_what_another_subscription_wants_does_not_come_again() -> None:
    """Nobody else tells that an older message of it is a double."""
    values = Shown()
    values.add(b"AB", 6)
    values.forget(b"AB", Prefixes((b"A", b"X")))
    assert values.has(b"AB", 6)


@pytest.mark.parametrize(("name", "most"), [("SHOWN_MAX", 2), ("NAMES_BYTES_MAX", 4)])
def test_it_knows_no_more_than_so_many_or_of_so_many_bytes(
    name: str, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shown, name, most)
    values = Shown()
    for number, topic in enumerate((b"AA", b"BB", b"CC", b"AA")):
        values.add(topic, number)
    assert values.is_full
    assert values.has(b"AA", 3)
    assert not values.has(b"CC", 2)
    assert values.top == 3
    values.passed(3)
    assert not values.is_full
