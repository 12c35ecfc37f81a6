"""Ends out of shared memory: each is read once, and the last ones are kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fanout.cli.top.ends import Ends
from fanout.errors import ClosedError
from fanout.reasons import Reason
from fanout.shm.closed import ClosedRing
from fanout.shm.layout import CLOSED_ENTRIES
from fanout.terms.slow_policy import SlowPolicy
from tests.helpers.fake_segment import FakeSegment

if TYPE_CHECKING:
    from collections.abc import Iterator

NOW = 3_000_000_001  # two seconds after they ended


@pytest.fixture
def fake() -> Iterator[FakeSegment]:
    fake = FakeSegment()
    yield fake
    fake.close()


def ids(ends: Ends, text: str = "", after: int = 0) -> list[int]:
    ends.look(NOW, 100.0)
    return [one.statistics.id for one in ends.newest(text, after)]


def test_the_newest_come_first_and_each_is_read_once(
    fake: FakeSegment, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    since = ClosedRing.since

    def seen(ring: ClosedRing, number: int) -> object:
        asked.append(number)
        return since(ring, number)

    monkeypatch.setattr(ClosedRing, "since", seen)
    ends = Ends(fake.reader())
    assert ids(ends) == []
    fake.end(5)
    fake.end(6)
    assert ids(ends) == [6, 5]
    fake.end(7)
    assert ids(ends) == [7, 6, 5]
    assert ids(ends, after=2) == [7]
    assert (asked, ends.last) == ([0, 0, 2, 3], 3)


def test_when_it_was_does_not_change_with_the_time_of_the_look(fake: FakeSegment) -> None:
    fake.end(5)
    ends = Ends(fake.reader())
    ends.look(NOW, 100.0)
    ends.look(2 * NOW, 150.0)
    (one,) = ends.newest()
    assert (one.statistics.ended, one.statistics.connected_s) == (98.0, 1.0)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("desk", [6]),
        ("10.0.0.1:5", [5]),
        ("ann", [6]),
        ("SEND_timeout", [7]),
        ("took nothing", [7]),
        ("conflate", [5]),
        ("conflate desk", []),
        (" ", [7, 6, 5]),
    ],
)
def test_a_filter_looks_at_who_and_why(fake: FakeSegment, text: str, found: list[int]) -> None:
    fake.end(5, policy=SlowPolicy("conflate"))
    fake.end(6, name="Desk7", user="Ann")
    fake.end(7, reason=Reason.SEND_TIMEOUT, text="took nothing for 5 s")
    assert ids(Ends(fake.reader()), text) == found


@pytest.mark.unmeasured
def test_who_comes_late_finds_the_last_ones_and_their_numbers(fake: FakeSegment) -> None:
    ends = Ends(fake.reader())
    for subscriber in range(1, CLOSED_ENTRIES + 4):
        fake.end(subscriber)
    found = ids(ends)
    assert (len(found), found[0], found[-1]) == (CLOSED_ENTRIES, CLOSED_ENTRIES + 3, 4)
    assert ends.last == CLOSED_ENTRIES + 3
    assert ends.newest()[-1].number == 4
    last = ends.of(4)
    assert last is not None
    assert last.number == 4
    assert ends.of(3) is None


def test_a_publisher_that_has_ended_is_an_error(fake: FakeSegment) -> None:
    ends = Ends(fake.reader())
    fake.end(1)
    fake.segment.discard()
    with pytest.raises(ClosedError):
        ends.look(NOW, 100.0)
    assert ends.newest() == []
