"""A connection that is lost in the middle of last values: the rest comes over the next one."""

from __future__ import annotations

import struct
from itertools import pairwise
from typing import TYPE_CHECKING

import msgpack
import pytest

from fanout.subscriber.backoff import BackOff
from fanout.subscriber.core import Core
from fanout.subscriber.past import StreamWithPast
from fanout.terms.introduction import Introduction
from fanout.terms.reserved import SNAPSHOT_TOPIC, VALUES_OFF
from tests.helpers.remembering import Showing

if TYPE_CHECKING:
    from fanout.subscriber.parsing import Frames

EPOCH = 77
TOPICS = [b"A%d" % number for number in range(4)]
ALL_SHOWN = len(TOPICS) + 2  # with what says where they begin, and end


def came(feed: Showing, topic: bytes) -> list[int]:
    """What has come of a topic: each once, in order."""
    found = [one.sequence or 0 for one in feed.got if one.topic == topic]
    assert all(before < after for before, after in pairwise(found))
    return found


def numbered(topic: bytes, number: int) -> Frames:
    return topic, b"", struct.pack(">QQ", EPOCH, number)


def shown(*, is_end: bool) -> Frames:
    return SNAPSHOT_TOPIC, msgpack.packb({"epoch": EPOCH, "subscriptions": 2, "end": is_end})


def reasons(feed: Showing) -> set[str]:
    return {one.gap.reason for one in feed.got if one.gap is not None}


@pytest.mark.parametrize("is_changed", [False, True])
@pytest.mark.parametrize("shown", range(ALL_SHOWN + 1))
@pytest.mark.parametrize("wants", [{b"A"}, {*TOPICS}, {b""}])
def test_all_of_the_first_ones_come_though_the_connection_is_lost_in_the_middle(
    wants: set[bytes], shown: int, is_changed: bool
) -> None:
    feed = Showing(wants)
    feed.publish([*TOPICS, *TOPICS])
    feed.connect([])
    feed.show(shown)
    feed.hang_up(0)
    if is_changed:
        feed.publish([TOPICS[1]] * 2)
    feed.finish()

    last = {topic: number for number, topic in enumerate(feed.topics)}
    assert {topic: came(feed, topic)[-1:] for topic in TOPICS} == {
        topic: [last[topic]] for topic in TOPICS
    }
    if wants != {*TOPICS}:  # who gets what is published at the end
        assert not feed.core.streams[0]._shown, "it takes no memory any more"
    assert reasons(feed) == set()
    if is_changed:
        had = [5] * (5 in came(feed, TOPICS[1]))
        assert had or shown != ALL_SHOWN
        assert came(feed, TOPICS[1]) == [*had, 8, 9], "it was asked for what came since then"


@pytest.mark.parametrize("cuts", [1, 2])
@pytest.mark.parametrize("shown", range(ALL_SHOWN + 1))
def test_those_of_a_later_subscription_come_and_nothing_of_others_is_missing(
    shown: int, cuts: int
) -> None:
    feed = Showing({b"B"})
    feed.publish([*TOPICS, b"B"])
    feed.connect([])
    feed.publish([b"B"])
    feed.send(9, [])
    feed.subscribe(b"A")
    for _ in range(cuts):
        feed.connect([])
        feed.hear([])
        feed.hear([])
        feed.show(shown)
        feed.hang_up(0)
        feed.publish([b"B", TOPICS[1], b"B"])
    feed.finish()

    assert came(feed, b"B") == [number for number, one in enumerate(feed.topics) if one == b"B"]
    last = {topic: number for number, topic in enumerate(feed.topics)}
    for topic in TOPICS:
        assert came(feed, topic)[-1] == last[topic]
    since = [5 + 1 + 1 + 3 * cut for cut in range(cuts)]
    assert came(feed, TOPICS[1])[-cuts:] == since, "it was asked for what came since then"
    assert reasons(feed) == set()
    assert not feed.core.streams[0].is_showing


