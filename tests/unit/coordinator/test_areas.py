"""Areas: no process writes to where others may still read what a lost one has left."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from fanout.coordinator.areas import NONE, Areas
from fanout.coordinator.roster import Accepted
from fanout.coordinator.takeovers import Orphan, Takeovers
from fanout.shm.layout import PAGE, Layout
from fanout.shm.segment import Segment
from fanout.shm.spill_area import SpillArea

if TYPE_CHECKING:
    from collections.abc import Iterator

LAYOUT = Layout(PAGE, 64, 4, areas=4)


class Bench:
    """Areas of a segment that has four."""

    def __init__(self) -> None:
        self.segment = Segment.create(LAYOUT)
        self.takeovers = Takeovers()
        self.areas = Areas(self.segment, self.takeovers)

    def orphan(self) -> None:
        """Somebody waits to go on."""
        connection = Accepted(7, 0, 0, "", "tcp://", "zmtp")
        self.takeovers.waiting[7] = Orphan(connection, 0, 0, 0.0)


@pytest.fixture
def bench() -> Iterator[Bench]:
    bench = Bench()
    yield bench
    bench.segment.close()


def test_each_has_its_own_and_a_restart_that_leaves_nobody_changes_nothing(bench: Bench) -> None:
    assert [bench.areas.give(worker) for worker in (0, 1, 0, 1)] == [1, 2, 1, 2]


def test_what_one_has_left_that_is_not_started_again_is_given_back(bench: Bench) -> None:
    for worker in (0, 1):
        bench.areas.give(worker)
    left, others = (SpillArea(bench.segment, number).store(b"x" * 8) for number in (1, 2))
    assert left is not None
    assert others is not None
    bench.orphan()
    bench.areas.leave(0)
    bench.areas.tidy()
    reader = SpillArea(bench.segment, 0)
    assert reader.read(left.offset, 8) == b"x" * 8, "one may go on by it"
    bench.takeovers.forget(7)
    bench.areas.tidy()
    assert (reader.read(left.offset, 8), reader.read(others.offset, 8)) == (bytes(8), b"x" * 8)
    assert bench.areas.give(2) == 1


def test_what_a_lost_one_has_left_is_not_written_to_before_all_have_gone_on(bench: Bench) -> None:
    bench.areas.give(0)
    left = SpillArea(bench.segment, 1).store(b"the rest")
    assert left is not None
    bench.orphan()
    assert [bench.areas.give(0), bench.areas.give(1), bench.areas.give(0)] == [2, 3, 4]
    assert bench.areas.give(0) == NONE, "all may be read"
    bench.areas.tidy()
    assert SpillArea(bench.segment, 0).read(left.offset, 8) == b"the rest"

    bench.takeovers.hand_on(7)
    bench.areas.tidy()
    assert SpillArea(bench.segment, 0).read(left.offset, 8) == b"the rest"
    bench.takeovers.went_on(7)
    before = os.fstat(bench.segment.fd).st_blocks
    bench.areas.tidy()
    assert os.fstat(bench.segment.fd).st_blocks < before
    assert SpillArea(bench.segment, 0).read(left.offset, 8) == bytes(8)
    assert bench.areas.give(0) == 1
