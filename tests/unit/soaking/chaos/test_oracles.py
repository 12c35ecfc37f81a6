"""What a subscriber must get, by its policy: everything that is not that is found."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING

import pytest

from soaking.chaos.messages import Wants, topic_of
from soaking.chaos.oracles import Changing, Fault, Losing, Marked, Oracle, Whole, Wrong

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

ALL, NONE = Wants([b""]), Wants([b"U"])
ALWAYS, OTHER = b"T0", b"T1"
NEVER = 1 << 30


def numbers(prefix: bytes, first: int = 0) -> Iterable[int]:
    wants = Wants([prefix])
    return [number for number in range(first, first + 2_000) if wants.has(number)]


def take(oracle: Oracle, *taken: int) -> Oracle:
    for number in taken:
        oracle.take(number)
    return oracle


@pytest.mark.parametrize(
    ("taken", "fault"),
    [
        ((0, 1, 3), Fault.LOST),
        ((1,), Fault.LOST),
        ((0, 1, 1), Fault.DOUBLED),
        ((0, 1, 0), Fault.DOUBLED),
    ],
)
def test_who_may_lose_nothing_gets_each_once(taken: tuple[int, ...], fault: Fault) -> None:
    with pytest.raises(Wrong) as wrong:
        take(Whole(ALL, 0), *taken)

    assert wrong.value.fault is fault


def test_who_came_later_may_begin_anywhere_and_then_loses_nothing() -> None:
    assert take(Whole(ALL, -1), 17, 18).expected == 19
    with pytest.raises(Wrong, match="20 came, 19 is next"):
        take(Whole(ALL, -1), 17, 18, 20)


@pytest.mark.parametrize("make", [Whole, Losing])
def test_what_was_not_wanted_must_not_come(make: Callable[[Wants, int], Oracle]) -> None:
    for first in (0, -1):
        with pytest.raises(Wrong) as wrong:
            take(make(NONE, first), 5)

        assert wrong.value.fault is Fault.UNWANTED


def test_the_last_one_must_have_come() -> None:
    whole = take(Whole(ALL, 0), 0, 1)

    assert (whole.has_all(2), whole.has_all(3), whole.missing_of(5)) == (True, False, 3)
    whole.finish(2)
    with pytest.raises(Wrong, match="the last 3"):
        whole.finish(5)


def test_what_is_missing_is_counted_and_order_is_kept_where_messages_may_be_lost() -> None:
    oracle = take(Losing(ALL, 0), 2, 3, 7)

    assert (oracle.received, oracle.missing, oracle.missing_of(10)) == (3, 5, 7)
    with pytest.raises(Wrong) as wrong:
        oracle.take(7)
    assert wrong.value.fault is Fault.DOUBLED


def test_with_conflate_the_newest_of_each_topic_must_have_come() -> None:
    published = 1_000
    newest = sorted(ALL.last_of_topics(published).values())

    take(Losing(ALL, 0, newest=True), *newest).finish(published)
    with pytest.raises(Wrong, match="the newest of"):
        take(Losing(ALL, 0, newest=True), *newest[1:]).finish(published)


@pytest.mark.parametrize(
    ("told", "is_right"), [((2, 3, 2), True), ((2, 3, 1), False), (None, False), ((1, 3, 2), False)]
)
def test_each_gap_is_told_before_the_message_after_it(
    told: tuple[int, int, int] | None, is_right: bool
) -> None:
    oracle = Marked(ALL, 0)
    take(oracle, 0, 1)

    with nullcontext() if is_right else pytest.raises(Wrong) as wrong:
        if told is not None:
            oracle.marker(*told)
        oracle.take(4)
    assert wrong is None or wrong.value.fault is Fault.MARKER


# Subscriptions that change.


def changing(state: str, by: int = NEVER) -> tuple[Changing, list[int], list[int]]:
    """One that has got all below 500, and is in this state; what comes next of either."""
    oracle = Changing([ALWAYS], [OTHER], 0)
    always, other = list(numbers(ALWAYS)), list(numbers(OTHER))
    take(oracle, *(n for n in always if n < 200))
    if state != "off":
        oracle.asked()
        taken = [n for n in always if 200 <= n < 500]
        if state != "coming":
            oracle.answered(200)
            taken = sorted([*taken, *(n for n in other if 200 <= n < 500)])
        take(oracle, *taken)
    else:
        take(oracle, *(n for n in always if 200 <= n < 500))
    if state == "going":
        oracle.asked()
    if by != NEVER:
        oracle.answered(by)
    return oracle, [n for n in always if n >= 500], [n for n in other if n >= 500]


def test_what_was_never_subscribed_to_must_not_come() -> None:
    oracle, _, other = changing("off")
    with pytest.raises(Wrong, match="cancelled"):
        oracle.take(other[0])


def test_what_is_subscribed_to_begins_anywhere_until_there_is_an_answer() -> None:
    oracle, always, other = changing("coming")
    begun = other[5]

    take(oracle, *(n for n in always if n < begun), begun)
    assert oracle.is_settled
    with pytest.raises(Wrong):
        take(oracle, *(n for n in always if begun < n <= other[6] + 100))


def test_what_is_published_after_the_answer_must_come() -> None:
    oracle, always, other = changing("coming", by=600)
    due = next(n for n in other if n >= 600)

    take(oracle, *(n for n in always if n < due))
    with pytest.raises(Wrong, match="subscribed to"):
        oracle.take(next(n for n in always if n > due))


def test_what_flows_has_no_gap() -> None:
    oracle, always, other = changing("on")
    take(oracle, *sorted([*(n for n in always if n < other[1]), other[0]]))

    with pytest.raises(Wrong) as wrong:
        take(oracle, *(n for n in always if other[1] < n))
    assert wrong.value.fault is Fault.LOST


def test_what_is_cancelled_ends_at_the_answer_at_the_latest_and_does_not_come_again() -> None:
    oracle, always, other = changing("going", by=700)
    last = next(n for n in other if n >= 700)
    flow = [n for n in sorted([*always, *other]) if n < last]

    take(oracle, *flow)
    with pytest.raises(Wrong, match="cancelled since 700"):
        oracle.take(last)

    oracle, always, other = changing("going", by=700)
    take(oracle, *(n for n in always if n < 900))
    assert oracle.state == Changing.OFF
    with pytest.raises(Wrong):
        oracle.take(next(n for n in other if n > 900))


def test_topics_of_either_kind_are_there() -> None:
    assert {topic_of(n)[:2] for n in [*numbers(ALWAYS), *numbers(OTHER)]} == {b"T0", b"T1"}