def test_who_cancels_meanwhile_waits_for_nothing() -> None:
    feed = Showing({b"B"})
    feed.publish([*TOPICS, b"B"])
    feed.connect([])
    feed.send(9, [])
    feed.subscribe(b"A")
    assert feed.core.streams[0].is_showing
    feed.core.unsubscribe(b"A")
    assert not feed.core.streams[0].is_showing


def beside_one_that_is_cancelled(*, is_read_in_one: bool) -> Showing:
    """Last values of A are to come, and of C behind them, and A is cancelled before they have."""
    feed = Showing({b"B"})
    feed.publish([b"A", b"C", b"B"])
    feed.connect([])
    feed.publish([b"B"])
    feed.send(9, [])
    feed.subscribe(b"A")
    if not is_read_in_one:
        feed.hear([])
    feed.unsubscribe(b"A")
    feed.hear([])
    feed.subscribe(b"C")
    feed.hear([])
    return feed


@pytest.mark.parametrize("is_read_in_one", [False, True])
@pytest.mark.parametrize("shown", range(6))
def test_the_mark_of_one_that_is_cancelled_is_taken_for_no_other(
    shown: int, is_read_in_one: bool
) -> None:
    feed = beside_one_that_is_cancelled(is_read_in_one=is_read_in_one)
    feed.show(shown)
    feed.hang_up(0)
    feed.finish()
    assert came(feed, b"C") == [1]
    assert not feed.core.streams[0].is_showing
    assert reasons(feed) == set()


def test_one_that_came_while_it_was_not_wanted_comes_again_to_who_wants_it_again() -> None:
    feed = Showing({b"B"})
    feed.publish([b"A", b"B"])
    feed.connect([])
    feed.send(9, [])
    feed.subscribe(b"A")
    feed.subscribe(b"C")
    feed.hear([])
    feed.unsubscribe(b"A")
    feed.show(9)
    feed.subscribe(b"A")
    assert came(feed, b"A") == []
    feed.finish()
    assert came(feed, b"A") == [0]


@pytest.mark.parametrize("is_read_in_one", [False, True])
def test_nobody_waits_for_the_mark_of_what_was_cancelled(is_read_in_one: bool) -> None:
    feed = beside_one_that_is_cancelled(is_read_in_one=is_read_in_one)
    for _ in range(3):
        feed.hear([])
        feed.send(9, [])
    assert came(feed, b"C") == [1]
    assert not feed.core.streams[0].is_showing
    feed.publish([b"A", b"B"])
    feed.send(9, [])
    assert came(feed, b"A") == []
    assert feed.core.streams[0].unwanted <= 1, "the publisher sends what is cancelled no more"


def test_those_of_what_is_not_in_the_log_any_more_come_once_however_often_it_connects() -> None:
    feed = Showing({b"A"})
    feed.publish([b"A0"])
    feed.connect([])
    feed.publish([b"A1"])
    feed.send(9, [])
    for round_ in range(3):
        feed.hang_up(0)
        if not round_:
            feed.publish(TOPICS)
            feed.forget(0)
        feed.connect([])
        feed.show(9)
    feed.finish()
    assert [came(feed, topic) for topic in TOPICS] == [[0, 2], [1, 3], [4], [5]]


def test_what_came_out_of_order_does_not_come_again_as_a_last_value() -> None:
    """Over a connection that was lost before it had said that it has taken all subscriptions."""
    feed = Showing({b"A"})
    feed.start_anew()
    feed.connect([])
    feed.publish(TOPICS[:1])
    feed.hang_up(0)
    feed.connect([162])
    feed.send(1, [])
    feed.hang_up(0)
    feed.forget(0)
    feed.finish()
    assert came(feed, TOPICS[0]) == [0]


