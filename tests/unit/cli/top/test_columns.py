"""Columns: which have room, and what they sort by."""

from __future__ import annotations

import pytest

from fanout.cli.top.columns import (
    BY_NAME,
    COLUMNS,
    DEFAULT_SORT,
    DROPPED_FIRST,
    cut,
    fitting,
    policy_cell,
)
from fanout.terms.slow_policy import SlowPolicy
from tests.helpers.fake_segment import FakeSegment


def test_columns_that_have_no_room_go_in_order() -> None:
    widths = {column.name: 10 for column in COLUMNS}
    whole = 12 * len(COLUMNS) - 2

    assert fitting(widths, whole, COLUMNS[0]) == list(COLUMNS)
    (gone,) = {one.name for one in COLUMNS} - {
        one.name for one in fitting(widths, whole - 1, COLUMNS[0])
    }
    assert gone == DROPPED_FIRST[0]


@pytest.mark.parametrize("name", [column.name for column in COLUMNS])
def test_what_it_sorts_by_stays_in_the_narrowest_window(name: str) -> None:
    widths = {column.name: 10 for column in COLUMNS}
    shown = [column.name for column in fitting(widths, 5, BY_NAME[name])]
    assert name in shown
    assert {"id", "peer"} <= set(shown)
    assert set(shown) <= {"id", "peer", name}


def test_names_that_are_dropped_are_those_of_columns() -> None:
    assert set(DROPPED_FIRST) | {"id", "peer"} == BY_NAME.keys()
    assert DEFAULT_SORT in BY_NAME


def test_a_long_cell_is_cut() -> None:
    limit = BY_NAME["peer"].width_max
    assert limit is not None
    assert cut(BY_NAME["peer"], "x" * limit) == "x" * limit
    assert cut(BY_NAME["peer"], "x" * (limit + 1)) == "x" * (limit - 1) + "…"
    assert cut(BY_NAME["rate"], "x" * 99) == "x" * 99


@pytest.mark.parametrize(
    ("policy", "cell"),
    [
        (SlowPolicy(), "oldest"),
        (SlowPolicy("conflate", min_interval=0.25), "conflate 0.25s"),
        (SlowPolicy(limit_messages=1000), "oldest 1000 msg"),
        (SlowPolicy("drop_newest", 4 << 20, limit_age=2.5), "newest 4.0 MiB 2.5s old"),
        (SlowPolicy("block", max_rate=1 << 16), "block 64 KiB/s"),
    ],
)
def test_a_policy_is_shown_with_its_limits(policy: SlowPolicy, cell: str) -> None:
    assert policy_cell(policy) == cell


@pytest.mark.parametrize("column", COLUMNS, ids=lambda column: column.name)
def test_every_column_sorts_by_what_it_shows(column: object) -> None:
    """The second of two subscribers has more of everything."""
    (wanted,) = [one for one in COLUMNS if one is column]
    fake = FakeSegment()
    fake.connect(1, 0, peer="10.0.0.1:1")
    fake.connect(
        2,
        1,
        peer="9.0.0.1:1"[::-1],
        worker=1,
        subscriptions=5,
        slow_policy=SlowPolicy("block"),
        name="desk7",
        user="ann",
    )
    less = {"matched": 5, "sent": 5, "matched_bytes": 50, "sent_bytes": 50, "oldest": 99}
    more = {"matched": 9, "sent": 6, "matched_bytes": 99, "sent_bytes": 60, "dropped": 1}
    fake.count(0, **less, rate=1, rate_bytes=1)
    fake.count(1, **more, blocked_since=7, oldest=8, kernel_bytes=9, rate=2, rate_bytes=2)

    keys = list(wanted.sort_by(fake.reader().survey()))

    assert len(keys) == 2
    assert keys[0] != keys[1]
    assert (keys[0] < keys[1]) is (wanted.name != "policy")  # block < drop_oldest
    fake.close()


def test_the_longest_wait_comes_first() -> None:
    """Who was blocked, or whose oldest message was published, earlier."""
    fake = FakeSegment()
    fake.fill([1, 2, 3])
    fake.count(0, matched=1, oldest=5, blocked_since=50)
    fake.count(1, matched=1, oldest=4, blocked_since=40)
    survey = fake.reader().survey()
    for name in ("age", "blocked"):
        later, earlier, none = BY_NAME[name].sort_by(survey)
        assert earlier > later > none == 0
    fake.close()
