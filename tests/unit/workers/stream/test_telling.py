"""Telling: what was missed in one place is one gap, told when nothing waits before it."""

from __future__ import annotations

from collections import deque
from types import SimpleNamespace
from typing import Any

import pytest

from fanout.reasons import Reason
from fanout.shm.census import NOTHING, Amount
from fanout.workers.stream.gaps import Gaps
from fanout.workers.stream.telling import LOOKED_MAX, Telling
from fanout.workers.stream.values import Values
from tests.helpers.log import Log

ALL = object()  # what wants every message
LAG = Reason.LAG


class Bench:
    """A member that wants everything up to the front, and is told of what it loses.

    Attributes:
        looked: in which messages it was looked for the first and the last lost.
        waiting: those that it is still to be sent.
    """

    def __init__(self, cursor: int = 0) -> None:
        self.looked: list[tuple[int, int]] = []
        self.waiting: set[int] = set()
        self.counted: list[tuple[int, int]] = []
        self.telling = Telling(SimpleNamespace(of=self._edges), self._count)  # type: ignore[arg-type]
        self.gaps = Gaps(7, conflated=True)
        older: deque[tuple[int, object]] = deque()
        self.member: Any = SimpleNamespace(gaps=self.gaps, sequence=cursor, older=older, cohort=ALL)

    def _edges(self, _cohort: object, first: int, stop: int) -> tuple[int, int]:
        self.looked.append((first, stop))
        return first, stop - 1

    def _count(self, _wants: object, first: int, stop: int) -> Amount:
        self.counted.append((first, stop))
        found = [one for one in self.waiting if first <= one < stop]
        return Amount(len(found), 10 * len(found))

    def lose(self, first: int, stop: int, **more: Any) -> None:
        lost = Amount(stop - first, 10 * (stop - first))
        self.telling.note(self.member, ALL, first, stop, lost, LAG, **more)  # type: ignore[arg-type]

    @property
    def pending(self) -> list[tuple[int, int, int, str]]:
        return [(one.first, one.last, one.count, one.reason) for one in self.gaps.pending]


def test_who_does_not_want_to_know_costs_no_look() -> None:
    bench = Bench()
    bench.member.gaps = None
    bench.lose(0, 5)
    assert bench.looked == []


def test_nothing_lost_is_no_gap() -> None:
    bench = Bench()
    bench.telling.note(bench.member, None, 0, 5, NOTHING, LAG)
    assert (bench.looked, bench.pending) == ([], [])


def test_the_edges_are_looked_for_where_they_are_known_to_be() -> None:
    bench = Bench()
    bench.lose(0, 5)
    bench.lose(5, 100, within=(40, 60))
    assert bench.looked == [(0, 5), (40, 60)]


def test_of_chosen_messages_the_edges_are_known() -> None:
    log = Log()
    for _ in range(10):
        log.publish(b"A", b"")
    bench = Bench(2)
    chosen = Values([1, 3, 5, 8], log.reader)
    bench.telling.note(bench.member, chosen, 2, 7, Amount(2, 20), LAG)
    assert bench.looked == []
    assert bench.pending == [(3, 5, 2, LAG.label)]


def test_what_is_lost_in_front_of_the_cursor_is_told_when_that_is_there() -> None:
    bench = Bench(2)
    bench.lose(4, 6)
    assert bench.gaps.take(2, None) == b""
    assert not bench.gaps.is_due(5)
    assert bench.gaps.is_due(6)


def test_what_the_cursor_passes_and_then_more_is_one_gap() -> None:
    """The cursor stands behind what it jumps over, though its member says where it was."""
    bench = Bench(2)
    bench.lose(2, 6)
    bench.member.sequence = 6
    bench.lose(6, 9)
    assert bench.pending == [(2, 8, 7, LAG.label)]


def whole(bench: Bench) -> None:
    bench.gaps.end_losses()


def test_a_gap_is_told_if_nothing_waits_before_it() -> None:
    bench = Bench(2)
    bench.lose(4, 6)
    whole(bench)
    assert bench.telling.due_until(bench.member) == 6
    bench.waiting = {3}
    assert bench.telling.due_until(bench.member) == 2
    bench.waiting = {4, 6}
    assert bench.telling.due_until(bench.member) == 6, "what is behind it is sent after it"


def test_a_gap_of_the_very_next_message_is_told() -> None:
    bench = Bench(10 * LOOKED_MAX)
    bench.lose(10 * LOOKED_MAX, 10 * LOOKED_MAX + 1)
    whole(bench)
    assert bench.telling.due_until(bench.member) == 10 * LOOKED_MAX + 1


def test_how_far_it_is_counts_and_not_where() -> None:
    bench = Bench(10 * LOOKED_MAX)
    bench.lose(10 * LOOKED_MAX + 2, 10 * LOOKED_MAX + 3)
    whole(bench)
    assert bench.telling.due_until(bench.member) == 10 * LOOKED_MAX + 3


def test_of_several_gaps_those_up_to_what_waits() -> None:
    bench = Bench(0)
    for first, stop in ((0, 2), (4, 6), (8, 9)):
        bench.lose(first, stop)
        whole(bench)
    assert bench.telling.due_until(bench.member) == 9
    bench.waiting = {6}
    assert bench.telling.due_until(bench.member) == 6
    bench.waiting = {3}
    assert bench.telling.due_until(bench.member) == 2


def test_while_it_goes_on_losing_nothing_is_told() -> None:
    """It stops losing first: what is missing in one place is in one marker."""
    bench = Bench(0)
    bench.lose(0, 2)
    assert bench.telling.due_until(bench.member) == 0


def test_what_was_passed_or_is_of_another_kind_is_not_in_the_way() -> None:
    bench = Bench(0)
    bench.lose(0, 2)
    whole(bench)
    bench.member.sequence = 5
    assert bench.telling.due_until(bench.member) == 5


@pytest.mark.parametrize("distance", [LOOKED_MAX, LOOKED_MAX + 1])
def test_of_very_many_messages_it_is_looked_for_nearer_to_them(distance: int) -> None:
    bench = Bench(0)
    bench.lose(distance, distance + 1)
    whole(bench)
    due = bench.telling.due_until(bench.member)
    assert (due, bool(bench.counted)) == ((distance + 1, True), (0, False))[distance > LOOKED_MAX]


def test_it_is_looked_by_what_was_wanted_when_it_came() -> None:
    bench = Bench(0)
    bench.member.older.append((3, ALL))
    bench.lose(5, 6)
    whole(bench)
    assert bench.telling.due_until(bench.member) == 6
    assert bench.counted == [(0, 3), (3, 5)]
