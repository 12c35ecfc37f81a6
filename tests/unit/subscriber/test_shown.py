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


def test_what_is_wanted_anew_comes_again() -> None:
    values = Shown()
    values.add(b"A1", 6)
    values.add(b"B", 9)
    values.forget(b"A", Prefixes())
    assert not values.has(b"A1", 6)
    assert values.has(b"B", 9)
    values.forget(b"B", Prefixes())
    values.add(b"B", 10)  # wanted again
    assert values.has(b"B", 10)
    values.forget(b"", Prefixes())
    assert not values.is_full
    assert not values
    assert values.top is None


def test_of_what_is_cancelled_that_stays_which_another_subscription_wants() -> None:
    values = Shown()
    for topic in (b"A1", b"AB1", b"AC1", b"B1"):
        values.add(topic, 6)
    values.forget(b"A", Prefixes((b"AB", b"B")))
    assert [values.has(one, 6) for one in (b"A1", b"AB1", b"AC1", b"B1")] == [
        *(False, True, False, True),
    ]


@pytest.mark.parametrize("stays", [(), (b"AB",)])
def test_what_is_cancelled_more_than_once_goes_if_it_was_ever_not_wanted(
    stays: tuple[bytes, ...],
) -> None:
    values = Shown()
    values.add(b"AB1", 6)
    values.add(b"B", 9)
    values.forget(b"A", Prefixes(stays))
    values.forget(b"A", Prefixes((b"AB",)))
    assert values.has(b"AB1", 6) is bool(stays)


def test_many_that_are_cancelled_cost_what_is_known_once(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = 0
    look = Shown._let_go

    def counted(values: Shown) -> None:
        nonlocal looks
        looks += 1
        look(values)

    monkeypatch.setattr(Shown, "_let_go", counted)
    values = Shown()
    for number in range(100):
        values.add(b"%03d" % number, number)
    for number in range(90):
        values.forget(b"%03d" % number, Prefixes())
    assert [values.has(b"%03d" % number, number) for number in (5, 89, 95)] == [False, False, True]
    assert looks == 1


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
