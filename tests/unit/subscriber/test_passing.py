"""Messages that were too large, in a stream: told once, and not asked for again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgpack

from fanout.subscriber.asks import Asks
from fanout.subscriber.message import Gap
from fanout.subscriber.parsing import HERE
from fanout.subscriber.passing import PassingStream
from fanout.subscriber.skimming import Skim
from fanout.subscriber.stream import NUMBER
from fanout.terms.introduction import Introduction
from fanout.zmtp import encode_message
from tests.helpers.remembering import ShowingTooLarge

if TYPE_CHECKING:
    from fanout.subscriber.parsing import Frames

EPOCH = 7


def said(head: int) -> Introduction:
    return Introduction(epoch=EPOCH, head=head, sequence=True, replay=1000)


def small(sequence: int, topic: bytes = b"A") -> Frames:
    return topic, b"x", NUMBER.pack(EPOCH, sequence)


def large(sequence: int | None, topic: bytes | None = b"A") -> Frames:
    skim = Skim(topic, [], None)
    number = () if sequence is None else (NUMBER.pack(EPOCH, sequence),)
    assert skim.take(encode_message([bytes(300), *number])) == b""
    return skim.found


def begun(*wants: bytes) -> PassingStream:
    stream = PassingStream(wants)
    stream.begin(said(0))
    return stream


def test_it_is_told_by_the_next_one_and_counted() -> None:
    stream = begun(b"")
    first, second = stream.take([small(0), large(1), large(2, None), small(3)])
    assert (first.gap, second.gap) == (None, Gap("too large", 2, 1, 2, EPOCH))
    assert (stream.too_large, stream.losses.missing, stream.losses.holes) == (2, 2, 0)


def test_it_is_not_asked_for_again_and_told_behind_a_reconnect() -> None:
    stream = begun(b"")
    stream.take([small(0), large(1)])
    assert stream.position == (EPOCH, 1)
    assert stream.since(said(9)).endswith(b":1")
    stream.begin(said(9), asked=True)
    stream.answered()
    (message,) = stream.take([small(2)])
    assert message.gap == Gap("too large", 1, 1, 1, EPOCH)
    assert stream.losses.missing == 1


def test_one_that_comes_again_in_any_order_is_told_once() -> None:
    stream = begun(b"A", b"B")
    stream.take([small(0)])
    stream.begin(said(9), asked=True)
    assert stream.take([large(5)]) == []
    stream.begin(said(9), asked=True)
    (message,) = stream.take([large(5), small(3)])
    assert message.gap == Gap("too large", 1, 5, 5, EPOCH)
    assert (stream.too_large, stream.losses.missing) == (1, 1)


def test_of_a_publisher_without_numbers_it_is_one() -> None:
    stream = PassingStream([b"A"])
    stream.begin(None)
    (message,) = stream.take([large(None), (b"A", b"x")])
    assert message.gap == Gap("too large", 1)


def test_what_is_not_wanted_any_more_is_not_missing() -> None:
    stream = begun(b"A")
    stream.take([small(0)])
    (message,) = stream.take([large(1, b"B"), small(2)])
    assert message.gap is None
    assert (stream.unwanted, stream.too_large) == (1, 0)


def test_a_last_value_is_told_by_another_line_if_its_own_is_lost_before_anything_has_come() -> None:
    feed = ShowingTooLarge({b"A"}, 2)
    feed.publish([b"A"])
    feed.connect([], 0)
    feed.connect([], 1)
    feed.show(9, 0)
    feed.hang_up(0, 0)
    feed.look(0.0)
    feed.finish()
    assert [(message.topic, message.gap) for message in feed.got] == [
        (b"AB", Gap("too large", 1, epoch=1))
    ]
    assert feed.core.losses[0].missing == 1


def test_one_of_a_topic_that_is_not_known_says_nothing_of_where_others_stand() -> None:
    """Of a subscription that comes from further back, or of the others: nobody knows."""
    stream = begun(b"A")
    stream.take([small(100)])
    asks = Asks()
    asks.add(b"B", b"\0fanout.since=%016x:0" % EPOCH)
    ask = asks.take()
    assert ask is not None
    stream.go_further_back(ask)
    found = [HERE, small(5, b"B"), large(101, None), small(6, b"B"), small(7, b"B"), small(102)]
    got = stream.take(found)
    assert [(message.topic, message.sequence) for message in got] == [
        *((b"B", number) for number in (5, 6, 7)),
        (b"A", 102),
    ]
    assert [message.gap for message in got] == [None, Gap("too large", 1, 101, 101, EPOCH)] + [
        None
    ] * 2
    assert (stream.doubles, stream.losses.missing) == (0, 1)
    assert stream.take([large(6, None)]) == []
    assert stream.doubles == 1


def test_one_of_a_topic_that_is_not_known_does_not_say_that_everything_comes_by_now() -> None:
    """It may be of what was wanted before: what is not there behind it was not wanted yet."""
    stream = begun(b"A")
    stream.take([small(0)])
    stream.want(b"")
    found = [large(2, None), small(5), small(7, b"B"), small(9)]
    assert [message.gap for message in stream.take(found)] == [
        Gap("too large", 1, 2, 2, EPOCH),
        None,
        Gap("missing", 1, 8, 8, EPOCH),
    ]
    assert stream.losses.missing == 2


def test_without_another_subscription_before_it_does_say_that() -> None:
    stream = begun()
    stream.want(b"")
    (message,) = stream.take([large(2, None), small(5)])
    assert message.gap == Gap("missing", 3, 2, 4, EPOCH)  # by what came last


def test_two_last_values_of_topics_that_are_not_known_are_two() -> None:
    stream = begun(b"A")
    mark = {"epoch": EPOCH, "at": 9, "end": False}
    stream.take([(b"\0fanout.snapshot", msgpack.packb(mark)), large(5, None), large(3, None)])
    assert stream.losses.missing == 2
