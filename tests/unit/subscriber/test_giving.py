"""Last values over several lines: one brings them, and nobody else anything before it has."""

from __future__ import annotations

import struct

from fanout.subscriber.merger import Merger
from fanout.subscriber.message import Gap, Message, NumberedLastMessage, NumberedMessage
from fanout.terms.introduction import Introduction

EPOCH = 77
SAID = Introduction(EPOCH, 10, sequence=True, replay=1, last=True)


def of(number: int, *, is_last: bool = False) -> Message:
    made = NumberedLastMessage() if is_last else NumberedMessage()
    made._wire = (b"A", b"%d" % number, struct.pack(">QQ", EPOCH, number))
    return made


def last(*numbers: int) -> list[Message]:
    return [of(number, is_last=True) for number in numbers]


def live(*numbers: int) -> list[Message]:
    return [*map(of, numbers)]


def seen(messages: list[Message]) -> list[tuple[int | None, Gap | None]]:
    return [(one.sequence, one.gap) for one in messages]


def plain(*numbers: int) -> list[tuple[int | None, Gap | None]]:
    return [(number, None) for number in numbers]


def two() -> Merger:
    """The first line is to bring last values, and the second knows what is subscribed to."""
    merger = Merger(2, wants_all=True)
    assert not merger.begin(0, SAID, None, (EPOCH, 10))
    merger.order(0, is_unordered=False, is_showing=True)
    assert merger.begin(1, SAID, None, (EPOCH, 10))
    merger.confirm(1)
    return merger


def test_nobody_else_brings_anything_before_all_have_come() -> None:
    merger = two()
    assert seen(merger.take(0, last(3, 7), 0.0)) == plain(3, 7)
    assert merger.take(1, live(10), 0.0) == []
    assert seen(merger.take(0, last(9), 0.0)) == plain(9)
    merger.order(0, is_unordered=False, is_showing=False)
    assert seen(merger.take(0, live(10), 0.0)) == plain(10)
    assert seen(merger.take(1, live(11, 12), 0.0)) == plain(11, 12)
    assert seen(merger.take(0, live(11, 12, 13), 0.0)) == plain(13)


def test_those_of_a_later_subscription_are_no_doubles_though_they_are_older() -> None:
    merger = two()
    merger.order(0, is_unordered=False, is_showing=False)
    assert seen(merger.take(0, live(10), 0.0)) == plain(10)
    assert seen(merger.take(1, live(10, 11), 0.0)) == plain(11)
    [lead] = merger.leads()
    merger.order(lead, is_unordered=False, is_showing=True)
    other = 1 - lead
    merger.confirm(other)
    assert merger.take(other, live(12), 0.0) == []
    assert seen(merger.take(lead, last(3, 9), 0.0)) == plain(3, 9)
    merger.order(lead, is_unordered=False, is_showing=False)
    assert seen(merger.take(lead, live(12), 0.0)) == plain(12)
    assert seen(merger.take(other, live(13), 0.0)) == plain(13)


def test_another_line_brings_what_is_left_if_the_first_is_lost_in_the_middle() -> None:
    merger = two()
    assert seen(merger.take(0, last(3, 7), 0.0)) == plain(3, 7)
    merger.end(0, 0.0)
    assert merger.cut == [1], "it connects again, to ask for them"
    merger.end(1, 0.0)
    run = merger.run_of(EPOCH)
    assert run is not None
    assert run.lacks_values
    assert not merger.begin(1, SAID, EPOCH, (EPOCH, 20))
    merger.order(1, is_unordered=False, is_showing=True)
    assert seen(merger.take(1, last(3, 7, 15), 0.0)) == plain(15)
    assert merger.doubles == 2
    merger.order(1, is_unordered=False, is_showing=False)
    [first, second] = merger.take(1, live(20, 21), 0.0)
    assert first.gap is not None
    assert (first.gap.reason, second.gap) == ("reconnected", None)
