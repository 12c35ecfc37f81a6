"""Keyframes before what comes: a model of what each subscriber must get, and any order of events.

Of a topic that has keyframes, whoever comes gets the last one from before it came, all of the topic
since then, and what comes: in order, none twice, none missing. Where the log has no keyframe any
more it gets nothing from before, and that is told.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import msgpack
import pytest

from fanout.shm import layout as at
from fanout.shm.layout import PAGE, Layout
from fanout.shm.log import NO_SPACE
from fanout.shm.value_layout import KEYFRAME, PLACE_BITS, ValueTable
from fanout.terms.reserved import GAP_TOPIC, SNAPSHOT_TOPIC
from fanout.terms.slow_policy import SlowPolicy
from fanout.workers.stream import chaining, keyframes
from fanout.workers.stream.chaining import Chaining
from fanout.workers.stream.gaps import Gaps
from fanout.workers.stream.member import LOST
from fanout.workers.stream.replaying import missed_by
from fanout.workers.tuning import ShowTuning
from fanout.zmtp.frames import encode_message
from tests.unit.workers.stream.test_showing import PREFIXES, TOPICS, Feed, One, messages_in

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fanout.shm.reader import LogReader
    from fanout.workers.stream.finding import Finding
    from fanout.workers.stream.member import Member

KEYED = [topic for topic in TOPICS if topic.startswith((b"xp", b"yq"))]
LARGE = Layout(256 * PAGE, 16_384, 4, table=ValueTable(len(TOPICS) + 1, 16 * PAGE))
SMALL = Layout(8 * PAGE, 512, 4, table=ValueTable(len(TOPICS) + 1, 16 * PAGE))


class KeyedFeed(Feed):
    """As `Feed`; some topics have keyframes.

    Attributes:
        published: of each topic, its messages, and whether each is a keyframe.
        asked: topics of which a keyframe was asked for.
        since: of each member and topic, the front when it came to want it.
    """

    def __init__(self, layout: Layout = LARGE) -> None:
        self.asked: list[bytes] = []
        super().__init__(layout)
        self.published: dict[bytes, dict[int, bool]] = {topic: {} for topic in TOPICS}
        self.since: dict[tuple[One, bytes], int] = {}

    def show_by(self, tuning: ShowTuning) -> None:
        super().show_by(tuning)
        what = self.values, self.showing.names, self.pump, self.hold, self.asked.append
        self.showing.chaining = Chaining(*what, tuning)

    def hold(self, _member: Member, until: int) -> int:
        floor = self.segment.words[at.H_FLOOR]
        return min(until, max(floor, until - self.reader.entries // 2))

    def publish_key(self, topic: bytes, size: int = 20) -> int:
        topic_id = self.id_of(topic)
        self.log.values.note_keyframe(topic_id & (1 << PLACE_BITS) - 1, topic_id)
        ids, self.id_of = self.id_of, lambda topic: type(self).id_of(topic) | KEYFRAME  # type: ignore[method-assign]
        try:
            sequence = super().publish(topic, size)
        finally:
            self.id_of = ids  # type: ignore[method-assign]
        if sequence != NO_SPACE:
            self.published[topic][sequence] = True
        return sequence

    def publish(self, topic: bytes, size: int = 20) -> int:
        sequence = super().publish(topic, size)
        if sequence != NO_SPACE:
            self.published[topic][sequence] = False
        return sequence

    def subscribes(
        self, one: One, *prefixes: bytes, above: int = -1, is_told: bool = False
    ) -> None:
        for topic in TOPICS:
            if topic.startswith(prefixes):
                self.since.setdefault((one, topic), self.pump.front)
        super().subscribes(one, *prefixes, above=above, is_told=is_told)

    def asks_for_what_it_missed(self, one: One, prefix: bytes, first: int) -> int:
        """It subscribes to that as well, and is sent it from there on; returns up to where."""
        before, front = frozenset(one.wants), self.pump.front
        one.wants.add(prefix)
        self.pump.change(one.member, one.wants, [prefix], [], 0)
        missed = missed_by([prefix], before)
        assert missed is not None
        self.pump.replay(one.member, first, front, missed, 0)
        wants = one.wants
        asked, told = first < front, False
        self.pump.show(
            *(one.member, first, -1, [prefix], wants), is_told=told, now=0, is_asked_for=asked
        )
        return front


def sequences(one: One) -> dict[bytes, list[int]]:
    """What it has got of each topic."""
    got: dict[bytes, list[int]] = {}
    for topic, body in messages_in(one.sink.taken):
        if not topic.startswith(b"\0"):
            got.setdefault(topic, []).append(int(body.partition(b":")[0]))
    return got


def marks(one: One, topic: bytes) -> list[dict[str, object]]:
    return [msgpack.unpackb(body) for name, body in messages_in(one.sink.taken) if name == topic]


def pending_of(one: One) -> Finding | None:
    """What is being found for it."""
    snapshots = one.member.snapshots
    return None if snapshots is None else snapshots.pending[0].finding


@pytest.fixture
def feed() -> Iterator[KeyedFeed]:
    feed = KeyedFeed()
    yield feed
    feed.segment.close()


def check(feed: KeyedFeed, one: One) -> None:
    """What somebody has got that has lost nothing and cancelled nothing."""
    got = sequences(one)
    for (who, topic), since in feed.since.items():
        if who is not one or not feed.published[topic]:
            continue
        messages = feed.published[topic]
        live = [sequence for sequence in messages if sequence >= since]
        keys = [s for s, is_key in messages.items() if is_key and s < since]
        if any(messages.values()):
            chain = [s for s in messages if s >= keys[-1]] if keys else live
            allowed = [chain, live] if topic in feed.asked else [chain]
            if feed.reader.entries == SMALL.entries and live and messages[live[0]]:
                allowed.append(live)  # it begins with a keyframe by itself
            assert got.get(topic, []) in allowed, (topic, since)
        else:
            newest = list(messages)[-1]
            assert got[topic][-1] == newest
            assert got[topic] == sorted(set(got[topic]))
    feed.pump.settle(one.member)
    assert one.member.queued == one.member.queued_bytes == 0
    assert one.member.sent == sum(map(len, got.values()))


def test_the_last_keyframe_comes_and_all_since_then_and_then_what_comes(feed: KeyedFeed) -> None:
    feed.publish(b"xp0")  # of no use without a keyframe
    feed.publish_key(b"xp0")
    feed.publish(b"xp0")
    feed.publish(b"xq0")
    second = feed.publish_key(b"xp0")
    deltas = [feed.publish(b"xp0") for _ in range(3)]
    feed.publish(b"xq0")
    one = feed.comes(b"x", is_told=True)
    feed.settle()
    live = feed.publish(b"xp0")
    feed.settle()

    assert sequences(one) == {b"xp0": [second, *deltas, live], b"xq0": [feed.last[b"xq0"]]}
    begin, end = marks(one, SNAPSHOT_TOPIC)
    assert (begin["count"], begin["end"], end["count"], end["end"]) == (0, False, 5, True)
    assert feed.pump.totals.replayed == 4
    assert feed.pump.totals.from_snapshot == 1
    assert not feed.asked


def test_where_nobody_uses_keyframes_nothing_is_looked_for(feed: KeyedFeed) -> None:
    feed.publish(b"xp0")
    feed.hold = None  # type: ignore[assignment, method-assign]
    one = feed.comes(b"x")
    feed.settle()
    assert sequences(one) == {b"xp0": [0]}
    assert feed.showing.chaining is not None
    assert feed.showing.chaining._keyframes._stop == 0


def test_a_keyframe_that_is_the_last_message_is_kept_when_the_log_has_it_no_more() -> None:
    feed = KeyedFeed(SMALL)
    key = feed.publish_key(b"xp0")
    feed.publish_key(b"xp1")
    feed.publish(b"xp1")
    for _ in range(1_500):
        feed.publish(b"yp0")
    one = feed.comes(b"xp")
    one.member.gaps = Gaps(1, conflated=False)
    feed.settle()

    assert sequences(one) == {b"xp0": [key]}, "a delta alone is of no use"
    assert feed.asked == [b"xp1"]
    assert feed.pump.totals.keyframes_lost == 1
    [gap] = marks(one, GAP_TOPIC)
    assert (gap["reason"], gap["first"], gap["last"], gap["count"]) == ("keyframe", 2, 2, 0)
    feed.segment.close()


def test_a_topic_that_was_forgotten_has_no_keyframe(feed: KeyedFeed) -> None:
    feed.publish_key(b"xp0")
    place = TOPICS.index(b"xp0") + 1
    feed.log.values.forget(place, 7_000 << PLACE_BITS | place)
    assert not feed.values.has_keyframes
    one = feed.comes(b"xp0")
    feed.settle()
    assert sequences(one) == {}
    assert not feed.asked


def test_what_a_second_subscription_covers_is_not_repeated(feed: KeyedFeed) -> None:
    for topic in KEYED:
        feed.publish_key(topic)
        feed.publish(topic)
    one = feed.comes(b"xp1")
    feed.settle()
    feed.subscribes(one, b"xp", b"x")
    feed.settle()
    for topic in KEYED:
        feed.publish(topic)
    feed.settle()
    check(feed, one)


def test_with_too_many_chains_under_way_it_is_told_that_there_is_none(
    feed: KeyedFeed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chaining, "TOPICS_MAX", 3)
    for topic in KEYED:
        feed.publish_key(topic)
        feed.publish(topic)
    one = feed.comes(b"")
    feed.settle()
    assert len(sequences(one)) == 3
    assert len(feed.asked) == len(KEYED) - 3
    other = feed.comes(b"xp0")
    feed.settle()
    assert len(sequences(other)) == 1, "those of the first are sent"


@pytest.mark.unmeasured
def test_who_jumps_while_it_is_sent_them_is_told(feed: KeyedFeed) -> None:
    feed.policy = SlowPolicy("drop_oldest", limit_bytes=50_000)
    feed.publish_key(b"xp0")
    for _ in range(100):
        feed.publish(b"xp0")
    one = feed.comes(b"xp0", room=0)
    one.member.gaps = Gaps(1, conflated=False)
    for _ in range(20):
        feed.turn()
        feed.pump.enforce(0)
    while feed.log.position < feed.reader.size:
        feed.publish(b"yp0", 60)
        feed.turn()
        feed.pump.enforce(0)
    feed.settle()
    assert one.member.dropped == 101
    assert [(g["first"], g["last"], g["count"]) for g in marks(one, GAP_TOPIC)] == [(0, 100, 101)]
    feed.pump.settle(one.member)
    assert one.member.queued == one.member.queued_bytes == 0


def test_those_of_all_who_are_being_looked_for_count_as_well(
    feed: KeyedFeed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chaining, "TOPICS_MAX", len(KEYED) + 2)
    feed.show_by(ShowTuning(places_per_look=1))
    monkeypatch.setattr(feed.pump, "_serve_steps", 1)  # one after the other
    for topic in KEYED:
        feed.publish_key(topic)
        feed.publish(topic)
    ones = [feed.comes(b"xp", b"yq") for _ in range(3)]
    feed.settle()
    assert sum(len(sequences(one)) for one in ones) < 2 * len(KEYED)


@pytest.mark.unmeasured
def test_who_is_further_behind_than_one_before_it_gets_its_own(feed: KeyedFeed) -> None:
    key = feed.publish_key(b"xp0")
    late = feed.comes(b"yp0", room=0)
    feed.publish(b"yp0")
    feed.turn()
    feed.subscribes(late, b"xp0")
    for _ in range(9_000):
        feed.publish(b"xq0", 1)
        feed.turn()
    second = feed.publish_key(b"xp0")
    other = feed.comes(b"xp0")
    while not sequences(other):
        feed.turn()
    feed.settle()
    assert sequences(other) == {b"xp0": [second]}
    assert sequences(late)[b"xp0"] == [key, second]
    assert not feed.asked


def with_one_alone(feed: KeyedFeed) -> One:
    """A newcomer whose socket is full, and for whom a keyframe far back was found."""
    for _ in range(1_500):
        feed.publish(b"yp0")
    one = feed.comes(b"xp0", room=0)
    one.member.gaps = Gaps(1, conflated=False)
    for _ in range(9):
        feed.turn()
    assert one.member.snapshots is not None
    assert one.member.snapshots.pending[0].alone, "it was found, and waits for its socket"
    return one


@pytest.mark.parametrize("is_forgotten", [False, True])
def test_one_that_is_kept_and_gone_before_it_is_sent_is_told_of(is_forgotten: bool) -> None:
    feed = KeyedFeed(SMALL)
    key = feed.publish_key(b"xp0")
    one = with_one_alone(feed)
    if is_forgotten:
        place = TOPICS.index(b"xp0") + 1
        feed.log.values.forget(place, 7_000 << PLACE_BITS | place)
    else:
        delta = feed.publish(b"xp0")
        assert delta > key
    feed.settle()
    if is_forgotten:
        assert (sequences(one), feed.asked, marks(one, GAP_TOPIC)) == ({}, [], [])
    else:
        assert sequences(one) == {b"xp0": [delta]}
        assert feed.asked == [b"xp0"]
        [gap] = marks(one, GAP_TOPIC)
        assert (gap["first"], gap["last"]) == (delta - 1, delta - 1)
    feed.segment.close()


def give_to_another(feed: KeyedFeed, topic: bytes) -> None:
    """The place of a topic is another one's, as all know who have looked since."""
    place = TOPICS.index(topic) + 1
    new = 7_000 << PLACE_BITS | place
    feed.log.values.forget(place, new)
    feed.log.append(encode_message([b"z", b"%d:" % feed.log.head]), new)
    feed.log.values.note_keyframe(place, new)
    feed.log.append(encode_message([b"z", b"%d:" % feed.log.head]), new | KEYFRAME)
    feed.turn()
    feed.comes(b"z")
    while b"z" not in feed.showing.names.places:
        feed.turn()


