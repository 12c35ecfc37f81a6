"""Last values over several lines: one brings them, and nobody else anything before it has."""

from __future__ import annotations

import struct
from dataclasses import replace
from typing import TYPE_CHECKING

from fanout.subscriber import shown
from fanout.subscriber.merger import Merger
from fanout.subscriber.message import Gap, Message, NumberedLastMessage, NumberedMessage
from fanout.subscriber.prefixes import Prefixes
from fanout.terms.introduction import Introduction
from tests.unit.subscriber.test_merger import Two, introduced, message

if TYPE_CHECKING:
    import pytest

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
    merger.end(0, 0.0, {b"A": b""})
    assert merger.cut == [1], "it connects again, to ask for them"
    merger.end(1, 0.0)
    run = merger.run_of(EPOCH)
    assert run is not None
    assert run.lacking == {b"A": b""}
    assert not merger.begin(1, SAID, EPOCH, (EPOCH, 20))
    assert not run.lacking
    merger.order(1, is_unordered=False, is_showing=True)
    assert seen(merger.take(1, last(3, 7, 15), 0.0)) == plain(15)
    assert merger.doubles == 2
    merger.order(1, is_unordered=False, is_showing=False)
    assert seen(merger.take(1, live(20, 21), 0.0)) == plain(20, 21)


def test_if_nothing_is_replayed_it_is_told_that_some_may_be_missing() -> None:
    merger = two()
    for number in (0, 1):
        merger.end(number, 0.0, {b"A": b""})
    merger.begin(1, replace(SAID, replay=0), EPOCH, (EPOCH, 20))
    merger.order(1, is_unordered=False, is_showing=True)
    assert seen(merger.take(1, last(3, 7), 0.0)) == plain(3, 7)
    merger.order(1, is_unordered=False, is_showing=False)
    assert seen(merger.take(1, live(20, 21), 0.0)) == [
        (20, Gap("reconnected")),
        (21, None),
    ]


def test_those_that_have_come_are_known_until_all_have() -> None:
    """Though newer messages of other topics come, before and after another line goes on."""
    two = Two(wants_all=False)
    two.of(0, message(4))
    two.merger.leads()
    two.merger.order(0, is_unordered=False, is_showing=True)
    assert two.of(0, value_of(b"B", 3)) == plain(3)
    assert two.of(0, message(5)) == plain(5)
    for number in (0, 1):
        two.merger.end(number, two.now, {b"B": b""} if not number else {})
    two.merger.begin(1, introduced(), EPOCH, (EPOCH, 6))
    two.merger.order(1, is_unordered=True, is_showing=True)
    assert two.of(1, message(6)) == plain(6)
    two.merger.order(1, is_unordered=False, is_showing=True)
    assert two.of(1, value_of(b"B", 3), value_of(b"BA", 2)) == plain(2)
    two.merger.order(1, is_unordered=False, is_showing=False)
    run = two.merger.run_of(EPOCH)
    assert run is not None
    assert not run._shown, "they take no memory any more"


def test_who_cancels_waits_for_none_of_them() -> None:
    two = Two(wants_all=False)
    two.of(0, message(4))
    for number in (0, 1):
        two.merger.end(number, two.now)
    run = two.merger.run_of(EPOCH)
    assert run is not None
    two.merger.lack(b"B")
    assert (run.lacking, run.is_showing) == ({b"B": b""}, True)
    two.merger.forget(b"B", Prefixes())
    assert (run.lacking, run.is_showing) == ({}, False)
    two.merger.begin(1, introduced(), EPOCH, (EPOCH, 5))
    two.merger.lack(b"B")
    assert not run.lacking, "there is a line that brings them"


def of_topic(topic: bytes, number: int, gap: Gap | None = None) -> Message:
    made = message(number)
    made._wire = topic, *made._wire[1:]
    return made if gap is None else made.after(gap)


def value_of(topic: bytes, number: int) -> Message:
    made = NumberedLastMessage()
    made._wire = (topic, b"", struct.pack(">QQ", EPOCH, number))
    return made


def shown_later(*values: Message) -> Two:
    """The first of two lines has brought these of a later subscription, the other has heard it."""
    two = Two(wants_all=False)
    assert two.merger.leads() == {0}
    two.merger.order(0, is_unordered=False, is_showing=True)
    assert len(two.of(0, *values)) == len(values)
    two.merger.order(0, is_unordered=False, is_showing=False)
    two.merger.confirm(1)
    return two


