"""Who subscribes in a run of chaos."""

from __future__ import annotations

import json
from dataclasses import asdict
from types import SimpleNamespace

from soaking.chaos.people import KINDS, index_of, people, source_index


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


def test_some_come_by_unix_sockets_and_are_known_by_their_names() -> None:
    some = people(100, tuple(KINDS), 3)
    by_ipc = [one for one in some if one.ipc]

    assert 15 < len(by_ipc) < 25
    assert {one.kind for one in some if not one.ipc} == set(KINDS)
    for one in by_ipc:
        name = one.subscriptions[0].partition(b"=")[2].decode()
        assert index_of(SimpleNamespace(peer="ipc:1234", name=name)) == one.index
    assert index_of(SimpleNamespace(peer="ipc:1234", name="")) is None
    assert index_of(SimpleNamespace(peer=f"{some[7].source}:41234", name="")) == 7


def test_who_has_no_wants_that_overlap_with_what_it_changes() -> None:
    for one in people(100, ("changer", "cutter"), 4):
        assert not any(topic.startswith(one.changing) for topic in one.prefixes)