@pytest.mark.parametrize("shown", range(ALL_SHOWN + 1))
def test_who_cancels_and_subscribes_again_gets_all_again(shown: int) -> None:
    feed = Showing({b"B"})
    feed.publish([*TOPICS, b"B"])
    feed.connect([])
    feed.send(9, [])
    feed.subscribe(b"A")
    feed.hear([])
    feed.show(shown)
    end = -1 if 0 < shown < ALL_SHOWN else None  # who has begun says where it ends
    del feed.got[:], feed._served[0].shown[:end]
    feed.core.unsubscribe(b"A")
    feed.hear([])
    feed.subscribe(b"A")
    feed.finish()
    assert [one.sequence for one in feed.got if one.kind == "last"] == [0, 1, 2, 3]


@pytest.mark.parametrize("shown", range(ALL_SHOWN + 1))
def test_who_cancels_what_another_subscription_wants_gets_nothing_again(shown: int) -> None:
    feed = Showing({b"A", b"A0"})
    feed.publish([*TOPICS, *TOPICS])
    feed.connect([])
    feed.show(shown)
    feed.core.unsubscribe(b"A0")
    feed.hang_up(0)
    feed.finish()
    assert [came(feed, topic)[-1:] for topic in TOPICS] == [[4], [5], [6], [7]]


@pytest.mark.parametrize("is_there", [False, True])
def test_another_run_is_asked_for_all_there_is_and_has_numbers_of_its_own(is_there: bool) -> None:
    feed = Showing({b"A"})
    feed.publish(TOPICS)
    feed.connect([])
    feed.show(3)
    feed.start_anew()
    feed.publish([*TOPICS, *TOPICS])
    if not is_there:
        feed.forget(0)
    feed.connect([])
    feed.show(9)
    feed.send(9, [])
    of_this = [one.sequence for one in feed.got if one.epoch == 2]
    assert of_this == ([0, 1, 2, 3, 4, 5, 6, 7] if is_there else [4, 5, 6, 7])


@pytest.mark.parametrize("was", [4, 0])
def test_numbers_of_another_run_are_no_doubles(was: int) -> None:
    feed = Showing({b"A"})
    feed.publish([b"B"] * was + TOPICS)
    feed.connect([])
    feed.show(3)
    feed.start_anew()
    feed.publish([b"B"] * 4 + TOPICS)
    feed.forget(0)
    feed.finish()
    assert [one.sequence for one in feed.got if one.epoch == 2] == [4, 5, 6, 7, 8]


@pytest.mark.parametrize("is_published", [False, True])
def test_where_nothing_had_been_published_all_is_asked_for(is_published: bool) -> None:
    feed = Showing({b"A"})
    feed.connect([])
    feed.hang_up(0)
    feed.publish(TOPICS[:1] * 2 * is_published)
    feed.finish()
    assert came(feed, TOPICS[0]) == [0, 1] * is_published
    assert reasons(feed) == set()


@pytest.mark.parametrize("shown", range(ALL_SHOWN + 1))
def test_what_was_asked_for_with_them_is_asked_for_again(shown: int) -> None:
    """By a position: what was published after it is to come, whenever the connection is lost."""
    feed = Showing({b"B"})
    feed.publish([b"A0", b"B", b"A1", b"A0", b"B"])
    feed.connect([])
    feed.send(9, [])
    feed.subscribe_since(b"A", 2)
    for _ in range(2):
        feed.hear([])
    feed.show(shown)
    feed.hang_up(0)
    feed.finish()

    assert [came(feed, topic) for topic in (b"A0", b"A1")] == [[3], [2]]
    assert reasons(feed) == set()


@pytest.mark.parametrize("shown", range(ALL_SHOWN + 1))
def test_over_several_lines_another_one_brings_the_rest_of_later_ones(shown: int) -> None:
    feed = Showing({b"B"}, 2)
    feed.publish([*TOPICS, b"B"])
    for number in (0, 1):
        feed.connect([], number)
    feed.publish([b"B"])
    for number in (0, 1):
        feed.send(9, [], number)
    feed.subscribe(b"A")
    for number in (0, 1):
        feed.hear([], number)
    lead = 0 if feed._served[0].shown else 1
    feed.show(shown, lead)
    feed.hang_up(0, lead)
    feed.publish([b"B", TOPICS[1]])
    feed.finish()

    assert came(feed, b"B") == [number for number, one in enumerate(feed.topics) if one == b"B"]
    assert came(feed, TOPICS[1])[-1:] == [7]
    assert [came(feed, topic) for topic in (TOPICS[0], *TOPICS[2:])] == [[0], [2], [3]]
    assert reasons(feed) == set()


