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


def test_many_prefixes_of_one_length_are_looked_up_and_forget_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A storm of lists of 100 took 0.1 s of a worker for that, with 1,000 topics known."""
    known = KnownTopics(10_000, 10_000)
    names = [b"%03d" % index for index in range(500)]
    for topic_id, name in enumerate(names, 1):
        known.remember(topic_id, name, PLACES, 0)
    asked: list[bytes] = []
    monkeypatch.setattr(known, "_forget_among", lambda _known, names: asked.extend(names))
    for length in (3, 2):
        prefixes = {name[:length] for name in names[100:150]} | {b"~" * length}
        before = len(asked)
        for _ in range(20):
            known.forget(prefixes)
            for topic_id in range(101, 151):
                known.remember(topic_id, names[topic_id - 1], PLACES, 0)
        assert len(asked) - before < 5 * 51, "looked for among all of them, again and again"

    known.remember(501, b"150", PLACES, 0)  # a second id of a name, which is seen later
    known.remember(502, b"15", PLACES, 0)
    known.remember(503, b"1", PLACES, 0)
    known.forget({b"150", b"152", b"~~~", b"15"})
    assert set(range(1, 504)) - known.appends.keys() == {*range(151, 161), 501, 502}


@pytest.mark.unmeasured
def test_strangers_do_not_choose_how_many_lengths_are_kept() -> None:
    known = KnownTopics(10_000, 10_000)
    for topic_id in range(1, 101):
        known.remember(topic_id, b"%d" % topic_id, PLACES, 0)
    for _ in range(100):
        for length in range(1, 90):
            known.forget([b"~" * length])
    assert len(known._beginnings) == known_topics.BEGINNINGS_MAX
    assert known.make_room(10_000)
    assert not known._beginnings


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
