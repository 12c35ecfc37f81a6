"""Which last values are still to come, by a publisher whose marks come in another order."""

from __future__ import annotations

import pytest

from tests.helpers.remembering import Showing

TOPICS = [b"A0", b"A1"]


def feed_of(*denied: bytes) -> Showing:
    """One that has had all of what it wants up to now, of which there are last values of others."""
    feed = Showing({b"B"})
    feed.denied.update(denied)
    feed.publish([*TOPICS, b"C", b"B"])
    feed.connect([])
    feed.publish([b"B"])
    feed.send(9, [])
    return feed


def came(feed: Showing, topic: bytes) -> list[int | None]:
    return [one.sequence for one in feed.got if one.topic == topic]


def reasons(feed: Showing) -> set[str]:
    return {one.gap.reason for one in feed.got if one.gap is not None}


@pytest.mark.parametrize("shown", range(7))
def test_what_is_asked_for_from_further_back_comes_first_and_says_so_of_itself_alone(
    shown: int,
) -> None:
    """Of those before it all come, though the connection is lost behind the mark of that."""
    feed = feed_of()
    feed.subscribe(b"A")
    feed.subscribe_since(b"C", 3)
    for _ in range(3):
        feed.hear([])
    feed.show(shown)
    if shown == 2:  # its own, with nothing between them
        assert feed.core.streams[0]._due.asked.keys() == {b"A"}
    feed.hang_up(0)
    feed.finish()
    assert [came(feed, topic) for topic in TOPICS] == [[0], [1]]
    assert not feed.core.streams[0].is_showing
    assert reasons(feed) == set()


@pytest.mark.parametrize("begun", range(5))
@pytest.mark.parametrize("shown", range(7))
def test_it_comes_in_the_middle_of_others_and_the_rest_of_these_behind_it(
    begun: int, shown: int
) -> None:
    feed = feed_of()
    feed.publish([b"C"])
    feed.send(9, [])
    feed.subscribe(b"A")
    feed.hear([])
    feed.show(begun)
    feed.subscribe_since(b"C", 3)
    for _ in range(3):
        feed.hear([])
    feed.show(shown)
    if begun == shown:
        feed.hang_up(0)
    feed.finish()
    assert [came(feed, topic) for topic in TOPICS] == [[0], [1]]
    assert came(feed, b"C")[-1:] == [5]
    kinds = {one.kind for one in feed.got if one.topic in TOPICS}
    assert kinds == {"last"}
    assert {one.kind for one in feed.got if one.sequence == 5} <= {"replayed", "last"}
    assert not feed.core.streams[0].is_showing
    assert reasons(feed) == set()


@pytest.mark.parametrize("shown", range(7))
@pytest.mark.parametrize("is_granted", [False, True])
def test_what_is_denied_takes_the_mark_of_no_other(shown: int, is_granted: bool) -> None:
    feed = feed_of(b"C")
    feed.subscribe(b"C")
    feed.hear([])
    feed.subscribe(b"A")
    feed.hear([])
    if is_granted:
        feed.grant(b"C")
    feed.show(shown)
    feed.hang_up(0)
    feed.finish()
    assert [came(feed, topic) for topic in TOPICS] == [[0], [1]]
    assert came(feed, b"C") == [2] * is_granted
    assert not feed.core.streams[0].is_showing, "nothing is waited for that does not come"


@pytest.mark.parametrize("shown", range(4))
def test_one_that_is_granted_while_it_is_connected_comes_once(shown: int) -> None:
    feed = feed_of(b"A", b"A0")
    feed.subscribe(b"A")
    feed.hear([])
    feed.show(9)
    feed.grant(b"A0")  # a part of it
    feed.show(shown)
    feed.hang_up(0)
    feed.denied.clear()
    feed.finish()
    assert came(feed, b"A0") == [0]


def test_who_may_not_have_what_it_asks_for_can_ask_for_more() -> None:
    feed = feed_of(b"C")
    feed.subscribe_since(b"C", 0)
    feed.subscribe_since(b"A", 0)
    for _ in range(8):
        feed.hear([])
        feed.send(9, [])
    assert [came(feed, topic) for topic in TOPICS] == [[0], [1]]
    assert feed.core.streams[0].back is None
