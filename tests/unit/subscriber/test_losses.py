"""What is missing, counted at once and told by the next message; and what markers say of it."""

from __future__ import annotations

from typing import Any

import msgpack
import pytest

from fanout.subscriber.losses import (
    MARKER_BYTES_MAX,
    Losses,
    Marker,
    begins_last,
    end_of,
    marker_of,
    values_shown,
)
from fanout.subscriber.message import CONFLATED, Gap
from fanout.terms.reserved import GAP_TOPIC, SINCE_TOPIC, SNAPSHOT_TOPIC

RIGHT = {"epoch": 7, "first": 3, "last": 5, "count": 2, "reason": "lag"}


def frames(topic: bytes, said: object) -> tuple[bytes, bytes]:
    return topic, msgpack.packb(said)


def test_each_kind_is_counted_and_all_are_told_as_one_gap() -> None:
    losses = Losses()
    for gap in (Gap("lag", 4, 1, 4, 7), Gap(CONFLATED, 2, 6, 7, 7), Gap("missing", None, 9, 9, 7)):
        losses.add(gap)
    assert (losses.missing, losses.conflated, losses.holes) == (4, 2, 1)
    assert losses.told() == Gap("missing", None, 1, 9, 7)
    assert losses.told() is None
    assert (losses.missing, losses.conflated, losses.holes) == (4, 2, 1), "they stay counted"


def test_a_gap_of_which_nobody_knows_where_it_is_takes_the_bounds_of_others_away() -> None:
    for gaps in ((Gap("reconnected"), Gap("keyframe", 0, 7, 9)), (Gap("lag", 2, 7, 9), Gap("x"))):
        losses = Losses()
        for gap in gaps:
            losses.add(gap)
        assert losses.told() == Gap(gaps[1].reason)


def test_of_another_run_what_is_missing_of_it_is_told_with_its_bounds() -> None:
    losses = Losses()
    for gap in (Gap("epoch", epoch=7), Gap("lag", 2, 7, 9, 7), Gap("lag", 1, 12, 12, 7)):
        losses.add(gap)
    assert losses.told() == Gap("epoch", None, 7, 12, 7)


@pytest.mark.parametrize("behind", [[Gap("expired", None, 0, 98, 7)], []], ids=["expired", "bare"])
def test_of_another_run_there_are_no_bounds_where_nobody_knows_of_a_part(behind: list[Gap]) -> None:
    """Not those of what is missing behind that either: some is missing before it."""
    losses = Losses()
    value = Gap("too large", 1, epoch=7)  # a last value has no place
    for gap in (Gap("epoch", epoch=7), *behind, value, Gap("too large", 1, 99, 99, 7)):
        losses.add(gap)
    assert losses.told() == Gap("epoch", epoch=7)


def test_what_nobody_was_told_of_is_taken_back_and_nothing_else() -> None:
    losses = Losses()
    losses.add(Gap("lag", 4, 1, 4, 7))
    losses.told()
    for gap in (Gap("lag", 3), Gap(CONFLATED, 2), Gap("missing"), Gap("lag", 1)):
        losses.add(gap)
    losses.retract()
    assert (losses.missing, losses.conflated, losses.holes, losses.gap) == (4, 0, 0, None)
    losses.retract()
    assert (losses.missing, losses.conflated, losses.holes) == (4, 0, 0), "once"


def test_what_nobody_is_asked_for_again_is_not_taken_back() -> None:
    losses = Losses()
    losses.add(Gap("lag", 4, 1, 4, 7))
    losses.keep()
    for gap in (Gap(CONFLATED, 2, 6, 7, 7), Gap("missing", None, 9, 9, 7)):
        losses.add(gap)
    losses.retract()
    assert (losses.missing, losses.conflated, losses.holes) == (4, 0, 0)
    assert losses.told() == Gap("lag", 4, 1, 4, 7)
    losses.retract()
    assert (losses.missing, losses.gap) == (4, None), "it was told"


def test_a_marker_says_what_a_publisher_has_lost_for_us() -> None:
    assert marker_of(frames(GAP_TOPIC, RIGHT)) == Marker(7, 3, 5, 2, "lag")


@pytest.mark.parametrize("reason", ["", "x" * 65, "two\nlines", "\x1b[2J"])
def test_a_reason_that_no_program_should_print_is_not_told(reason: str) -> None:
    marker = marker_of(frames(GAP_TOPIC, {**RIGHT, "reason": reason}))
    assert marker == Marker(7, 3, 5, 2, "missing")


