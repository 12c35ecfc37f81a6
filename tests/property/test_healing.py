"""The subscriber heals itself: whatever happens, each message comes once, or is told of."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.helpers.remembering import Remembering, Showing, ShowingOld

if TYPE_CHECKING:
    from fanout.subscriber.message import Gap

TOPICS = (b"A", b"AB", b"B", b"BA", b"C")
places = st.lists(st.integers(0, 200), max_size=3)
publishing = st.tuples(st.just("publish"), st.lists(st.sampled_from(TOPICS), max_size=4))
sending = st.tuples(st.just("send"), st.integers(1, 5), places)
hearing = st.tuples(st.just("hear"), places)
others = st.one_of(
    st.tuples(st.just("lose"), st.integers(1, 3)),
    st.tuples(st.just("subscribe"), st.sampled_from(TOPICS)),
    st.tuples(st.just("forget"), st.integers(0, 6)),
)
ends = st.one_of(
    *[st.tuples(st.just("hang_up"), st.integers(0, 199))] * 5, st.just(("start_anew",))
)
connecting = st.tuples(st.just("connect"), places)
showing = st.tuples(st.just("show"), st.integers(0, 6))
cancelling = st.tuples(st.just("unsubscribe"), st.sampled_from(TOPICS))
later = st.tuples(st.just("subscribe_since"), st.sampled_from((b"", *TOPICS)), st.integers(0, 9))


def lives(*more: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
    """One connection after another, with these things happening besides."""
    one_round = st.tuples(
        st.lists(st.one_of(publishing, sending, hearing, sending, others, *more), max_size=8),
        ends,
        st.lists(st.one_of(publishing, publishing, others, *more), max_size=2),
        connecting,
    )
    return st.lists(one_round, min_size=1, max_size=6).map(
        lambda rounds: [
            step for busy, end, away, back in rounds for step in [*busy, end, *away, back]
        ]
    )


def was_told(number: tuple[int, int], gaps: list[Gap]) -> bool:
    """Whether somebody was told that it is missing: then it may come later, though."""
    return any(
        gap.epoch == number[0]
        and gap.first is not None
        and gap.first <= number[1] <= (gap.last or 0)
        for gap in gaps
    )


def lived_with_doubles(
    wants: set[bytes], script: list[tuple[Any, ...]], kind: type[Remembering]
) -> Remembering:
    """The same, where something may come twice."""
    feed = kind(wants)
    feed.connect([])
    for name, *arguments in script:
        getattr(feed, name)(*arguments)
    feed.finish()
    return feed


def lived(
    wants: set[bytes], script: list[tuple[Any, ...]], kind: type[Remembering] = Remembering
) -> tuple[Remembering, list[tuple[int, int]]]:
    """A feed to whose subscriber this has happened, and what came, by epoch and number: once."""
    feed = lived_with_doubles(wants, script, kind)
    came = [(message.epoch or 0, message.sequence or 0) for message in feed.got]
    assert len(set(came)) == len(came)
    return feed, came


@settings(max_examples=150)
@given(st.sampled_from([{b""}, {b"A"}, {b"A", b"B"}, {b"B", b"AB", b"A"}]), lives())
def test_each_message_comes_once_or_is_told_of(
    wants: set[bytes], script: list[tuple[Any, ...]]
) -> None:
    feed, came = lived(wants, script)
    missing = {*feed.owed} - {*came}
    assert missing <= feed.gone
    gaps = [message.gap for message in feed.got if message.gap is not None]
    restarts = {gap.epoch or 0 for gap in gaps if gap.reason == "epoch"}
    for one in missing:
        assert was_told(one, gaps) or any(restart > one[0] for restart in restarts)
    if feed.epoch == 1:
        assert not restarts
    if b"" in wants:
        assert came == sorted(came)
        if feed.epoch == 1:
            assert sum(gap.count or 0 for gap in gaps) == len(missing)
            assert feed.core.streams[0].losses.missing == len(missing)
    for topic in TOPICS:
        of_it = [one for one, message in zip(came, feed.got, strict=True) if message.topic == topic]
        for before, after in pairwise(of_it):
            assert before < after or was_told(after, gaps), "out of order"


@settings(max_examples=150)
@given(st.sampled_from([{b"A"}, {b"AB"}, {b"AB", b"B"}, {b""}]), lives(later, later))
def test_a_later_subscription_gets_what_was_published_before_once(
    wants: set[bytes], script: list[tuple[Any, ...]]
) -> None:
    """Whatever other subscriptions bring, and whenever the connection is lost."""
    feed, came = lived(wants, script)
    assert feed.core.streams[0].back is None, "it was told where that ends"
    gaps = [message.gap for message in feed.got if message.gap is not None]
    restarts = {gap.epoch or 0 for gap in gaps if gap.reason == "epoch"}
    missing = {*feed.owed} - {*came}
    assert missing <= feed.gone
    for one in missing:
        assert was_told(one, gaps) or any(restart > one[0] for restart in restarts)
    for topic in TOPICS:
        of_it = [one for one, message in zip(came, feed.got, strict=True) if message.topic == topic]
        for before, after in pairwise(of_it):
            assert before < after or was_told(after, gaps), "out of order"


# A last value that has come, and is asked for once more: an older message comes between the two.
ASKED_FOR_TWICE: list[tuple[Any, ...]] = [
    *(("subscribe", b"B"), ("publish", [b"A", b"B"]), ("hear", []), ("hang_up", 140)),
    *(("connect", []), ("send", 1, []), ("hang_up", 0), ("connect", [])),
]


@settings(max_examples=150)
@example({b"A"}, ASKED_FOR_TWICE)
@given(st.sampled_from([{b"A"}, {b"AB", b"B"}, {b""}]), lives(showing, showing, later))
def test_last_values_come_once_and_the_newest_of_each_topic_in_the_end(
    wants: set[bytes], script: list[tuple[Any, ...]]
) -> None:
    """Whenever the connection is lost; what is missing of what was published is told."""
    feed, came = lived(wants, script, Showing)
    stream = feed.core.streams[0]
    assert not stream.is_showing
    gaps = [message.gap for message in feed.got if message.gap is not None]
    reasons = {gap.reason for gap in gaps}
    assert "reconnected" not in reasons
    missing = {*feed.owed} - {*came}
    assert "epoch" in reasons or missing <= feed.gone
    for topic in TOPICS:
        last = max((place for place, one in enumerate(feed.topics) if one == topic), default=None)
        if last is not None and feed.is_shown(topic):
            assert {(feed.epoch, last)} & ({*came} | feed.gone), f"{topic!r} stands still"
        of_it = [one for one, message in zip(came, feed.got, strict=True) if message.topic == topic]
        for before, after in pairwise(of_it):
            assert before < after or was_told(after, gaps), "out of order"


LOST_IN_THE_MIDDLE: list[Any] = [
    *(("publish", [b"AB", b"A", b"B"]), ("send", 1, []), ("subscribe", b"A"), ("hear", [])),
    *(("show", 1), ("hang_up", 0), ("publish", [b"A"]), ("connect", [])),
]


@settings(max_examples=100)
@example({b"B"}, LOST_IN_THE_MIDDLE)
@given(st.sampled_from([{b"A"}, {b"AB", b"B"}, {b""}]), lives(showing, showing))
def test_of_a_publisher_that_sends_no_old_ones_again_what_is_missing_is_told(
    wants: set[bytes], script: list[tuple[Any, ...]]
) -> None:
    """The newest of each topic comes in the end."""
    feed, came = lived(wants, script, ShowingOld)
    gaps = [message.gap for message in feed.got if message.gap is not None]
    missing = {*feed.owed} - {*came} - feed.gone
    assert not missing or {gap.reason for gap in gaps} & {"reconnected", "epoch"}
    for topic in TOPICS:
        last = max((place for place, one in enumerate(feed.topics) if one == topic), default=None)
        if last is not None and feed.is_shown(topic):
            assert {(feed.epoch, last)} & ({*came} | feed.gone), f"{topic!r} stands still"


CANCELLED_IN_THE_MIDDLE: list[Any] = [
    *(("publish", [b"A", b"C", b"B"]), ("send", 9, []), ("subscribe", b"A"), ("hear", [])),
    *(("unsubscribe", b"A"), ("subscribe", b"C"), ("hear", []), ("show", 3), ("hang_up", 0)),
    ("connect", []),
]
AND_WANTED_AGAIN: list[Any] = [*CANCELLED_IN_THE_MIDDLE]
AND_WANTED_AGAIN[6:6] = [("subscribe", b"A"), ("hear", [])]


@settings(max_examples=200)
@example({b"B"}, CANCELLED_IN_THE_MIDDLE)
@example({b"B"}, AND_WANTED_AGAIN)
@given(
    st.sampled_from([{b"B"}, {b"AB", b"B"}, {b"C"}]),
    lives(showing, showing, cancelling, st.tuples(st.just("subscribe"), st.sampled_from(TOPICS))),
)
def test_who_cancels_meanwhile_gets_the_newest_of_what_it_still_wants(
    wants: set[bytes], script: list[tuple[Any, ...]]
) -> None:
    """Whatever it cancels while last values come, and wants again; then all of that comes again."""
    feed = lived_with_doubles(wants, script, Showing)
    assert not feed.core.streams[0].is_showing
    again = (*feed.cancelled,)
    came = [(message.epoch or 0, message.sequence or 0) for message in feed.got]
    once = [
        one
        for one, message in zip(came, feed.got, strict=True)
        if not message.topic.startswith(again)
    ]
    assert len({*once}) == len(once)
    for topic in TOPICS:
        last = max((place for place, one in enumerate(feed.topics) if one == topic), default=None)
        if last is None or not feed.is_shown(topic):
            continue
        said = [one for one in feed.core.wants if topic.startswith(one)]
        since = min(feed.since_when.get(one, 0) for one in said)
        assert {(feed.epoch, last)} & ({*came[since:]} | feed.gone), f"{topic!r} stands still"
