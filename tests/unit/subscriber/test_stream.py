"""Streams: what is wanted, what is missing, and when nobody can say."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

import msgpack
import pytest

from fanout.subscriber.message import Gap, Message, ReplayedMessage
from fanout.subscriber.stream import Stream
from fanout.terms.introduction import Introduction

if TYPE_CHECKING:
    from fanout.subscriber.parsing import Frames

EPOCH = 77


def introduced(
    head: int = 0, epoch: int = EPOCH, *, sequence: bool = True, replay: int = 0
) -> Introduction:
    return Introduction(epoch, head, sequence=sequence, replay=replay)


def numbered(*numbers: int, topic: bytes = b"A", epoch: int = EPOCH) -> list[Frames]:
    return [(topic, b"%d" % number, struct.pack(">QQ", epoch, number)) for number in numbers]


def marker(first: int, last: int, count: int, reason: Any = "lag", epoch: int = EPOCH) -> Frames:
    said = {"epoch": epoch, "first": first, "last": last, "count": count, "reason": reason}
    return b"\x00fanout.gap", msgpack.packb(said)


def connected(*wants: bytes) -> Stream:
    stream = Stream(wants)
    stream.begin(introduced())
    return stream


def seen(messages: list[Message]) -> list[tuple[int | None, Gap | None]]:
    return [(message.sequence, message.gap) for message in messages]


def test_a_message_has_what_was_published_and_its_number() -> None:
    (message,) = connected(b"").take(numbered(3))
    assert (message.topic, message.payload, message.frames) == (b"A", b"3", (b"A", b"3"))
    assert (message.sequence, message.epoch, message.kind, message.gap) == (3, EPOCH, "live", None)
    assert message.size == 2 + 16


def test_messages_of_one_frame_and_of_many() -> None:
    number = struct.pack(">QQ", EPOCH, 1)
    one, many = connected(b"").take([(b"A", number), (b"A", b"b", b"c", number[:-1] + b"\x02")])
    assert (one.payload, one.frames) == (b"A", (b"A",))
    assert (many.payload, many.frames) == (b"b", (b"A", b"b", b"c"))


@pytest.mark.parametrize("cut", [0, 1, 2, 5])
def test_who_wants_everything_sees_what_is_missing(cut: int) -> None:
    stream = connected(b"")
    frames = numbered(5, 6, 9, 10)
    got = stream.take(frames[:cut]) + stream.take(frames[cut:])
    assert seen(got) == [(5, None), (6, None), (9, Gap("missing", 2, 7, 8, EPOCH)), (10, None)]
    assert (stream.losses.missing, stream.losses.holes, stream.position) == (2, 0, (EPOCH, 10))


def test_who_wants_some_topics_takes_no_hole_for_a_gap() -> None:
    stream = connected(b"A")
    assert seen(stream.take(numbered(5, 9, 20))) == [(5, None), (9, None), (20, None)]
    assert stream.position == (EPOCH, 20)


def test_what_comes_twice_is_taken_once() -> None:
    for wants in (b"", b"A"):
        stream = connected(wants)
        got = stream.take(numbered(5, 6)) + stream.take(numbered(6, 5, 7))
        assert [message.sequence for message in got] == [5, 6, 7]
        assert stream.doubles == 2


def test_what_is_not_wanted_any_more_is_not_taken() -> None:
    stream = connected(b"A", b"B")
    stream.take(numbered(5))
    assert stream.leave(b"B")
    assert not stream.leave(b"B")
    got = stream.take([*numbered(6, topic=b"B"), *numbered(7)])
    assert seen(got) == [(7, None)]
    assert stream.unwanted == 1


def test_to_want_everything_later_makes_no_gap_of_what_was_not_wanted_before() -> None:
    stream = connected(b"A")
    stream.take(numbered(5))
    assert stream.want(b"")
    assert not stream.want(b"")
    # These may have been on their way when that was said.
    assert seen(stream.take(numbered(9, 11))) == [(9, None), (11, None)]
    assert seen(stream.take(numbered(14, topic=b"B"))) == [(14, None)]  # it is known by now
    assert seen(stream.take(numbered(16))) == [(16, Gap("missing", 1, 15, 15, EPOCH))]


@pytest.mark.parametrize("restarts", [False, True])
def test_who_wants_everything_before_a_connection_begins_sees_what_is_missing_in_it(
    restarts: bool,
) -> None:
    """What is said in a handshake is said at once: nothing that comes then was not wanted."""
    stream = connected(b"A") if restarts else Stream([b"A"])
    stream.want(b"")
    epoch = EPOCH + restarts
    stream.begin(introduced(epoch=epoch))

    got = stream.take(numbered(5, 7, epoch=epoch))

    assert got[1].gap == Gap("missing", 1, 6, 6, epoch)


def test_what_was_not_wanted_before_several_reconnects_is_in_no_count() -> None:
    stream = connected(b"A")
    stream.take(numbered(5))
    stream.want(b"")
    for _ in range(2):  # and nothing comes over the first of them
        stream.begin(introduced(20))

    assert seen(stream.take(numbered(20))) == [(20, Gap("reconnected", None, 6, 19, EPOCH))]


def test_who_takes_back_everything_has_all_numbers_in_order_again() -> None:
    stream = connected(b"A")
    stream.take(numbered(5))
    stream.want(b"")
    stream.leave(b"")
    assert seen(stream.take(numbered(9))) == [(9, None)]
    assert stream._former is None, "what comes is taken one by one for nothing"


def test_what_was_not_wanted_before_a_reconnect_is_in_no_count() -> None:
    """Everything was wanted, but perhaps not known there yet, when the connection was lost."""
    stream = connected(b"A")
    stream.take(numbered(5))
    stream.want(b"")
    stream.begin(Introduction(EPOCH, 20, sequence=True))
    got = stream.take(numbered(20, 22))
    assert [message.gap for message in got] == [
        Gap("reconnected", None, 6, 19, EPOCH),
        Gap("missing", 1, 21, 21, EPOCH),
    ]


@pytest.mark.parametrize("wants", [b"", b"A"])
def test_a_marker_says_what_is_missing(wants: bytes) -> None:
    stream = connected(wants)
    got = stream.take([*numbered(5), marker(6, 8, 3), *numbered(9, 10)])
    assert seen(got) == [(5, None), (9, Gap("lag", 3, 6, 8, EPOCH)), (10, None)]
    assert stream.losses.missing == 3


def test_a_marker_of_what_was_conflated_explains_numbers_before_and_after_others() -> None:
    stream = connected(b"")
    got = stream.take([*numbered(5), marker(6, 10, 4, "conflated"), *numbered(8, 11, 13)])
    assert seen(got) == [
        (5, None),
        (8, Gap("conflated", 4, 6, 10, EPOCH)),
        (11, None),
        (13, Gap("missing", 1, 12, 12, EPOCH)),
    ]


def test_what_was_conflated_there_is_not_missing() -> None:
    stream = connected(b"A")
    (message,) = stream.take([marker(2, 3, 2, "conflated"), *numbered(9)])
    assert message.gap == Gap("conflated", 2, 2, 3, EPOCH)
    assert (stream.losses.missing, stream.losses.conflated) == (0, 2)


@pytest.mark.parametrize("reason", ["\x1b[2J", "", "x" * 65, 7, None])
def test_a_reason_that_cannot_be_shown_is_none(reason: Any) -> None:
    (message,) = connected(b"A").take([marker(2, 3, 2, reason), *numbered(9)])
    assert message.gap == Gap("missing", 2, 2, 3, EPOCH)


def test_a_reason_that_is_too_deep_for_a_text_ends_nobody() -> None:
    """Lists in lists: whoever is to show them calls himself a thousand times."""
    topic, packed = marker(2, 3, 2, None)
    assert packed[-1:] == b"\xc0"
    (message,) = connected(b"A").take(
        [(topic, packed[:-1] + b"\x91" * 1_000 + b"\xc0"), *numbered(9)]
    )
    assert message.gap == Gap("missing", 2, 2, 3, EPOCH)


@pytest.mark.parametrize(
    "frames",
    [
        marker(6, 8, -3),
        (b"\x00fanout.gap", msgpack.packb(dict.fromkeys(("epoch", "first", "last"), float("inf")))),
        (b"\x00fanout.gap", b"\xff"),
        (b"\x00fanout.gap", msgpack.packb(["epoch"])),
        (b"\x00fanout.gap", msgpack.packb({"epoch": EPOCH})),
        (b"\x00fanout.gap", bytes(5000)),
        (b"\x00fanout.gap",),
        marker(6, 8, 3, epoch=EPOCH + 1),
        (b"\x00fanout.later", b"x"),
    ],
)
@pytest.mark.parametrize("numbers", [True, False])
def test_what_a_marker_says_wrongly_is_nothing(frames: Frames, numbers: bool) -> None:
    stream = Stream([b""])
    stream.begin(introduced(sequence=numbers))
    assert stream.take([frames]) == []
    assert len(stream.take(numbered(5))) == 1
    assert (stream.losses.missing, stream.losses.holes) == (0, 0)


def test_two_gaps_before_one_message_are_one() -> None:
    stream = connected(b"A")
    got = stream.take([*numbered(1), marker(2, 3, 2), marker(5, 6, 2, "stalled"), *numbered(9)])
    assert seen(got)[1] == (9, Gap("stalled", 4, 2, 6, EPOCH))


class TestAnotherConnection:
    def test_tells_who_wants_everything_how_many_are_missing(self) -> None:
        stream = connected(b"")
        stream.take(numbered(5))
        stream.begin(introduced(9))
        got = stream.take(numbered(10, 11))
        assert seen(got) == [(10, Gap("reconnected", 4, 6, 9, EPOCH)), (11, None)]

    def test_tells_what_is_missing_before_what_a_marker_tells(self) -> None:
        stream = connected(b"")
        stream.take(numbered(5))
        stream.begin(introduced(9))
        got = stream.take([marker(8, 9, 2), *numbered(10, 11)])
        assert seen(got) == [(10, Gap("lag", 4, 6, 9, EPOCH)), (11, None)]
        assert stream.losses.missing == 4

    def test_tells_others_that_nobody_knows(self) -> None:
        stream = connected(b"A")
        stream.take(numbered(5))
        stream.begin(introduced(9))
        got = stream.take(numbered(10, 14))
        assert seen(got) == [(10, Gap("reconnected", None, 6, 9, EPOCH)), (14, None)]
        assert (stream.losses.missing, stream.losses.holes) == (0, 1)

    @pytest.mark.parametrize("wants", [b"", b"A"])
    def test_makes_no_gap_if_nothing_was_published(self, wants: bytes) -> None:
        stream = connected(wants)
        stream.take(numbered(5))
        stream.begin(introduced(6))
        assert seen(stream.take(numbered(6))) == [(6, None)]
        stream.begin(introduced(7))
        stream.begin(introduced(7))
        assert seen(stream.take(numbered(7))) == [(7, None)]

    def test_to_another_publisher_says_so(self) -> None:
        for wants in (b"", b"A"):
            stream = connected(wants)
            stream.take(numbered(5))
            stream.begin(introduced(2, EPOCH + 1))
            got = stream.take(numbered(2, 3, epoch=EPOCH + 1))
            assert seen(got) == [(2, Gap("epoch", None, None, None, EPOCH + 1)), (3, None)]
            assert stream.losses.holes == 1

    @pytest.mark.parametrize("said", [None, introduced(9, sequence=False)])
    def test_without_numbers_nobody_knows(self, said: Introduction | None) -> None:
        stream = Stream([b""])
        stream.begin(said and introduced(1, sequence=False))
        assert seen(stream.take([(b"A", b"1")])) == [(None, None)]
        stream.begin(said)
        first, second = stream.take([(b"A", b"2"), (b"A", b"3")])
        assert first.gap == Gap("reconnected", epoch=EPOCH if said else None)
        assert (first.frames, first.sequence, second.gap) == ((b"A", b"2"), None, None)


def again(stream: Stream, head: int, epoch: int = EPOCH) -> bytes:
    """It comes back to a publisher that sends what it has missed; returns what it asks for."""
    said = introduced(head, epoch, replay=1)
    asked = stream.since(said)
    stream.begin(said, asked=bool(asked))
    return asked


class TestWithReplay:
    @pytest.mark.parametrize("wants", [b"", b"A"])
    def test_what_came_after_the_last_is_asked_for(self, wants: bytes) -> None:
        stream = connected(wants)
        stream.take(numbered(5))
        assert again(stream, 9) == b"\x00fanout.since=000000000000004d:5"
        stream.answered()
        got = stream.take(numbered(6, 7)) + stream.take(numbered(8, 9)) + stream.take(numbered(10))
        assert seen(got) == [(number, None) for number in range(6, 11)]
        assert [message.kind for message in got] == [*["replayed"] * 3, "live", "live"]
        assert (stream.losses.missing, stream.losses.holes) == (0, 0)

    def test_who_has_nothing_yet_asks_for_what_was_published_since(self) -> None:
        stream = Stream([b"A"])
        assert again(stream, 4) == b""
        assert again(stream, 9) == b"\x00fanout.since=000000000000004d:3"
        stream = Stream([b"A"])
        again(stream, 0)
        assert again(stream, 9) == b"\x00fanout.since=000000000000004c:0", "there is none before"

    def test_nobody_is_asked_who_has_nothing(self) -> None:
        stream = connected(b"A")
        stream.take(numbered(5))
        for said in (introduced(9), introduced(9, sequence=False, replay=1)):
            assert stream.since(said) == b""

    @pytest.mark.parametrize(("wants", "count"), [(b"", 3), (b"A", None)])
    def test_what_is_gone_is_told(self, wants: bytes, count: int | None) -> None:
        stream = connected(wants)
        stream.take(numbered(5))
        again(stream, 12)
        stream.answered()
        got = stream.take([marker(6, 8, count or 0, "expired"), *numbered(9, 10)])
        assert seen(got) == [(9, Gap("expired", count, 6, 8, EPOCH)), (10, None)]
        assert isinstance(got[0], ReplayedMessage)
        assert (stream.losses.missing, stream.losses.holes) == (count or 0, int(count is None))

    def test_what_was_told_before_and_comes_now_is_not_missing(self) -> None:
        stream = connected(b"")
        stream.take([*numbered(5), marker(6, 8, 3)])
        again(stream, 12)
        stream.answered()
        assert seen(stream.take(numbered(6, 7))) == [(6, None), (7, None)]
        assert stream.losses.missing == 0

    def test_who_has_nothing_of_another_run_names_that_and_not_by_chance_the_present_one(
        self,
    ) -> None:
        stream = Stream([b""])
        again(stream, 0)
        assert again(stream, 0, EPOCH ^ 1) == b"\x00fanout.since=%016x:0" % EPOCH

    def test_another_publisher_sends_all_that_it_has(self) -> None:
        stream = connected(b"")
        stream.take(numbered(5))
        assert again(stream, 2, EPOCH + 1) == b"\x00fanout.since=000000000000004d:5"
        told = {"epoch": EPOCH + 1, "reason": "epoch"}
        assert again(stream, 2, EPOCH + 1) == b"\x00fanout.since=000000000000004f:0"
        frames = [marker(0, 0, 0, **told), *numbered(1, 2, epoch=EPOCH + 1)]  # type: ignore[arg-type]
        first, second = stream.take(frames)
        assert first.gap == Gap("epoch", None, 0, 0, EPOCH + 1)
        assert (first.kind, second.kind, second.gap) == ("replayed", "live", None)

    def test_subscriptions_in_pieces_begin_each_by_themselves(self) -> None:
        stream = connected(b"A", b"B")
        stream.take(numbered(5))
        again(stream, 9)
        got = stream.take(numbered(6, 8))
        assert stream.position == (EPOCH, 5), "not all that is older has come"
        got += stream.take(numbered(7, topic=b"B"))
        stream.answered()
        got += stream.take([*numbered(8), *numbered(9, topic=b"B"), *numbered(10, 10)])
        assert [message.sequence for message in got] == [6, 8, 7, 9, 10]
        assert (stream.doubles, stream.position) == (2, (EPOCH, 10))

    def test_it_begins_as_its_user_says(self) -> None:
        stream = Stream([b""], b"\x00fanout.since=-9s")
        assert again(stream, 9) == b"\x00fanout.since=-9s"
        assert again(stream, 10) == b"\x00fanout.since=-9s", "nothing has come"
        assert seen(stream.take(numbered(7, 8))) == [(7, None), (8, None)]
        assert again(stream, 11) == b"\x00fanout.since=000000000000004d:8"
        stream = Stream([b""], (EPOCH, 4))
        assert again(stream, 9) == b"\x00fanout.since=000000000000004d:4"
        assert seen(stream.take(numbered(6))) == [(6, Gap("missing", 1, 5, 5, EPOCH))]


def test_a_plain_publisher_may_send_what_it_likes() -> None:
    """Nothing there is a number, or a marker, even if it looks like one."""
    stream = Stream([b""])
    stream.begin(None)
    frames = [marker(1, 2, 2), *numbered(7), (b"\x00", b"x"), (b"",)]
    assert [message.frames for message in stream.take(frames)] == frames


def test_messages_without_a_number_among_those_with_one() -> None:
    stream = connected(b"")
    got = stream.take([*numbered(5), (b"A", b"x"), (b"A",), *numbered(6)])
    assert [message.sequence for message in got] == [5, None, None, 6]
    assert [message.frames for message in got][1:3] == [(b"A", b"x"), (b"A",)]


@pytest.mark.parametrize("wants", [b"", b"A"])
def test_numbers_are_where_they_are_and_not_where_their_sizes_sum_up_to(wants: bytes) -> None:
    """The last frames of these have 8 and 24 bytes: the right sum, and no number."""
    stream = connected(wants)
    stream.take(numbered(4))
    five, six = (struct.pack(">QQ", EPOCH, number) for number in (5, 6))
    got = stream.take([(b"A", five[:8]), (b"A", five[8:] + six)])
    assert [(message.sequence, len(message.frames)) for message in got] == [(None, 2)] * 2


def test_a_topic_is_no_number_even_if_it_looks_like_one() -> None:
    stream = connected(b"")
    stream.take(numbered(4))
    topic = struct.pack(">QQ", EPOCH, 5)
    (message,) = stream.take([(topic,)])
    assert (message.frames, message.sequence) == ((topic,), None)
