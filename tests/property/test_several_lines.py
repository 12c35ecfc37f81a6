"""Several lines to one publisher: each message comes once, whichever line is lost or loses."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.helpers.remembering import Remembering, Showing, TooLarge
from tests.property.test_healing import TOPICS, was_told

LINES = 2  # with more the rare meetings are rarer
number = st.integers(0, LINES - 1)
few = st.lists(st.integers(0, 40), max_size=2)
publishing = st.tuples(
    st.just("publish"), st.lists(st.sampled_from(TOPICS), min_size=1, max_size=4)
)
sending = st.tuples(st.just("send"), st.integers(1, 5), few, number)
hearing = st.tuples(st.just("hear"), few, number)
connecting = st.tuples(st.just("connect"), few, number)
looking = st.tuples(st.just("look"), st.sampled_from([0.0, 0.0, 0.0, 1.0]))
losing = st.tuples(st.just("lose"), st.integers(1, 3), number)
subscribing = st.tuples(st.just("subscribe"), st.sampled_from(TOPICS))
ends = st.tuples(st.just("hang_up"), st.sampled_from([0, 0, 100]), number)
harmless = [publishing, publishing, sending, sending, hearing, hearing, connecting]
steps = st.lists(
    st.one_of(
        *harmless,
        *harmless,
        looking,
        losing,
        subscribing,
        ends,
        st.tuples(st.just("forget"), st.integers(0, 6)),
        st.just(("start_anew",)),
    ),
    min_size=10,
    max_size=40,
)
wanted = st.sampled_from([{b""}, {b"A"}, {b"A", b"B"}, {b"B", b"AB", b"A"}])


def played(
    wants: set[bytes],
    lines: int,
    script: list[tuple[Any, ...]],
    *,
    is_joined: bool = False,
    kind: type[Remembering] = Remembering,
) -> Remembering:
    feed = kind(wants, lines)
    for line in range(lines):
        feed.connect([], line)
    if is_joined:
        feed.publish([b"AB", b"AB"])
        for line in range(lines):
            feed.send(2, [], line)
    for name, *arguments in script:
        getattr(feed, name)(*arguments)
        feed.look(0.0)
    feed.finish()
    return feed


def came(feed: Remembering) -> list[tuple[int, int]]:
    return [(message.epoch or 0, message.sequence or 0) for message in feed.got]


@settings(max_examples=300)
@given(wanted, steps)
def test_each_message_comes_once_or_is_told_of(
    wants: set[bytes], script: list[tuple[Any, ...]]
) -> None:
    feed = played(wants, LINES, script)
    numbers = came(feed)
    assert len(set(numbers)) == len(numbers)
    missing = {*feed.owed} - {*numbers}
    assert missing <= feed.gone
    gaps = [message.gap for message in feed.got if message.gap is not None]
    restarts = {gap.epoch or 0 for gap in gaps if gap.reason == "epoch"}
    for one in missing:
        assert was_told(one, gaps) or any(restart > one[0] for restart in restarts)
    if feed.epoch == 1:
        assert not restarts
        if b"" in wants:
            assert numbers == sorted(numbers)
            assert sum(gap.count or 0 for gap in gaps) == len(missing)
            (losses,) = feed.core.losses
            assert losses.missing == len(missing)
    for topic in TOPICS:
        of_it = [one for one, m in zip(numbers, feed.got, strict=True) if m.topic == topic]
        for before, after in pairwise(of_it):
            assert before < after or was_told(after, gaps), "out of order"


@settings(max_examples=100)
@given(
    wanted,
    st.lists(
        st.one_of(*harmless, st.tuples(st.just("lose"), st.integers(1, 3), st.just(0))),
        max_size=40,
    ),
)
def test_what_one_line_loses_another_brings(
    wants: set[bytes], script: list[tuple[Any, ...]]
) -> None:
    """None is cut, and the clock stands still: so nothing is missing, and no gap is told."""
    feed = played(wants, LINES, script, is_joined=True)
    assert {*came(feed)} == {*feed.owed}
    assert [message.gap for message in feed.got] == [None] * len(feed.got)


@settings(max_examples=100)
@given(
    wanted,
    st.lists(st.one_of(*harmless, ends, subscribing), min_size=10, max_size=40),
)
def test_lines_that_are_cut_and_lose_nothing_miss_nothing(
    wants: set[bytes], script: list[tuple[Any, ...]]
) -> None:
    feed = played(wants, LINES, script)
    assert {*feed.owed} <= {*came(feed)}
    assert [message.gap for message in feed.got] == [None] * len(feed.got)


# Nothing but that has come when its line is lost, and the other one goes on.
COMES_FIRST: list[tuple[Any, ...]] = [
    *(("publish", [b"A"]), ("send", 1, [], 0), ("hang_up", 0, 0)),
    *(("connect", [], 1), ("hear", [], 1), ("publish", [b"B"])),
]


@settings(max_examples=150)
@example({b""}, COMES_FIRST)
@given(wanted, st.lists(st.one_of(*harmless, *harmless, ends), min_size=10, max_size=40))
def test_what_is_too_large_is_told_whichever_line_is_lost(
    wants: set[bytes], script: list[tuple[Any, ...]]
) -> None:
    feed = played(wants, LINES, script, kind=TooLarge)
    numbers, gaps = came(feed), [message.gap for message in feed.got if message.gap is not None]
    assert len({*numbers}) == len(numbers)
    missing = {*feed.owed} - {*numbers}
    assert {feed.topics[place] for _, place in missing} <= {*feed.too_large}
    assert [one for one in missing if not was_told(one, gaps)] == []
    if b"" in wants:
        assert feed.core.losses[0].missing == len(missing)


# A value that came over one line is on its way over the other, that was heard of it before.
COMES_TWICE: list[tuple[Any, ...]] = [
    *(("publish", [b"A"]), ("send", 1, [], 0), ("subscribe", b"B"), ("hear", [], 1)),
    *(("publish", [b"B", b"B"]), ("hear", [], 0), ("show", 6, 0), ("send", 9, [], 1)),
]
showing = st.tuples(st.just("show"), st.integers(0, 6), number)
leaving = st.tuples(st.just("unsubscribe"), st.sampled_from(TOPICS))


@settings(max_examples=300)
@example({b"A"}, COMES_TWICE)
@given(
    st.sampled_from([{b"A"}, {b"A", b"C"}, {b"AB", b"C"}]),
    st.lists(
        st.one_of(*harmless, showing, showing, subscribing, subscribing, losing, ends),
        min_size=10,
        max_size=40,
    ),
)
def test_last_values_come_once_and_nothing_older_of_their_topics_after_them(
    wants: set[bytes], script: list[tuple[Any, ...]]
) -> None:
    """Whichever line brings them, and whoever is lost meanwhile."""
    feed = played(wants, LINES, script, kind=Showing)
    numbers = came(feed)
    assert len(set(numbers)) == len(numbers)
    assert {*feed.owed} - {*numbers} <= feed.gone
    for topic in TOPICS:
        of_it = [one for one, m in zip(numbers, feed.got, strict=True) if m.topic == topic]
        assert of_it == sorted(of_it), "out of order"
        last = max((place for place, one in enumerate(feed.topics) if one == topic), default=None)
        if last is not None and topic.startswith((*feed.core.wants,)):
            there = {*numbers} | feed.gone
            assert (feed.epoch, last) in there, f"{topic!r} stands still"