def away(wants: set[bytes], lines: int) -> Showing:
    """It has got B, and then all its connections were lost; of A it has subscribed to nothing."""
    feed = Showing(wants, lines)
    feed.publish([*TOPICS, TOPICS[1], b"B"])
    for number in range(lines):
        feed.connect([], number)
        feed.hear([], number)
    feed.publish([b"B"])
    for number in range(lines):
        feed.send(9, [], number)
    for number in range(lines):
        feed.hang_up(0, number)
    feed.publish([b"B", TOPICS[0]])
    return feed


@pytest.mark.parametrize("lines", [1, 2])
@pytest.mark.parametrize("cuts", [0, 1, 2])
@pytest.mark.parametrize("shown", range(ALL_SHOWN + 1))
def test_who_subscribes_to_more_while_it_is_away_gets_last_values_of_before(
    shown: int, cuts: int, lines: int
) -> None:
    """And what is published since it went; each once, however often it is interrupted."""
    feed = away({b"B"}, lines)
    feed.subscribe(b"A")
    feed.publish([TOPICS[2], b"B"])
    for _ in range(cuts):
        feed.connect([])
        for _ in range(2):
            feed.hear([])
        feed.show(shown)
        feed.hang_up(0)
        feed.look(0.0)
    feed.finish()

    assert [came(feed, topic) for topic in TOPICS] == [[8], [4], [9], [3]]
    assert came(feed, b"B") == [5, 6, 7, 10]
    assert reasons(feed) == set()
    assert not feed.core.streams[0].is_showing
    kinds = {one.kind for one in feed.got if one.topic in (TOPICS[1], TOPICS[3])}
    assert kinds == {"last"}


@pytest.mark.parametrize("lines", [1, 2])
def test_who_goes_on_from_a_position_gets_last_values_of_before_of_what_it_wants_besides(
    lines: int,
) -> None:
    """Though the first attempt to connect fails."""
    feed = Showing({b"B"}, lines)
    feed.publish([*TOPICS, b"B", b"B", TOPICS[1]])
    back_offs = [BackOff(lambda: 0.5) for _ in range(lines)]
    feed.core = Core(back_offs, {b"B"}, last=True, since=(feed.epoch, 4))
    feed.subscribe(b"A")
    for number in feed.core.due(0.0):
        feed.core.lost(number, 0.0)
    feed.finish()
    assert [came(feed, topic) for topic in TOPICS] == [[0], [6], [2], [3]]
    assert came(feed, b"B") == [5]


@pytest.mark.parametrize("lines", [1, 2])
def test_what_is_subscribed_to_while_it_is_away_and_cancelled_is_not_asked_for(lines: int) -> None:
    feed = away({b"B"}, lines)
    feed.subscribe(b"A")
    feed.core.unsubscribe(b"A")
    feed.connect([])
    assert feed._served[0].wants == {b"B"}
    feed.finish()
    assert {one.topic for one in feed.got} == {b"B"}
    assert not feed.core.streams[0].is_showing


@pytest.mark.parametrize("is_back", [False, True])
@pytest.mark.parametrize("lines", [1, 2])
def test_what_is_cancelled_before_it_is_said_is_not_said(lines: int, is_back: bool) -> None:
    """The connection is up, and what was wanted before was asked for; the answer is on its way."""
    feed = away({b"B"}, lines)
    feed.subscribe(b"A")
    feed.subscribe(b"A3")
    feed.connect([0])
    assert feed._served[0].wants == set(), "nothing is heard yet"
    feed.core.unsubscribe(b"A")
    if is_back:
        feed.subscribe(b"A")
    feed.finish()

    assert [came(feed, topic) for topic in TOPICS] == (
        [[8], [4], [2], [3]] if is_back else [[], [], [], [3]]
    )
    assert not feed.core.streams[0].is_showing


