"""Wanted: what a prefix alone needs, and how long lists are taken out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fanout.workers.stream import wanted
from fanout.workers.stream.cohort import Cohort, Prefix
from fanout.workers.stream.wanted import Wanted

if TYPE_CHECKING:
    from collections.abc import Collection

    import pytest

NAMES = [b"%d" % index for index in range(10_000, 12_500)]


def filled(table: Wanted[str], names: Collection[bytes] = NAMES) -> Cohort[str]:
    cohort: Cohort[str] = Cohort(frozenset(names))
    cohort.members = 1
    table.begin_direct(cohort)
    return cohort


def leave(table: Wanted[str], cohort: Cohort[str]) -> None:
    cohort.members = 0
    table.leave(cohort)


def test_what_few_want_has_nothing_of_its_own() -> None:
    table: Wanted[str] = Wanted(lambda _names: None)
    cohorts = [filled(table, NAMES[: 1 + 9 % count]) for count in range(1, wanted.FEW + 3)]
    (shared,) = table.matching(NAMES[0])
    assert isinstance(shared, Prefix), "many want it"
    assert list(shared.direct) == cohorts
    assert shared.appends is table.appends_of(shared)
    for count in range(wanted.FEW + 1, 0, -1):
        leave(table, cohorts[count])
        if count <= wanted.FEW // 2:
            (few,) = table.matching(NAMES[0])
            assert not isinstance(few, Prefix)
            assert list(few) == cohorts[:count]
    assert len(table.matching(NAMES[0])) == len(table._by_prefix) == 1


def test_topics_that_go_to_the_same_few_share_an_object() -> None:
    table: Wanted[str] = Wanted(lambda _names: None)
    one, other = filled(table, NAMES[:2]), filled(table, NAMES[:2])
    for name in NAMES[: wanted.SHARED_MAX + 9]:
        table.appends_of([one, filled(table, [name + b"~"])])
    assert len(table._appends) <= wanted.SHARED_MAX
    appends = [table.appends_of(table.matching(name)[0]) for name in NAMES[:2]]
    assert appends[0] is appends[1]
    assert appends[0] == (one.picks.append, other.picks.append)
    leave(table, other)
    assert not table._appends, "it keeps who is gone"


def test_a_list_is_taken_out_in_pieces_and_each_is_told() -> None:
    told: list[int] = []
    table: Wanted[str] = Wanted(lambda names: told.append(len(names)))
    leave(table, filled(table))
    assert list(table.direct), "its picks are still emptied after each batch"
    while table.left:
        table.take_out()
    assert (told, len(table._by_prefix), table.direct) == ([2_500, 1_000, 1_000, 500], 0, {})


def test_long_prefixes_are_taken_out_fewer_at_a_time() -> None:
    table: Wanted[str] = Wanted(lambda _names: None)
    leave(table, filled(table, [name + b"~" * 640 for name in NAMES]))
    assert 2_300 < table.left < 2_500


def test_one_that_comes_back_takes_the_places_that_are_left() -> None:
    table: Wanted[str] = Wanted(lambda _names: None)
    leave(table, filled(table))
    again = filled(table)
    while table.left:
        table.take_out()
    assert all(table.matching(name) == [(again,)] for name in NAMES)
    assert list(table.direct) == [again]


def test_where_much_is_left_who_wants_more_has_it_taken_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(wanted, "LEFT_MAX", 1_000)
    table: Wanted[str] = Wanted(lambda _names: None)
    for turn in range(10):
        leave(table, filled(table, [b"%d/" % turn + name for name in NAMES]))
    assert table.left < 5_000
