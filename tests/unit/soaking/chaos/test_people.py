"""Who subscribes in a run of chaos."""

from __future__ import annotations

import json
from dataclasses import asdict

from soaking.chaos.people import KINDS, people, source_index


def test_all_kinds_are_there_in_their_proportions_and_the_same_again() -> None:
    some = people(200, tuple(KINDS), 1)
    kinds = [one.kind for one in some]

    assert set(kinds) == set(KINDS)
    assert kinds.count("filtered") > kinds.count("paced")
    assert some == people(200, tuple(KINDS), 1) != people(200, tuple(KINDS), 2)
    assert json.loads(json.dumps([asdict(one) for one in some]))


def test_each_comes_from_an_address_of_its_own_by_which_it_is_known() -> None:
    some = people(600, tuple(KINDS), 3)

    assert [source_index(f"{one.source}:41234") for one in some] == list(range(600))
    assert len({one.source.rpartition(".")[0] for one in some}) > len(some) // 250


def test_who_has_no_wants_that_overlap_with_what_it_changes() -> None:
    for one in people(100, ("changer", "cutter"), 4):
        assert not any(topic.startswith(one.changing) for topic in one.prefixes)
