"""Pace: batches grow while sends are small, and shrink when they are large."""

from __future__ import annotations

import pytest

from fanout.workers.stream.pace import CAREFUL_BATCHES, SHARED_SENDS, Pace
from fanout.workers.tuning import TUNING

MESSAGES_MIN, MESSAGES_MAX = TUNING.batch_messages_min, TUNING.batch_messages_max
SEND_BYTES_AIM = TUNING.batch_send_bytes


def test_full_batches_of_small_sends_grow_to_a_limit() -> None:
    pace = Pace()
    for _ in range(10):
        pace.learn(pace.messages, 1 << 20, 10, 10, 10 * 100)

    assert pace.messages == MESSAGES_MAX


def test_a_batch_that_was_not_full_changes_nothing() -> None:
    pace = Pace()
    pace.learn(pace.messages - 1, 1 << 20, 10, 10, 10 * 100)

    assert pace.messages == MESSAGES_MIN


def test_large_sends_make_batches_smaller_again() -> None:
    pace = Pace()
    pace.messages = MESSAGES_MAX
    pace.learn(MESSAGES_MAX, 1 << 30, 10, 10, 10 * 3 * SEND_BYTES_AIM)

    assert pace.messages == MESSAGES_MAX // 2


@pytest.mark.parametrize(("distinct", "grown"), [(1, 2), (2, 1)])
def test_what_many_get_alike_may_be_twice_as_large(distinct: int, grown: int) -> None:
    pace = Pace()
    sends = SHARED_SENDS
    pace.learn(MESSAGES_MIN, 1 << 30, distinct, sends, sends * SEND_BYTES_AIM * 3 // 2)

    assert pace.messages == MESSAGES_MIN * grown


def test_the_share_of_a_send_is_that_of_the_last_batch_with_sends() -> None:
    pace = Pace()
    before = pace.share
    pace.learn(100, 10_000, 4, 4, 2_000)
    learnt = pace.share
    pace.learn(100, 10_000, 0, 0, 0)

    assert before == 1.0
    assert learnt == pace.share == pytest.approx(0.05)


def test_a_batch_that_was_cut_grows_in_small_steps_for_a_while() -> None:
    pace = Pace()
    pace.cut(800)
    grown = []
    for _ in range(CAREFUL_BATCHES + 1):
        pace.messages = 800
        pace.learn(800, 1 << 20, 10, 10, 10 * 100)
        grown.append(pace.messages)

    assert grown == [901] * CAREFUL_BATCHES + [1600]


@pytest.mark.parametrize(("each", "messages"), [(SEND_BYTES_AIM, 500), (1_000, 1_000)])
def test_a_batch_that_took_too_long_to_send_is_halved_unless_its_sends_are_small(
    each: int, messages: int
) -> None:
    pace = Pace()
    pace.learn(500, 1 << 20, 10, 10, 10 * each)
    pace.messages = 1_000
    pace.shorten(1_000, 2 << 20)
    halved = pace.messages
    pace.learn(pace.messages, 1 << 20, 10, 10, 10 * 100)

    assert halved == messages
    assert pace.messages == (2_000 if messages == 1_000 else 500 + 1 + 500 // 8)


def test_the_sends_of_a_batch_are_large_from_a_quarter_of_what_is_aimed_at() -> None:
    pace = Pace()
    pace.learn(100, 1 << 20, 4, 4, SEND_BYTES_AIM)
    exactly = pace.has_large_sends(1 << 20)
    pace.learn(100, 1 << 20, 4, 4, SEND_BYTES_AIM + 4)
    large = pace.has_large_sends(1 << 20)
    pace.learn(100, 1 << 20, 0, 0, 0)

    assert [exactly, large, pace.has_large_sends(1 << 20)] == [False, True, True]


def test_whether_sends_are_large_is_about_the_batch_at_hand_not_about_the_last_one() -> None:
    """What is left of a backlog makes small sends, and the next flood large ones at once."""
    pace = Pace()
    pace.learn(10, 1_000, 4, 4, 4 * 20)

    assert [pace.has_large_sends(size) for size in (1_000, 1 << 20)] == [False, True]