@pytest.mark.parametrize("lines", [1, 2])
def test_everything_may_be_subscribed_to_while_it_is_away(lines: int) -> None:
    """What of it had come does not come again."""
    feed = away({b"B"}, lines)
    feed.subscribe(b"")
    feed.publish([TOPICS[2], b"B"])
    feed.finish()
    assert [came(feed, topic) for topic in TOPICS] == [[8], [4], [9], [3]]
    assert came(feed, b"B") == [5, 6, 7, 10]
    assert reasons(feed) == set()


@pytest.mark.parametrize("lines", [1, 2])
def test_who_wants_nothing_else_any_more_says_all_at_once(lines: int) -> None:
    feed = away({b"B"}, lines)
    feed.core.unsubscribe(b"B")
    feed.subscribe(b"A")
    feed.connect([])
    assert feed._served[0].wants == {b"A"}, "there is nothing to be said before"
    feed.finish()
    assert [came(feed, topic) for topic in TOPICS] == [[8], [4], [2], [3]]
    assert reasons(feed) == set()


@pytest.mark.parametrize("lines", [1, 2])
def test_who_wants_no_last_values_is_sent_none_of_what_it_subscribes_to_while_it_is_away(
    lines: int,
) -> None:
    feed = away({b"B", VALUES_OFF}, lines)
    feed.subscribe(b"A")
    feed.finish()
    assert [came(feed, topic) for topic in TOPICS] == [[8], [], [], []]


@pytest.mark.parametrize("lines", [1, 2])
def test_another_run_is_asked_for_all_of_what_is_subscribed_to_while_it_is_away(lines: int) -> None:
    feed = away({b"B"}, lines)
    feed.subscribe(b"A")
    feed.start_anew()
    feed.publish([*TOPICS, b"B"])
    feed.connect([])
    assert feed._served[0].wants == {b"A", b"B"}
    feed.finish()
    of_this = [one.sequence for one in feed.got if one.epoch == 2]
    assert of_this == [0, 1, 2, 3, 4, 5][: len(of_this)]
    assert len(of_this) >= 5
    assert reasons(feed) == {"epoch"}


def test_a_last_value_that_is_missed_by_another_subscription_comes_once() -> None:
    """All that was missed of one comes; of the others last values come anew, behind that."""
    stream = StreamWithPast([b"", b"A"])
    said = Introduction(EPOCH, 5, sequence=True, replay=1, last=True)
    stream.begin(said)
    stream.expect_anew([b"", b"A"], b"")
    got = stream.take([shown(is_end=False), numbered(b"A", 3), numbered(b"B", 4)])
    stream.interrupt()
    for prefix in stream.lacking(stream.since(said), EPOCH):
        stream.leave(prefix)
    stream.want(b"A")
    stream.begin(said, asked=True)
    got += stream.take([numbered(b"A", 3), numbered(b"A", 5)])
    assert [message.sequence for message in got] == [3, 4, 5]
    assert stream.doubles == 1


@pytest.mark.parametrize(
    ("asked", "live", "following"),
    [(False, [], 9), (False, [7], 8), (True, [], 5)],
)
def test_who_has_last_values_asks_for_nothing_older(
    asked: bool, live: list[int], following: int
) -> None:
    """Or a topic would go back to what it was between the handshake and its last value."""
    stream = StreamWithPast([b"A"])
    said = Introduction(EPOCH, 5, sequence=True, replay=1, last=True)
    stream.begin(said)
    if asked:
        stream.begin(said, asked=True)
    stream.expect_anew([b"A"], b"")
    stream.take([numbered(b"A", number) for number in live])
    stream.take([shown(is_end=False), numbered(b"A0", 8)])
    assert stream.known == (EPOCH, live[0] + 1 if live else 5)
    end = {"epoch": EPOCH, "subscriptions": 1, "end": True, "at": 9}
    stream.take([(SNAPSHOT_TOPIC, msgpack.packb(end))])
    assert stream.known == (EPOCH, following)