@pytest.mark.parametrize(
    "said",
    [
        *({**RIGHT, key: -1} for key in ("first", "last", "count")),
        *({key: value for key, value in RIGHT.items() if key != left} for left in RIGHT),
        {**RIGHT, "first": "a"},
        {**RIGHT, "first": float("inf")},
        {**RIGHT, "first": float("nan")},
        {**RIGHT, "first": None},
        [1, 2],
        7,
    ],
)
def test_what_cannot_be_understood_is_no_marker(said: object) -> None:
    assert marker_of(frames(GAP_TOPIC, said)) is None


@pytest.mark.parametrize("topic", [SNAPSHOT_TOPIC, SINCE_TOPIC, b"A"])
def test_a_marker_is_on_its_topic_in_two_frames_of_some_length(topic: bytes) -> None:
    body = msgpack.packb(RIGHT)
    long = msgpack.packb({**RIGHT, "more": bytes(MARKER_BYTES_MAX)})
    assert marker_of((topic, body)) is None
    assert marker_of((GAP_TOPIC,)) is None
    assert marker_of((GAP_TOPIC, body, b"")) is None
    assert marker_of((GAP_TOPIC, body[:-1])) is None
    assert marker_of((GAP_TOPIC, long)) is None


@pytest.mark.parametrize("before", [False, True])
def test_last_values_follow_their_beginning_until_their_end(before: bool) -> None:
    assert begins_last(frames(SNAPSHOT_TOPIC, {"end": False}), before)
    for end in (
        frames(SNAPSHOT_TOPIC, {"end": True}),
        frames(SNAPSHOT_TOPIC, 7),
        (SNAPSHOT_TOPIC,),
    ):
        assert not begins_last(end, before)
    assert not begins_last((SNAPSHOT_TOPIC, b"\xc1"), before)
    assert begins_last(frames(GAP_TOPIC, {"end": False}), before) is before


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ({"end": True, "subscriptions": 3}, 3),
        ({"end": True, "subscriptions": 0}, 0),
        ({"end": True, "subscriptions": -4}, 0),
        ({"end": True}, 5),
        ({"end": True, "subscriptions": "many"}, 5),
        ({"end": True, "subscriptions": float("inf")}, 5),
        (7, 5),
        ({"end": False, "subscriptions": 3}, 0),
    ],
)
def test_an_end_of_last_values_is_of_so_many_subscriptions(said: Any, shown: int) -> None:
    assert values_shown(frames(SNAPSHOT_TOPIC, said), 5).many == shown
    assert values_shown(frames(GAP_TOPIC, said), 5).many == 0


@pytest.mark.parametrize(
    ("said", "names"),
    [
        ({"prefixes": [b"A", b""]}, [b"A", b""]),
        ({"prefixes": [b"A", "B", 7, None, [b"C"]]}, []),
        ({"prefixes": b"A"}, []),
        ({"prefixes": {b"A": 1}}, []),
        ({}, []),
    ],
)
def test_an_end_of_last_values_names_subscriptions(said: Any, names: list[bytes]) -> None:
    mark = {"end": True, "subscriptions": 2, **said}
    found = values_shown(frames(SNAPSHOT_TOPIC, mark), 5)
    assert (found.many, [*found.names], [*found.denied]) == (2, names, [])


@pytest.mark.parametrize(("said", "denied"), [(1, [b"A"]), (-1, []), (9, [b"A", b"B"])])
def test_the_first_ones_of_these_may_be_denied(said: int, denied: list[bytes]) -> None:
    mark = {"end": True, "subscriptions": 2, "denied": said, "prefixes": [b"A", b"B"]}
    assert values_shown(frames(SNAPSHOT_TOPIC, mark), 5) == (2, [b"A", b"B"], frozenset(denied))


def test_an_end_of_last_values_that_is_too_long_is_not_read() -> None:
    """Else a stranger's could take gigabytes of memory: a list of what takes a byte each."""
    mark = {"end": True, "subscriptions": 2, "prefixes": [b""] * MARKER_BYTES_MAX}
    assert values_shown(frames(SNAPSHOT_TOPIC, mark), 5) == (5, (), ())


def test_where_all_is_one_stream_again_is_said_by_epoch_and_number() -> None:
    assert end_of(frames(SINCE_TOPIC, {"epoch": 7, "at": 30})) == (7, 30)
    assert end_of(frames(SINCE_TOPIC, {"epoch": 7, "at": 0})) == (7, 0)
    for said in ({"epoch": 7, "at": -1}, {"epoch": 7}, {"at": 1}, {"epoch": "x", "at": 1}, 7):
        assert end_of(frames(SINCE_TOPIC, said)) is None
    assert end_of(frames(GAP_TOPIC, {"epoch": 7, "at": 30})) is None
    assert end_of((*frames(SINCE_TOPIC, {"epoch": 7, "at": 30}), b"")) is None
