"""Messages that are still in the log are read together: those, and nothing that was overwritten."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from fanout.shm import kept_values
from fanout.shm import layout as at
from fanout.shm.kept_values import KeptValues
from tests.unit.shm.test_value_keeper import Feed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

ENOUGH = 1 << 20  # bytes
LOOKS = 2_000


@pytest.fixture
def feed() -> Iterator[Feed]:
    feed = Feed()
    feed.some(600)  # some laps
    yield feed
    feed.segment.close()


def test_all_that_the_log_has_are_read_and_no_older_ones(feed: Feed) -> None:
    floor, head = feed.segment.words[at.H_FLOOR], feed.log.head
    assert 0 < floor < head - 10
    for sequences in ([*range(head)], [*range(0, head, 3)], [head - 9, head - 1], [floor], []):
        found = feed.values.in_log(sequences, ENOUGH)
        assert found == {one: feed.history[one] for one in sequences if one >= floor}


def test_no_more_bytes_are_read_than_are_asked_for(feed: Feed) -> None:
    sequences = [*range(feed.log.head - 9, feed.log.head, 2)]
    sizes = [len(feed.history[one]) for one in sequences]
    for count in range(len(sequences) + 1):
        for more in (0, 1):
            found = feed.values.in_log(sequences, sum(sizes[:count]) + more)
            assert [*found] == sequences[:count]


def look_while_it_writes(
    monkeypatch: pytest.MonkeyPatch, feed: Feed, values: KeptValues
) -> Iterator[int]:
    """How many are found each time; fewer than none if some are not what was published."""
    may_write = False

    def between() -> None:
        nonlocal may_write
        if may_write:
            may_write = False  # the writer passes fences of its own
            feed.some(feed.random.choice((0, 0, 1, 30, 150)))
            may_write = True

    def after(read: Callable[..., Any]) -> Callable[..., Any]:
        def stepped(*which: Any) -> Any:
            between()
            return read(*which)

        return stepped

    monkeypatch.setattr(kept_values, "keep_order", between)
    for name in ("sizes", "joined"):
        monkeypatch.setattr(values.log, name, after(getattr(values.log, name)))
    for _ in range(LOOKS):
        head = feed.log.head
        sequences = sorted(feed.random.sample(range(head - 60, head), 10))
        may_write = True
        found = values.in_log(sequences, ENOUGH)
        may_write = False
        is_right = all(feed.history[one] == wire for one, wire in found.items())
        yield len(found) if is_right else -1


@pytest.mark.unmeasured
def test_what_is_overwritten_meanwhile_is_not_taken(
    monkeypatch: pytest.MonkeyPatch, feed: Feed
) -> None:
    counts = [*look_while_it_writes(monkeypatch, feed, feed.values)]
    assert min(counts) == 0
    assert max(counts) == 10


class NoLookAfterwards(KeptValues):
    """Takes what was in the log before it copied it."""

    def in_log(self, sequences: Sequence[int], _most_bytes: int) -> dict[int, bytes]:
        floor = self._words[at.H_FLOOR]
        some = [one for one in sequences if one >= floor]
        kept_values.keep_order()  # type: ignore[attr-defined]  # as it is there now
        return {one: self.log.piece(one) for one in some}


def test_a_reader_that_does_not_look_again_is_found_out(
    monkeypatch: pytest.MonkeyPatch, feed: Feed
) -> None:
    assert -1 in look_while_it_writes(monkeypatch, feed, NoLookAfterwards(feed.segment))