def test_who_does_not_want_the_new_topic_of_a_place_has_lost_nothing_of_it(feed: KeyedFeed) -> None:
    """The list of last values was made before."""
    feed.show_by(ShowTuning(messages_per_look=1))
    feed.publish_key(b"xp0")
    for _ in range(50):
        feed.publish(b"yp0")
    one = feed.comes(b"xp0")
    one.member.gaps = Gaps(1, conflated=False)
    while one.member.snapshots is None or one.member.snapshots.pending[0].finding is None:
        feed.turn()
    give_to_another(feed, b"xp0")
    feed.settle()
    assert (sequences(one), feed.asked, marks(one, GAP_TOPIC)) == ({}, [], [])
    assert feed.pump.totals.keyframes_lost == 0


def test_one_that_is_gone_with_its_place_is_not_told_of() -> None:
    feed = KeyedFeed(SMALL)
    feed.publish_key(b"xp0")
    one = with_one_alone(feed)
    give_to_another(feed, b"xp0")
    feed.settle()
    assert (sequences(one), feed.asked, marks(one, GAP_TOPIC)) == ({}, [], [])
    assert feed.pump.totals.keyframes_lost == 0
    feed.segment.close()


def test_one_that_is_gone_is_not_told_of_if_its_topic_was_cancelled_meanwhile() -> None:
    feed = KeyedFeed(SMALL)
    feed.publish_key(b"xp0")
    one = with_one_alone(feed)
    feed.cancels(one, b"xp0")
    feed.publish(b"xp0")
    feed.settle()
    assert (sequences(one), feed.asked, marks(one, GAP_TOPIC)) == ({}, [], [])
    assert feed.pump.totals.keyframes_lost == 0
    feed.segment.close()


