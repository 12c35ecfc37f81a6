"""Topics with a place for a last value: each has one alone, whatever is interrupted."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from fanout.send.kept_topics import KeptTopic, KeptTopics
from fanout.send.topics import NOT_INTERNED, UNKNOWN
from fanout.shm import value_layout as places
from fanout.shm.layout import PAGE, Layout
from fanout.shm.segment import Segment
from fanout.shm.value_keeper import PLACE_MASK, ValueKeeper
from fanout.shm.value_layout import NO_VALUE, ValueTable
from tests.helpers.interrupting import Steps

if TYPE_CHECKING:
    from collections.abc import Iterator

PLACES = 6


@pytest.fixture
def values() -> Iterator[ValueKeeper]:
    layout = Layout(PAGE, 16, 1, table=ValueTable(PLACES + 1, PAGE))
    segment = Segment.create(layout)
    yield ValueKeeper(segment)
    segment.close()


def test_a_topic_keeps_its_place_which_is_in_its_id(values: ValueKeeper) -> None:
    table = KeptTopics(100, values, [b""])
    topics = [table.intern(b"%d" % number) for number in range(PLACES)]

    assert [topic.id & PLACE_MASK for topic in topics] == [1, 2, 3, 4, 5, 6]
    assert values.ids.tolist()[1:] == [topic.id for topic in topics]
    assert values.known == PLACES + 1
    assert [table.intern(topic.name) for topic in topics] == topics
    assert table.young[None] is UNKNOWN


def test_those_with_other_prefixes_have_no_place(values: ValueKeeper) -> None:
    table = KeptTopics(4, values, [b"a", b"bc"])

    assert [table.intern(name).id & PLACE_MASK for name in (b"a1", b"b1", b"bc", b"c")] == [
        *(1, 0, 2, 0)
    ]
    for number in range(100):
        table.intern(b"x%d" % number)
    assert len(table) <= PLACES + 2, "the others are forgotten"
    assert table.intern(b"a1").id & PLACE_MASK == 1, "those with a place are not"
    assert table.find(b"x99") is None


def test_the_coldest_one_makes_room_and_is_counted(values: ValueKeeper) -> None:
    table = KeptTopics(2, values, [b""])
    first = [table.intern(b"%d" % number) for number in range(PLACES)]
    for topic in first:
        values.note(5, [topic.id])
    for _ in range(3):  # all others are published once more
        for topic in first[1:]:
            table.intern(topic.name)
        table._turn_over()

    new = table.intern(b"new")

    assert new.id & PLACE_MASK == 1
    assert first[0].id == NOT_INTERNED, "who has it still in a batch notes nothing by it"
    assert values.last[1] == NO_VALUE
    assert values._words[places.H_VALUES_EVICTED] == 1
    assert table.find(b"0") is None


def owners(table: KeptTopics) -> list[int]:
    """The places of all topics that have one and are found, and that no two have."""
    found = {
        id(one): one for each in (table.young, table._old, table._cold) for one in each.values()
    }
    return sorted(
        topic.place for topic in found.values() if isinstance(topic, KeptTopic) and topic.id
    )


def test_no_two_topics_have_one_place(values: ValueKeeper) -> None:
    table, numbers = KeptTopics(4, values, [b"t"]), random.Random(1)
    for _ in range(3_000):
        name = b"t%d" % numbers.randrange(20)
        topic = table.intern(name)
        assert topic.name == name
        assert values.ids[topic.id & PLACE_MASK] == topic.id
        assert table.find(name) is topic
        places = owners(table)
        assert len(places) == len({*places}) <= PLACES
    assert places == [1, 2, 3, 4, 5, 6]


def test_forgetting_gives_another_id(values: ValueKeeper) -> None:
    table = KeptTopics(4, values, [b"t"])
    topic = table.intern(b"t")
    assert isinstance(topic, KeptTopic)
    before = topic.id
    values.note(3, [before])

    table.forget(topic)

    assert topic.id != before
    assert topic.id & PLACE_MASK == before & PLACE_MASK
    assert values.ids[1] == topic.id
    assert values.last[1] == NO_VALUE


def test_interrupted_anywhere_no_place_is_lost_or_had_twice(values: ValueKeeper) -> None:
    table, number = KeptTopics(4, values, [b"t"]), 0
    for number in range(1, 400):
        steps = Steps(1 + number % 60, _interrupt, opcodes=True)
        try:
            with steps:
                table.intern(b"t%d" % (number % 9))
        except KeyboardInterrupt:
            pass
        topic = table.intern(b"t%d" % (number % 9))
        assert values.ids[topic.id & PLACE_MASK] == topic.id != NOT_INTERNED
        places = owners(table)
        assert len(places) == len({*places})
    for number in range(PLACES):
        table.intern(b"t-after-%d" % number)
    assert owners(table) == [1, 2, 3, 4, 5, 6]


def test_interrupted_anywhere_what_is_lost_is_counted_once(values: ValueKeeper) -> None:
    """The value of whose place is given away, and that a topic with keyframes is gone."""
    table = KeptTopics(4, values, [b"t"])
    reached = []
    for number in range(1, 700):
        name = b"t%d" % number
        steps = Steps(number, _interrupt, opcodes=True)
        try:
            with steps:
                table.intern(name)
        except KeyboardInterrupt:
            table.settle()
        reached.append(steps.reached)
        topic = table.intern(name)
        assert isinstance(topic, KeptTopic)
        values.note(number, [topic.id])
        values.note_keyframe(topic.place, topic.id)
        words = values._words
        assert words[places.H_VALUES_EVICTED] == max(0, number - PLACES)
        assert words[places.H_VALUES_KEYED] == min(number, PLACES)
    assert {*reached} == {False, True}


def _interrupt() -> None:
    raise KeyboardInterrupt
