"""Known topics: only what a change concerns is found out again."""

from __future__ import annotations

from typing import Any

import pytest

from fanout.workers.stream import known_topics
from fanout.workers.stream.known_topics import KnownTopics

PLACES: Any = ([].append,)


@pytest.fixture(params=[0, 512], ids=["sorted", "fresh"])
def known(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> KnownTopics:
    monkeypatch.setattr(known_topics, "FRESH_MAX", request.param)
    known = KnownTopics(1_000, 1_000)
    for index in range(100):
        known.remember(index + 1, b"%02d" % index, PLACES, 0)
    return known


def test_a_change_concerns_the_topics_that_begin_with_it(known: KnownTopics) -> None:
    known.forget([b"4", b"99", b"123"])

    assert set(range(1, 101)) - known.appends.keys() == {*range(41, 51), 100}
    assert known.name(41) == b"40", "a name is true for ever"


def test_what_was_forgotten_can_be_remembered_and_forgotten_again(known: KnownTopics) -> None:
    for _ in range(3):
        known.forget([b"7"])
        assert 71 not in known.appends
        known.remember(71, b"70", PLACES, 0)
        assert 71 in known.appends


def test_two_ids_of_one_name_are_both_forgotten(known: KnownTopics) -> None:
    known.remember(1_000, b"70", PLACES, 0)
    known.forget([b"70"])

    assert known.appends.keys().isdisjoint((71, 1_000))


def test_a_change_of_everything_forgets_everything(known: KnownTopics) -> None:
    known.forget([b""])

    assert not known.appends


def test_there_is_room_for_so_many_names_and_places() -> None:
    known = KnownTopics(3, 10)
    known.remember(1, b"A", PLACES, 6)
    known.remember(2, b"B", PLACES, 6)
    known.forget([b"A"])
    assert not known.make_room(1)

    known.remember(1, b"A", PLACES, 6)
    assert known.make_room(1)
    assert (known.name(1), known.appends) == (None, {})
    known.remember(1, b"A", PLACES, 6)
    assert known.make_room(3)