def test_a_later_last_value_does_not_come_again_over_another_line() -> None:
    """Nor what is older of its topic; of other topics it does."""
    two = shown_later(value_of(b"B", 3))
    assert two.of(1, message(0), of_topic(b"B", 1)) == []
    assert two.of(1, of_topic(b"C", 2), of_topic(b"B", 3)) == plain(2)
    assert two.of(1, of_topic(b"B", 4)) == plain(4)
    assert two.of(0, of_topic(b"B", 4), of_topic(b"B", 5)) == plain(5)
    run = two.merger.run_of(EPOCH)
    assert run is not None
    assert not run._shown, "they take no memory any more"


def test_a_later_last_value_does_not_come_again_as_what_was_missed() -> None:
    """What is told to be missing before it is told with the next message."""
    two = shown_later(value_of(b"B", 3))
    for number in (0, 1):
        two.merger.end(number, two.now)
    two.merger.begin(1, introduced(), EPOCH, (EPOCH, 1))
    two.merger.order(1, is_unordered=True)
    gone = Gap("expired", None, 1, 1, EPOCH)
    assert two.of(1, of_topic(b"B", 2), of_topic(b"B", 3, gone)) == []
    assert two.of(1, of_topic(b"B", 4)) == [(4, gone)]


def test_what_is_wanted_anew_brings_its_last_value_again() -> None:
    two = shown_later(value_of(b"B", 3))
    two.merger.forget(b"B", Prefixes())
    two.merger.leads()
    two.merger.order(0, is_unordered=False, is_showing=True)
    assert two.of(0, value_of(b"B", 3)) == plain(3)


def test_what_is_cancelled_brings_nothing_again_of_what_another_subscription_wants() -> None:
    two = shown_later(value_of(b"BA", 3))
    two.merger.forget(b"B", Prefixes((b"A", b"BA")))
    assert two.of(1, message(0), of_topic(b"BA", 1), of_topic(b"BA", 3)) == []
    assert two.of(1, of_topic(b"BA", 4)) == plain(4)


def test_of_too_many_last_values_no_other_line_brings_anything(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(shown, "SHOWN_MAX", 1)
    two = shown_later(value_of(b"B", 3), value_of(b"C", 4))
    assert two.of(1, message(0), of_topic(b"B", 3), of_topic(b"C", 4)) == []
    assert two.of(0, of_topic(b"B", 5)) == plain(5)
    assert two.of(1, of_topic(b"B", 5), of_topic(b"C", 6)) == plain(6)


def test_of_too_many_last_values_it_tells_that_some_may_be_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """If their line is lost: nobody knows which of them another one brings again."""
    monkeypatch.setattr(shown, "SHOWN_MAX", 1)
    two = shown_later(value_of(b"B", 3), value_of(b"C", 4))
    for number in (0, 1):
        two.merger.end(number, two.now)
    two.merger.begin(1, introduced(), EPOCH, (EPOCH, 1))
    assert two.of(1, of_topic(b"C", 4)) == []
    assert two.of(1, of_topic(b"C", 5)) == [(5, Gap("reconnected", epoch=EPOCH))]


def test_who_is_lost_after_what_was_missed_and_in_the_middle_of_last_values() -> None:
    """What has come in any order is behind that: the others do not bring it again."""
    merger = Merger(2, wants_all=False)
    merger.begin(0, introduced(), None, (EPOCH, 2))
    merger.order(0, is_unordered=True)
    assert seen(merger.take(0, [message(2), message(4)], 0.0)) == plain(2, 4)
    merger.order(0, is_unordered=True, is_showing=True)
    merger.end(0, 0.0, {b"B": b""})
    merger.begin(1, introduced(), None, (EPOCH, 2))
    merger.order(1, is_unordered=True)
    got = seen(merger.take(1, [message(2), message(3), message(4)], 0.0))
    assert got == plain(3)


def test_what_was_missed_does_not_come_again_as_a_last_value() -> None:
    """A line brought it as missed, and is lost: the next one begins with last values."""
    merger = Merger(2, wants_all=False)
    merger.begin(0, introduced(), None, (EPOCH, 2))
    merger.order(0, is_unordered=True, is_showing=True)
    assert seen(merger.take(0, [message(2), message(4)], 0.0)) == plain(2, 4)
    merger.end(0, 0.0)
    merger.begin(1, introduced(), None, (EPOCH, 2))
    merger.order(1, is_unordered=False, is_showing=True)
    gone = Gap("expired", None, 1, 3, EPOCH)
    assert seen(merger.take(1, [last(4)[0].after(gone), *last(6)], 0.0)) == [(6, gone)]
