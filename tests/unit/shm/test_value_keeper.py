"""Last values: found by whoever looks, whole and newest, wherever they are by then.

The writer goes on between any two loads of a reader, laps around log and ring included. Each
mistake that either could make is made once, and seen.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from fanout.shm import kept_values, value_keeper
from fanout.shm import layout as at
from fanout.shm import value_layout as places
from fanout.shm.kept_values import KeptValues, entry_bytes
from fanout.shm.layout import PAGE, Layout
from fanout.shm.log import NO_SPACE
from fanout.shm.segment import Segment
from fanout.shm.value_layout import NO_VALUE, PLACE_BITS, ValueTable
from fanout.shm.valued_log import ValuedLog

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TOPICS = 40
RING = 8 * PAGE
LAYOUT = Layout(4 * PAGE, 256, 4, table=ValueTable(TOPICS + 1, RING))
Expected = dict[int, tuple[int, bytes]]


class Feed:
    """A writer, and what the last message of each topic is."""

    def __init__(
        self, make: Callable[[Segment], ValuedLog] = ValuedLog, layout: Layout = LAYOUT
    ) -> None:
        self.segment = Segment.create(layout)
        self.log = make(self.segment)
        self.values = KeptValues(self.segment)
        self.expected: Expected = {}
        self.history: dict[int, bytes] = {}
        self.random = random.Random(7)
        self.largest = 300
        for place in range(1, layout.table.places):
            self.log.values.give(place, self.id_of(place))

    def id_of(self, place: int) -> int:
        return place + 100 << PLACE_BITS | place

    def publish(self, place: int, size: int) -> int:
        wire = bytes([place]) + self.random.randbytes(size)
        sequence = self.log.append(wire, self.id_of(place))
        if sequence == NO_SPACE:
            self.log.refresh([])
            if not self.log.fits(len(wire), 1):
                self.log.values.hurry(self.log.head)
                self.log.refresh([])
            sequence = self.log.append(wire, self.id_of(place))
        assert sequence != NO_SPACE, "values keep nobody from publishing"
        self.expected[place] = sequence, wire
        self.history[sequence] = wire
        return sequence

    def some(self, count: int) -> None:
        """Publish, a few topics much more often than others."""
        for _ in range(count):
            place = min(TOPICS, int(self.random.paretovariate(0.4)))
            self.publish(place, self.random.randrange(self.largest))

    def found(self, place: int) -> tuple[int, bytes] | None:
        value = self.values.find(place)
        return None if value is None else (value.sequence, value.wire)

    def all_found(self) -> Expected:
        found = {place: self.found(place) for place in range(1, TOPICS + 1)}
        return {place: value for place, value in found.items() if value is not None}


def test_each_topic_has_its_last_message_through_many_laps() -> None:
    feed = Feed()
    for _ in range(300):
        feed.some(20)
        assert feed.all_found() == feed.expected
    words = feed.segment.words
    assert words[places.H_VALUES_FROM] > 2 * RING, "the ring went round, too"
    assert words[places.H_VALUES_EVICTED] == 0
    feed.segment.close()


def test_what_is_published_once_stays() -> None:
    feed = Feed()
    for place in range(1, TOPICS + 1):
        feed.publish(place, 100)
    for _ in range(3_000):
        feed.publish(1, 200)
    assert feed.all_found() == feed.expected
    feed.segment.close()


def test_the_largest_messages_are_published_without_waiting() -> None:
    """A quarter of the log each: values that are in the way are copied at once."""
    feed = Feed()
    for number in range(60):
        feed.publish(1 + number % 2, 4 * PAGE // 4 - 1)
        feed.some(3)
    for place in (*range(3, TOPICS),):
        assert feed.found(place) == feed.expected.get(place)
    feed.segment.close()


def test_more_values_than_there_are_bytes_for_are_evicted_and_counted() -> None:
    feed = Feed()
    for _ in range(30):
        for place in range(1, TOPICS + 1):
            feed.publish(place, 900)  # 40 of them are more than the ring
        for _ in range(200):
            feed.publish(1, 100)
        found = feed.all_found()
        assert found.items() <= feed.expected.items(), "what is found is right"
    evicted = [p for p in range(1, TOPICS + 1) if feed.values.kept[p] == places.EVICTED]
    assert len(evicted) == TOPICS - len(found) > 3
    assert feed.segment.words[places.H_VALUES_EVICTED] >= len(evicted)
    kept = sum(entry_bytes(len(wire)) for place, (_, wire) in found.items() if place > 1)
    assert kept > RING // 2, "most of what there is room for"
    feed.segment.close()


def test_what_is_too_old_is_not_found_and_takes_no_room() -> None:
    feed = Feed()
    feed.some(400)
    feed.segment.words[places.H_VALUES_EXPIRED] = head = feed.log.head
    assert feed.all_found() == {}
    feed.some(400)
    assert feed.all_found() == {p: v for p, v in feed.expected.items() if v[0] >= head}
    feed.segment.close()


def test_what_is_forgotten_is_gone_until_it_is_published_again() -> None:
    feed = Feed()
    feed.some(400)
    feed.log.values.forget(1, 9 << PLACE_BITS | 1)
    assert feed.found(1) is None
    feed.publish(1, 5)
    assert feed.found(1) == feed.expected[1]
    feed.segment.close()


@pytest.mark.parametrize("where", ["log", "ring", "nowhere"])
def test_what_was_noted_and_not_committed_is_taken_back(where: str) -> None:
    feed = Feed()
    if where != "nowhere":
        feed.publish(2, 50)
    for _ in range(3 if where == "log" else 500):
        feed.publish(1, 100)
    before = feed.found(2)
    assert (before is None) == (where == "nowhere")
    head = feed.log.head
    for count in (1, 3):  # as a send leaves it that is interrupted before its commit
        feed.segment.words[at.H_POISON] = head + count
        for sequence in range(head, head + count):
            feed.log._topics[sequence & feed.log._mask] = feed.id_of(2)
        feed.log.values.note(head, [feed.id_of(2)] * count)
        assert feed.values.last[2] == head + count - 1
        feed.log.lower_flag()
        assert feed.found(2) == before
        assert feed.values.last[2] == (NO_VALUE if before is None else before[0])
    feed.segment.close()


# ---------------------------------------------------------------- somebody looks meanwhile


def look_while_it_writes(
    monkeypatch: pytest.MonkeyPatch, feed: Feed, looks: int, values: KeptValues
) -> Iterator[str]:
    """What is found that is wrong, as soon as it is."""
    may_write = False

    def between() -> None:
        nonlocal may_write
        if may_write:
            may_write = False  # the writer passes fences of its own
            feed.some(feed.random.choice((0, 0, 1, 3, 30)))
            if not feed.random.randrange(20):  # most of the ring
                for each in range(2 * TOPICS):
                    feed.publish(1 + each % TOPICS, 350)
                feed.some(150)
            may_write = True

    monkeypatch.setattr(kept_values, "keep_order", between)
    feed.some(600)
    for _ in range(looks):
        place = feed.random.randrange(1, TOPICS + 1)
        before, may_write = feed.expected.get(place), True
        found = values.find(place)
        may_write, after = False, feed.expected.get(place)
        if found is None:
            if before == after is not None:
                yield "lost"
            continue
        if feed.history.get(found.sequence) != found.wire:
            yield "torn"
        elif found.wire[0] != place:
            yield "of another topic"
        elif before is not None and found.sequence < before[0]:
            yield "old"
        feed.some(feed.random.randrange(4))


@pytest.mark.unmeasured
def test_whoever_looks_finds_it_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    feed = Feed()
    assert list(look_while_it_writes(monkeypatch, feed, 3_000, feed.values)) == []


def step() -> None:
    kept_values.keep_order()  # type: ignore[attr-defined]  # as it is there now


class NoLookAtTheFloor(KeptValues):
    """Takes what was in the log before it copied it."""

    def wire(self, place: int, sequence: int) -> bytes | None:
        step()
        if self._words[at.H_FLOOR] <= sequence:
            step()
            return self.log.piece(sequence)
        return super().wire(place, sequence)


class NoLookAtTheRing(KeptValues):
    """Takes what was in the ring before it copied it."""

    def wire(self, place: int, sequence: int) -> bytes | None:
        position = self.kept[place]
        if self._words[at.H_FLOOR] > sequence and position < places.EVICTED:
            _found, _owner, size = kept_values.ENTRY.unpack(self.copy(position, 24))
            step()
            return self.copy(position + 24, min(size, self._size))
        return super().wire(place, sequence)


@pytest.mark.parametrize("reader", [NoLookAtTheFloor, NoLookAtTheRing])
def test_a_reader_that_does_not_look_again_is_found_out(
    monkeypatch: pytest.MonkeyPatch, reader: type[KeptValues]
) -> None:
    feed = Feed()
    assert "torn" in look_while_it_writes(monkeypatch, feed, 6_000, reader(feed.segment))


def test_a_writer_that_overwrites_too_early_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes the values to be safe when a pass begins, not when it ends."""
    feed = Feed()
    keeper = feed.log.values
    begin = keeper._begin

    def begin_and_end(head: int, behind: float) -> None:
        begin(head, behind)
        keeper.safe = keeper._goal

    monkeypatch.setattr(keeper, "_begin", begin_and_end)
    assert "lost" in look_while_it_writes(monkeypatch, feed, 6_000, feed.values)


@pytest.mark.parametrize("is_cleaned", [True, False])
def test_the_ring_is_reused_for_what_is_cleaned(
    monkeypatch: pytest.MonkeyPatch, is_cleaned: bool
) -> None:
    """One that is not cleaned is overwritten, which this test would see."""
    feed = Feed()
    if not is_cleaned:
        monkeypatch.setattr(feed.log.values, "_make_room", lambda _size: None)
    feed.publish(TOPICS, 100)
    for number in range(3_000):
        feed.publish(1 + number % (TOPICS - 1), 350)
    assert (feed.found(TOPICS) == feed.expected[TOPICS]) is is_cleaned
    feed.segment.close()


def test_a_step_looks_through_some_places_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(value_keeper, "PLACES_PER_STEP", 5)
    feed = Feed()
    for _ in range(300):
        feed.some(20)
        assert feed.all_found() == feed.expected
    assert feed.log.values.steps == 9
    feed.segment.close()
