"""The table of topics: one id for each name, none used twice, and no more names than its limit."""

from __future__ import annotations

import pytest

from fanout.send.topics import NOT_INTERNED, UNKNOWN, Topic, TopicTable
from fanout.zmtp.frames import encode_message


def test_a_topic_has_its_first_frame_ready() -> None:
    topic = Topic(7, b"name")

    assert (topic.id, topic.name, topic.rings) == (7, b"name", (-1, ()))
    assert topic.head + b"\0\0" == encode_message([b"name", b""])


def test_what_nobody_has_looked_up_has_no_number() -> None:
    assert (UNKNOWN.id, UNKNOWN.name, UNKNOWN.head) == (NOT_INTERNED, b"", b"")


def test_it_is_found_where_there_is_no_name_whatever_is_forgotten() -> None:
    table = TopicTable(4)
    for number in range(10):
        assert table.young[None] is UNKNOWN
        table.intern(b"%d" % number)


def test_a_name_keeps_its_topic_and_its_id() -> None:
    table = TopicTable(16)

    first, other = table.intern(b"a"), table.intern(b"b")

    assert table.intern(b"a") is first
    assert table.young[b"a"] is first, "looked up there without the lock"
    assert (first.id, other.id) == (1, 2)
    assert NOT_INTERNED not in (first.id, other.id)


@pytest.mark.parametrize(("limit", "most"), [(0, 2), (1, 2), (2, 2), (3, 2), (8, 8), (9, 8)])
def test_it_remembers_no_more_than_its_limit(limit: int, most: int) -> None:
    """In two halves, each of which holds one name at least."""
    table = TopicTable(limit)
    sizes = []
    for number in range(100):
        table.intern(b"%d" % number)
        sizes.append(len(table))

    assert max(sizes) == most


def test_the_older_half_is_forgotten_and_its_ids_are_not_used_again() -> None:
    table = TopicTable(4)
    forgotten = [table.intern(name) for name in (b"a", b"b")]
    kept = [table.intern(name) for name in (b"c", b"d")]
    table.intern(b"e")

    for topic in kept:
        assert table.intern(topic.name) is topic
        assert len(table) == 3, "each is there once"
    assert [table.intern(topic.name).id for topic in forgotten] == [6, 7]


def test_a_name_that_is_asked_for_again_outlives_those_that_are_not() -> None:
    table = TopicTable(4)
    wanted = table.intern(b"wanted")

    for number in range(50):
        table.intern(b"%d" % number)
        assert table.intern(b"wanted") is wanted