def test_a_delta_that_was_jumped_over_is_not_sent_for_a_keyframe_that_was_alone() -> None:
    feed = KeyedFeed(SMALL)
    feed.policy = SlowPolicy("drop_oldest")
    feed.publish_key(b"xp0")
    one = with_one_alone(feed)
    delta = feed.publish(b"xp0")
    for _ in range(feed.reader.entries * 5 // 8):
        feed.publish(b"yp0", 1)
        feed.turn()
    feed.pump.enforce(0)
    assert (one.member.dropped, one.member.sequence > delta) == (1, True)
    feed.settle()
    assert (sequences(one), feed.asked) == ({}, [b"xp0"])
    assert [gap["reason"] for gap in marks(one, GAP_TOPIC)] == ["lag_log", "keyframe"]
    feed.segment.close()


def test_of_what_comes_by_itself_it_is_told_up_to_where_that_begins() -> None:
    feed = KeyedFeed(SMALL)
    feed.publish_key(b"xp0")
    feed.publish(b"xp0")
    for _ in range(1_500):
        feed.publish(b"yp0")
    one = feed.comes(b"xp0", room=0)
    one.member.gaps = Gaps(1, conflated=False)
    delta = feed.publish(b"xp0")
    feed.settle()
    assert (sequences(one), feed.asked) == ({b"xp0": [delta]}, [b"xp0"])
    [gap] = marks(one, GAP_TOPIC)
    assert gap["first"] == gap["last"] == delta - 1
    feed.segment.close()


def test_where_the_log_begins_with_what_it_wants_by_itself_it_is_told_as_well(
    feed: KeyedFeed, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert feed.showing.chaining is not None
    monkeypatch.setattr(feed.showing.chaining, "_hold", lambda _member, until: until)
    feed.publish_key(b"xp0")
    one = feed.comes(b"xp0", room=0)
    delta = feed.publish(b"xp0")
    feed.settle()
    assert (sequences(one), feed.asked) == ({b"xp0": [delta]}, [b"xp0"])


def small_feed(monkeypatch: pytest.MonkeyPatch, tuning: ShowTuning) -> KeyedFeed:
    """One in which who is far behind loses the oldest; whoever makes it closes its segment."""
    feed = KeyedFeed(SMALL)
    feed.show_by(tuning)
    monkeypatch.setattr(feed.pump, "_serve_steps", 1)
    feed.policy = SlowPolicy("drop_oldest")
    return feed


def test_who_jumps_while_it_is_looked_for_is_looked_for_from_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    feed = small_feed(monkeypatch, ShowTuning(messages_per_look=2))
    feed.publish_key(b"xp0")
    feed.publish(b"xp0")
    for _ in range(200):
        feed.publish(b"yp0")
    one = feed.comes(b"xp0")
    while one.member.snapshots is None or one.member.snapshots.pending[0].finding is None:
        feed.turn()
    read = keyframes._keyframes_of

    def checked(log: LogReader, first: int, stop: int) -> list[tuple[int, int]]:
        assert first >= feed.segment.words[at.H_FLOOR], "what is there may be overwritten"
        return read(log, first, stop)

    monkeypatch.setattr(keyframes, "_keyframes_of", checked)
    for number in range(3_000):
        feed.publish(b"yp0", 40)
        if not number % 50:
            feed.pump.advance(feed.reader.head(), 0)
            feed.pump.enforce(0)
    feed.settle()
    assert feed.asked == [b"xp0"]
    feed.segment.close()


def test_of_one_that_was_jumped_over_it_is_told_where_its_last_message_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its keyframe was found, and is gone as more is looked for: it has come after that."""
    feed = small_feed(monkeypatch, ShowTuning(places_per_look=1))
    for publish in (feed.publish_key, feed.publish):
        for topic in (b"xp0", b"xp1"):
            publish(topic)
    one = feed.comes(b"xp", room=0)
    one.member.gaps = Gaps(1, conflated=False)
    while (finding := pending_of(one)) is None or not finding.floors:
        feed.turn()
    for _ in range(3_000):
        feed.publish(b"yp0", 40)
    feed.pump.advance(feed.reader.head(), 0)
    feed.pump.enforce(0)
    feed.publish_key(b"xp1")
    feed.settle()
    (gap,) = (one for one in marks(one, GAP_TOPIC) if one["reason"] == "keyframe")
    assert (gap["first"], gap["count"]) == (0, 0)
    assert gap["last"] not in (0, 1), "its last message is 2"
    feed.segment.close()


@pytest.mark.parametrize("first", [0, 30, 100])
@pytest.mark.parametrize("is_later", [False, True])
def test_who_asks_for_what_it_missed_while_keyframes_are_looked_for_gets_both_in_one_order(
    first: int, is_later: bool, feed: KeyedFeed, monkeypatch: pytest.MonkeyPatch
) -> None:
    feed.show_by(ShowTuning(messages_per_look=2))
    monkeypatch.setattr(feed.pump, "_serve_steps", 1)
    feed.publish(b"xp0")
    for _ in range(9):
        feed.publish(b"yq0")
    key = feed.publish_key(b"xp0")
    for number in range(100):
        if number % 9:
            feed.publish((b"xp0", b"yq0", b"xq0")[number % 3])
        else:
            feed.publish_key(b"yq0")
    one = feed.comes(b"xp0")
    while one.member.snapshots is None or one.member.snapshots.pending[0].finding is None:
        feed.turn()
    assert one.member.sequence < feed.pump.front, "it is held"
    if is_later:
        for number in range(100):
            feed.publish((b"xp0", b"yq0", b"xq0")[number % 3])
        feed.turn()
    feed.asks_for_what_it_missed(one, b"yq0", first)
    for _ in range(3):
        feed.publish(b"xp0")
        feed.publish(b"yq0")
    while feed.pump.runnable:
        feed.turn()
        feed.pump.enforce(0)
    feed.settle()

    expected = {
        b"xp0": [number for number in feed.published[b"xp0"] if number >= key],
        b"yq0": [number for number in feed.published[b"yq0"] if number >= first],
    }
    assert sequences(one) == expected
    assert (feed.asked, feed.pump.totals.keyframes_lost) == ([], 0)
    got = [int(body.partition(b":")[0]) for _topic, body in messages_in(one.sink.taken)]
    assert [number for number in got if number >= key] == sorted(n for n in got if n >= key)
    feed.pump.settle(one.member)
    assert (one.member.matched, one.member.queued) == (len(got), 0)


@pytest.mark.parametrize("first", [0, 30, 105])
@pytest.mark.parametrize("prefixes", [[b"yq0"], [b"y", b"xq"]])
def test_who_asks_for_what_it_missed_before_keyframes_are_looked_for_gets_both(
    first: int, prefixes: list[bytes], feed: KeyedFeed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was behind when it subscribed, and is sent what it had missed when that is due."""
    feed.show_by(ShowTuning(messages_per_look=7))
    monkeypatch.setattr(feed.pump, "_serve_steps", 1)
    feed.publish(b"xp0")
    key = feed.publish_key(b"xp0")
    for number in range(100):
        feed.publish((b"xp0", b"yq0", b"xq0")[number % 3])
    late = feed.comes(b"yp0", room=0)
    waits = feed.publish(b"yp0")
    feed.turn()
    feed.subscribes(late, b"xp0")
    for number in range(20):
        feed.publish((b"xp0", b"yq0", b"xq0")[number % 3])
    feed.turn()
    for prefix in prefixes:
        feed.asks_for_what_it_missed(late, prefix, first)
    for _ in range(3):
        feed.publish(b"xp0")
        feed.publish(b"yq0")
    feed.settle()

    got = sequences(late)
    assert got[b"xp0"] == [number for number in feed.published[b"xp0"] if number >= key]
    assert got[b"yq0"] == [number for number in feed.published[b"yq0"] if number >= first]
    assert got[b"yp0"] == [waits]
    assert (feed.asked, feed.pump.totals.keyframes_lost) == ([], 0)
    feed.pump.settle(late.member)
    assert (late.member.matched, late.member.queued) == (sum(map(len, got.values())), 0)
    assert late.member.replay is None


def test_who_wants_a_topic_no_more_is_sent_nothing_of_it(feed: KeyedFeed) -> None:
    feed.publish_key(b"xp0")
    feed.publish_key(b"xp1")
    one = feed.comes(b"xp0", b"xp1")
    feed.cancels(one, b"xp1")
    feed.settle()
    assert sequences(one) == {b"xp0": [0]}


def test_nothing_is_asked_for_of_a_topic_whose_place_is_anothers_now(
    feed: KeyedFeed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed.pump, "_serve_steps", 1)
    feed.publish_key(b"xp0")
    one = feed.comes(b"xp0")
    while one.member.snapshots is None or one.member.snapshots.pending[0].listing is None:
        feed.turn()
    while not one.member.snapshots.pending[0].listing.is_ready:
        feed.turn()
    place = TOPICS.index(b"xp0") + 1
    other = 7_000 << PLACE_BITS | place
    feed.log.values.give(place, other)
    feed.log.values.note_keyframe(place, other)
    feed.log.append(encode_message([b"other", b"delta"]), other)
    feed.settle()
    assert not feed.asked


def test_before_anything_was_published_nothing_is_missing(feed: KeyedFeed) -> None:
    one = feed.comes(b"xp0")
    feed.publish(b"xp0")
    feed.publish_key(b"xp0")
    feed.settle()
    assert (sequences(one), feed.asked) == ({b"xp0": [0, 1]}, [])


def something_happens(feed: KeyedFeed, numbers: random.Random) -> None:
    """A message, a keyframe, a turn; somebody comes, wants more, or takes some of what is there."""
    happens = numbers.random()
    if happens < 0.5:
        feed.publish(numbers.choice(TOPICS), numbers.randrange(40))
    elif happens < 0.6:
        feed.publish_key(numbers.choice(KEYED), numbers.randrange(40))
    elif happens < 0.78:
        feed.turn()
    elif happens < 0.8 and len(feed.ones) < 25:
        prefixes = numbers.sample(PREFIXES, numbers.randrange(1, 4))
        feed.comes(*prefixes, room=numbers.choice((0, 40, 1 << 40)))
    elif feed.ones:
        one = numbers.choice(feed.ones)
        if happens < 0.82:
            feed.subscribes(one, numbers.choice(PREFIXES))
        elif one.member.blocked and one.member.state is not LOST:
            one.sink.room += numbers.randrange(400)
            feed.pump.runnable[one.member] = None


@pytest.mark.unmeasured
@pytest.mark.parametrize("layout", [LARGE, SMALL])
@pytest.mark.parametrize("seed", range(6))
def test_any_order_of_events(seed: int, layout: Layout) -> None:
    feed, numbers = KeyedFeed(layout), random.Random(seed)
    feed.show_by(ShowTuning(messages_per_look=7, places_per_look=3))
    feed.policy = SlowPolicy("block")
    for topic in KEYED:
        feed.publish_key(topic)
    for _ in range(1_500):
        something_happens(feed, numbers)
    feed.settle()
    for one in feed.ones:
        check(feed, one)
    assert feed.pump.totals.replayed > 20
    if layout is LARGE:
        assert not feed.asked
    feed.segment.close()


class TestConflating:
    """What a pass has sent of a topic is its newest message: nothing older comes after that."""

    @pytest.fixture
    def late(self, feed: KeyedFeed) -> One:
        """Somebody who takes nothing, and for whom something waits when it subscribes to more."""
        feed.policy = SlowPolicy("conflate")
        feed.publish_key(b"xp0")
        feed.publish(b"xp0")
        one = feed.comes(b"yp0", room=0)
        one.member.gaps = Gaps(1, conflated=False)
        feed.publish(b"yp0")
        feed.turn()
        feed.subscribes(one, b"xp0")
        return one

    def test_after_a_delta_neither_keyframe_nor_older_ones(
        self, feed: KeyedFeed, late: One
    ) -> None:
        feed.publish(b"xp0")
        delta = feed.publish(b"xp0")
        feed.settle()
        live = feed.publish(b"xp0")
        feed.settle()
        assert sequences(late)[b"xp0"] == [delta, live]
        assert feed.asked == [b"xp0"]
        [gap] = marks(late, GAP_TOPIC)
        assert (gap["reason"], gap["first"], gap["last"]) == ("keyframe", 2, 2)

    def test_a_keyframe_comes_once(self, feed: KeyedFeed, late: One) -> None:
        feed.publish(b"xp0")
        key = feed.publish_key(b"xp0")
        feed.settle()
        live = feed.publish(b"xp0")
        feed.settle()
        assert sequences(late)[b"xp0"] == [key, live]
        assert (feed.asked, marks(late, GAP_TOPIC)) == ([], [])

    def test_where_nothing_came_since_then_it_gets_all_of_it(
        self, feed: KeyedFeed, late: One
    ) -> None:
        feed.publish(b"yp0")
        feed.settle()
        live = feed.publish(b"xp0")
        feed.settle()
        assert sequences(late)[b"xp0"] == [0, 1, live]
        assert (feed.asked, marks(late, GAP_TOPIC)) == ([], [])


@pytest.mark.unmeasured
@pytest.mark.parametrize("seed", range(6))
def test_nothing_older_comes_after_a_newer_one_to_who_conflates(seed: int) -> None:
    feed, numbers = KeyedFeed(LARGE), random.Random(seed)
    feed.show_by(ShowTuning(messages_per_look=7, places_per_look=3))
    feed.policy = SlowPolicy("conflate")
    for _ in range(1_000):
        something_happens(feed, numbers)
    feed.settle()
    for one in feed.ones:
        for topic, got in sequences(one).items():
            assert got == sorted(set(got)), topic
            assert got[-1] == feed.last[topic]
    assert feed.pump.totals.replayed > 20
    feed.segment.close()
