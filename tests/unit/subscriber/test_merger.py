"""Several lines as one: what is held back and for how long, and the order of a program's own."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

import pytest

from fanout.subscriber import runs
from fanout.subscriber.merger import Merger
from fanout.subscriber.message import Gap, Message, NumberedLastMessage, NumberedMessage
from fanout.terms.introduction import Introduction

if TYPE_CHECKING:
    from collections.abc import Callable

EPOCH = 77
LONG_S = 10 * runs.HELD_S


def introduced(*, epoch: int = EPOCH, sequence: bool = True, replay: int = 1) -> Introduction:
    return Introduction(epoch, 0, sequence=sequence, replay=replay)


def message(number: int, gap: Gap | None = None, size: int = 1, epoch: int = EPOCH) -> Message:
    made = NumberedMessage()
    made._wire = (b"A", b"%d" % number + bytes(size), struct.pack(">QQ", epoch, number))
    return made if gap is None else made.after(gap)


def lag(first: int, last: int, count: int | None = None) -> Gap:
    return Gap("lag", last - first + 1 if count is None else count, first, last, EPOCH)


class Two:
    """Two lines of one run, both joined, that have brought message 0."""

    def __init__(self, **options: Any) -> None:
        options.setdefault("wants_all", True)
        self.merger = Merger(2, **options)
        self.now = 0.0
        for number in (0, 1):
            if self.merger.begin(number, introduced(), None, (EPOCH, 0)):
                self.merger.confirm(number)
        assert self.of(0, message(0)) == [(0, None)]
        assert self.of(1, message(0)) == []

    def of(self, number: int, *messages: Message) -> list[tuple[int | None, Gap | None]]:
        """What the program gets when a line brings these."""
        return seen(self.merger.take(number, [*messages], self.now))

    def later(self, seconds: float) -> list[tuple[int | None, Gap | None]]:
        self.now += seconds
        return seen(self.merger.released(self.now))


def seen(messages: list[Message]) -> list[tuple[int | None, Gap | None]]:
    return [(one.sequence, one.gap) for one in messages]


def plain(*numbers: int) -> list[tuple[int | None, Gap | None]]:
    return [(number, None) for number in numbers]


def test_whoever_is_first_brings_it_and_it_comes_once() -> None:
    two = Two()
    assert two.of(0, message(1), message(2)) == plain(1, 2)
    assert two.of(1, *map(message, range(1, 8))) == plain(3, 4, 5, 6, 7)
    assert two.of(0, *map(message, range(3, 9))) == plain(8)
    assert two.merger.doubles == 1 + 2 + 5


def test_a_gap_is_not_believed_until_others_have_passed_it() -> None:
    two = Two()
    assert two.of(0, message(3, lag(1, 2)), message(4)) == []
    assert two.of(1, message(1)) == plain(1)
    assert two.of(1, message(2)) == plain(2, 3, 4)
    assert two.merger.losses.missing == 0
    assert two.of(1, message(3), message(4), message(5)) == plain(5)


def test_what_both_have_lost_is_missing() -> None:
    two = Two()
    assert two.of(0, message(4, lag(1, 3)), message(5)) == []
    assert two.of(1, message(1)) == plain(1)
    assert two.of(1, message(5, lag(2, 4))) == [(4, lag(2, 3)), (5, None)]
    assert two.merger.losses.missing == 2


def test_of_some_topics_nobody_knows_how_many_are_missing_if_one_has_brought_a_part() -> None:
    two = Two(wants_all=False)
    assert two.of(0, message(9, lag(1, 8, count=3))) == []
    assert two.of(1, message(4)) == plain(4)
    assert two.of(1, message(9, lag(5, 8, count=2))) == [(9, Gap("lag", None, 5, 8, EPOCH))]
    assert two.merger.losses.holes == 1


def test_it_is_held_back_for_so_long() -> None:
    two = Two()
    assert two.of(0, message(3, lag(1, 2)), message(4)) == []
    assert two.merger.next_at() == runs.HELD_S
    assert two.later(runs.HELD_S - 0.001) == []
    assert two.later(0.002) == [(3, lag(1, 2)), (4, None)]
    assert two.of(1, message(1), message(2), message(3), message(5)) == plain(5)
    assert two.merger.next_at() is None


def test_each_is_held_back_for_so_long_however_many_gaps_are_before_it() -> None:
    two = Two()
    gaps = [lag(n - 1, n - 1) for n in range(2, 12, 2)]
    behind = [message(gap.last + 1, gap) for gap in gaps if gap.last is not None]
    assert two.of(0, *behind) == []
    assert two.later(runs.HELD_S / 2) == []
    assert two.of(0, message(13, lag(11, 12))) == []
    got = two.later(runs.HELD_S / 2)
    assert got == [(one.sequence, one.gap) for one in behind]
    assert two.merger.next_at() == 1.5 * runs.HELD_S
    assert two.later(runs.HELD_S / 2) == [(13, lag(11, 12))]


def test_no_more_than_so_much_is_held_back() -> None:
    two = Two()
    size = runs.HELD_BYTES_MAX // 4
    assert two.of(0, message(3, lag(1, 2), size), *(message(n, size=size) for n in (4, 5))) == []
    got = two.of(0, message(6, size=size), message(7))
    assert [number for number, _ in got] == [3, 4, 5, 6, 7]
    assert got[0][1] == lag(1, 2)


def test_who_is_held_back_while_nothing_is_read_waits_anew() -> None:
    two = Two()
    assert two.of(0, message(3, lag(1, 2))) == []
    two.now += LONG_S
    two.merger.resume(two.now)
    assert two.later(0) == []
    assert two.of(1, message(1), message(2)) == plain(1, 2, 3)


def test_who_is_left_alone_is_believed() -> None:
    two = Two()
    assert two.of(0, message(3, lag(1, 2))) == []
    two.merger.end(1, two.now)
    assert two.later(0) == [(3, lag(1, 2))]
    assert two.of(0, message(7, lag(4, 6))) == [(7, lag(4, 6))]


def test_what_the_publisher_conflates_waits_for_nobody() -> None:
    two = Two()
    gap = Gap("conflated", 2, 1, 2, EPOCH)
    assert two.of(0, message(3, gap)) == [(3, gap)]
    assert (two.merger.losses.missing, two.merger.losses.conflated) == (0, 2)


def test_last_values_come_once_though_their_line_is_lost_in_the_middle_of_later_ones() -> None:
    """Nothing else has come, so all of them come anew over another line."""
    merger = Merger(2, wants_all=False)
    value = NumberedLastMessage()
    value._wire = (b"A", b"", struct.pack(">QQ", EPOCH, 3))
    got = []
    for number, is_later in ((0, True), (1, False)):
        merger.begin(number, introduced(), None, (EPOCH, 5))
        merger.order(number, is_unordered=False, is_showing=True)
        got += merger.take(number, [value], 0.0)
        merger.order(number, is_unordered=False, is_showing=False)
        if is_later:
            merger.order(number, is_unordered=False, is_showing=True)
            merger.end(number, 0.0)
    assert (seen(got), merger.doubles) == (plain(3), 1)
    assert seen(merger.take(1, [message(5)], 0.0))[0][0] == 5
    merger.order(1, is_unordered=False, is_showing=False)
    run = merger.run_of(EPOCH)
    assert run is not None
    assert not run._shown, "they take no memory any more"


def test_a_last_value_does_not_come_again_as_what_was_missed() -> None:
    """It came over a line that began later; what is asked for begins where the first one did."""
    merger = Merger(2, wants_all=True)
    value = NumberedLastMessage()
    value._wire = (b"A", b"", struct.pack(">QQ", EPOCH, 6))
    merger.begin(0, introduced(), None, (EPOCH, 5))
    merger.order(0, is_unordered=False, is_showing=True)
    assert seen(merger.take(0, [value], 0.0)) == plain(6)
    merger.order(0, is_unordered=False, is_showing=False)
    merger.end(0, 0.0)
    merger.begin(1, introduced(), None, (EPOCH, 5))
    replayed = [message(number) for number in range(4, 10)]
    replayed[1]._wire = b"B", *replayed[1]._wire[1:]
    assert seen(merger.take(1, replayed, 0.0)) == plain(5, 7, 8, 9)
    assert merger.doubles == 2, "nor does one that is older, of the same topic"


def test_if_nothing_but_last_values_has_come_all_begins_where_these_end() -> None:
    merger = Merger(2, wants_all=True)
    for number in (0, 1):
        merger.begin(number, introduced(), None, (EPOCH, 5))
    run = merger.run_of(EPOCH)
    assert run is not None
    merger.order(0, is_unordered=False, is_showing=True, origin=(EPOCH, 9))
    merger.order(1, is_unordered=False, origin=(EPOCH, 11))
    assert run.origin == (EPOCH, 5), "one has not brought all, the other brings nothing yet"
    merger.order(0, is_unordered=False, origin=(EPOCH, 9))
    assert run.origin == (EPOCH, 9)
    merger.take(0, [message(9)], 0.0)
    merger.order(0, is_unordered=False, origin=(EPOCH, 10))
    assert run.origin == (EPOCH, 9)


def test_what_was_conflated_behind_a_double_is_told_with_the_next_of_that_line() -> None:
    """A pass tells of all of it before its first message; another line has brought that one."""
    two = Two()
    gap = Gap("conflated", 5, 1, 7, EPOCH)
    assert two.of(1, *(message(number) for number in range(1, 4))) == plain(1, 2, 3)
    assert two.of(0, message(2, gap)) == []
    told = Gap("conflated", None, 1, 7, EPOCH)
    assert two.of(0, message(6), message(8)) == [(6, told), (8, None)]
    assert two.of(1, *(message(number) for number in range(4, 9))) == []


def test_what_was_conflated_is_not_told_once_another_line_has_brought_all_of_it() -> None:
    two = Two()
    assert two.of(1, message(1), message(2)) == plain(1, 2)
    assert two.of(0, message(2, Gap("conflated", 2, 1, 4, EPOCH))) == []
    assert two.of(1, message(3), message(4)) == plain(3, 4)
    assert two.of(0, message(5)) == plain(5)
    assert two.merger.losses.conflated == two.merger.losses.holes == 0


def test_what_was_conflated_is_told_though_its_line_was_held_back() -> None:
    two = Two()
    gap = Gap("conflated", 5, 4, 9, EPOCH)
    assert two.of(0, message(3, lag(1, 2)), message(4, gap), message(8)) == []
    assert two.of(1, *(message(number) for number in range(1, 5))) == [
        *plain(1, 2, 3, 4),
        (8, Gap("conflated", None, 4, 9, EPOCH)),
    ]


def test_a_line_that_comes_again_brings_nothing_before_it_has_caught_up() -> None:
    two = Two()
    two.merger.end(1, two.now)
    two.of(0, message(1))
    assert two.merger.begin(1, introduced(), EPOCH, (EPOCH, 0))
    assert two.of(1, message(4)) == [], "it may have missed 2 and 3"
    two.merger.confirm(1)
    assert two.of(1, message(5)) == []
    assert two.of(0, message(2), message(3), message(4)) == plain(2, 3, 4)
    assert two.of(1, message(6)) == [], "5 was left to the other"
    assert two.of(0, message(5)) == plain(5)
    assert two.of(1, message(7)) == [], "and so was 6"
    assert two.of(0, message(6), message(7)) == plain(6, 7)
    assert two.of(1, message(8)) == plain(8)


@pytest.mark.parametrize("replay", [0, 1])
def test_who_has_not_caught_up_when_the_other_is_lost(replay: int) -> None:
    """It asks for what is missing, by another connection; or tells of it, if that is of no use."""
    two = Two()
    two.merger.end(1, two.now)
    two.merger.begin(1, introduced(replay=replay), EPOCH, (EPOCH, 0))
    two.merger.confirm(1)
    assert two.of(1, message(3)) == []
    two.merger.end(0, two.now)
    assert two.merger.cut == [1] * replay
    if not replay:
        assert two.of(1, message(5)) == [(5, Gap("reconnected", 4, 1, 4, EPOCH))]


def test_a_restart_is_told_once() -> None:
    two = Two()
    for number in (0, 1):
        two.merger.end(number, two.now)
        said = introduced(epoch=EPOCH + 1)
        if two.merger.begin(number, said, EPOCH, (EPOCH + 1, 0)):
            two.merger.confirm(number)
    first, second = message(0, epoch=EPOCH + 1), message(1, epoch=EPOCH + 1)
    assert two.of(0, first) == [(0, Gap("epoch", epoch=EPOCH + 1))]
    assert two.of(1, first.after(Gap("epoch", epoch=EPOCH + 1)), second) == plain(1)


def test_runs_that_are_over_are_forgotten() -> None:
    merger = Merger(2, wants_all=True)
    for epoch in range(20):
        merger.begin(0, introduced(epoch=epoch), None, None)
        merger.take(0, [message(0, epoch=epoch), message(0, epoch=epoch)], 0.0)
        merger.end(0, 0.0)
    assert len(merger._runs) == 4
    assert merger.doubles == 20


# ---------------------------------------------------------------- identity


def keyed(key: int, gap: Gap | None = None) -> Message:
    made = Message()
    made._wire = (b"A", b"%d" % key)
    return made if gap is None else made.after(gap)


def by_payload(one: Message) -> int | None:
    return int(one.payload) or None


class Pair:
    """Two lines to two publishers, of which one numbers its messages and the other does not."""

    def __init__(self, identity: Callable[[Message], Any] = by_payload) -> None:
        self.merger = Merger(2, wants_all=True, identity=identity)
        assert not self.merger.begin(0, introduced(), None, None)
        assert not self.merger.begin(1, None, None, None)

    def of(self, number: int, *messages: Message, now: float = 0.0) -> list[tuple[int, bool]]:
        got = self.merger.take(number, [*messages], now)
        return [(int(one.payload), one.gap is not None) for one in got]


def test_by_identity_never_back_and_doubles_are_counted() -> None:
    pair = Pair()
    assert pair.of(0, keyed(1), keyed(2)) == [(1, False), (2, False)]
    assert pair.of(1, keyed(1), keyed(2), keyed(3)) == [(3, False)]
    assert pair.of(0, keyed(3), keyed(4), keyed(3), keyed(4)) == [(4, False)]
    assert pair.merger.doubles == 5
    assert pair.of(0, keyed(0), keyed(0)) == [(0, False)] * 2, "those have no place"


def test_by_identity_a_gap_waits_for_the_other_and_not_for_long() -> None:
    pair = Pair()
    pair.of(0, keyed(1))
    pair.of(1, keyed(1))
    assert pair.of(0, keyed(4, lag(2, 3)), keyed(5)) == []
    assert pair.of(1, keyed(2), keyed(3)) == [(2, False), (3, False)]
    assert pair.of(1, keyed(4)) == [(4, False), (5, False)]
    assert pair.of(1, keyed(9, Gap("reconnected")), keyed(10)) == []
    assert seen(pair.merger.released(LONG_S)) == [(None, Gap("reconnected")), (None, None)]


def test_by_identity_one_that_joins_later_says_that_something_may_be_missing() -> None:
    pair = Pair()
    pair.merger.end(1, 0.0)
    pair.of(0, keyed(1))
    pair.merger.begin(1, None, None, None)
    assert pair.of(1, keyed(3)) == []
    assert pair.of(0, keyed(2), keyed(3)) == [(2, False), (3, False)]
    assert pair.of(1, keyed(4)) == [(4, False)]


def test_by_identity_what_was_held_back_is_given_when_its_line_is_lost() -> None:
    pair = Pair()
    pair.of(0, keyed(1))
    assert pair.of(0, keyed(4, lag(2, 3)), keyed(5)) == []
    pair.merger.end(0, 0.0)
    assert [int(one.payload) for one in pair.merger.released(0.0)] == [4, 5]


def test_by_identity_what_was_held_back_does_not_come_again_if_another_has_asked_for_it() -> None:
    """It asks for what was missed, and may still bring what is older."""
    pair = Pair()
    pair.of(0, keyed(1))
    assert pair.of(0, keyed(4, lag(2, 3)), keyed(5), keyed(6)) == []
    pair.merger.order(1, is_unordered=True)
    assert pair.of(1, keyed(5)) == [(5, False)]
    pair.merger.end(0, 0.0)
    assert [int(one.payload) for one in pair.merger.released(0.0)] == [4, 6]
    assert pair.merger.doubles == 1


def test_what_was_held_back_comes_before_what_another_line_brings_in_the_same_turn() -> None:
    two = Two()
    assert two.of(1, message(1)) == plain(1)
    assert two.of(0, message(4, lag(1, 3))) == []
    two.merger.end(1, two.now)
    two.merger.end(0, two.now)
    two.merger.begin(1, introduced(), EPOCH, (EPOCH, 1))
    assert two.of(1, message(5)) == [(4, lag(2, 3)), (5, None)]


def test_lines_without_numbers_bring_theirs_beside() -> None:
    merger = Merger(2, wants_all=True)
    for number in (0, 1):
        assert not merger.begin(number, None, None, None)
        assert len(merger.take(number, [keyed(1, Gap("reconnected")), keyed(2)], 0.0)) == 2
    assert merger.losses.holes == 2


def missed_of_two_subscriptions() -> Merger:
    """Line 0 is asked for what was missed, and is lost with but a part of it; line 1 is cut."""
    merger = Merger(2, wants_all=False)
    merger.begin(0, introduced(), None, (EPOCH, 0))
    assert seen(merger.take(0, [message(4)], 0.0)) == plain(4)
    merger.order(0, is_unordered=True)
    merger.begin(1, introduced(), None, (EPOCH, 20))
    assert seen(merger.take(0, [message(10), message(12)], 0.0)) == plain(10, 12)
    merger.end(0, 0.0)
    assert merger.cut == [1]
    merger.end(1, 0.0)
    return merger


def test_what_is_missed_is_asked_for_from_where_nothing_was_missing() -> None:
    run = missed_of_two_subscriptions().run_of(EPOCH)
    assert run is not None
    assert run.last == 4


@pytest.mark.parametrize("is_unordered", [True, False])
def test_what_came_out_of_order_does_not_come_again(*, is_unordered: bool) -> None:
    merger = missed_of_two_subscriptions()
    merger.begin(1, introduced(), EPOCH, (EPOCH, 5))
    merger.order(1, is_unordered=is_unordered)
    brought = [*map(message, (5, 7, 10, 11, 12, 13))]
    assert seen(merger.take(1, brought, 0.0)) == plain(5, 7, 11, 13)
    merger.order(1, is_unordered=False)
    run = merger.run_of(EPOCH)
    assert run is not None
    assert run.last == 13
    assert merger.doubles == 2


def test_a_line_that_is_in_order_again_has_brought_no_more_than_it_has() -> None:
    merger = missed_of_two_subscriptions()
    merger.begin(1, introduced(), EPOCH, (EPOCH, 5))
    merger.order(1, is_unordered=True)
    merger.order(1, is_unordered=False)  # all is taken, and nothing has come
    assert seen(merger.take(1, [message(5), message(7), message(10)], 0.0)) == plain(5, 7)


def test_a_gap_before_what_came_already_is_told_with_the_next() -> None:
    merger = missed_of_two_subscriptions()
    merger.begin(1, introduced(), EPOCH, (EPOCH, 5))
    merger.order(1, is_unordered=True)
    gap = lag(5, 9)
    assert seen(merger.take(1, [message(10, gap), message(11)], 0.0)) == [(11, gap)]
    assert merger.losses.missing == gap.count
