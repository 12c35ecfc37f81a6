"""Naps: only in a flood, never for long, and not while there is enough to send."""

from __future__ import annotations

import pytest

from fanout.basics.units import NS
from fanout.shm.credit import Credit
from fanout.workers.naps import (
    FLOOD_RATE,
    LOG_PART,
    NAP,
    NAP_MAX,
    NAP_MIN,
    NAP_WORK,
    NAPS_MAX,
    SEND_BYTES,
    WINDOW_NS,
    Naps,
)

LOG_BYTES = 64 << 20
WORK = NS // 100  # after which it naps for as long as it may


def naps_at(rate: float, message_bytes: int = 100, log_bytes: int = LOG_BYTES) -> Naps:
    """Naps that have seen one window with so many messages a second."""
    naps = Naps(log_bytes)
    naps.learn(0, 0, NS)
    count = int(rate * WINDOW_NS / NS)
    naps.learn(count, count * message_bytes, NS + WINDOW_NS)
    return naps


@pytest.mark.parametrize(("rate", "is_flood"), [(FLOOD_RATE, False), (FLOOD_RATE * 1.01, True)])
def test_from_some_rate_on_it_is_a_flood(rate: float, is_flood: bool) -> None:
    naps = Naps(LOG_BYTES)
    count = int(rate * WINDOW_NS / NS)

    assert not naps.learn(0, 0, NS)
    assert naps.learn(count, count * 100, NS + WINDOW_NS) is is_flood
    assert naps.learn(count, count * 100, NS + WINDOW_NS + 1) is is_flood, "for a window"


def test_naps_grow_with_the_rate() -> None:
    pauses = [naps_at(rate, 4).pause(0, 0, 1.0) for rate in (60_000, 300_000, 9_000_000)]

    assert pauses == pytest.approx([NAP, 3 * NAP, NAPS_MAX * NAP])


def test_who_works_much_naps_longer_but_not_for_ever() -> None:
    naps = naps_at(60_000, 10)

    assert naps.pause(1_000_000, 0, 1.0) == pytest.approx(NAP_WORK * 0.001)
    assert naps.pause(NS, 0, 1.0) == NAP_MAX


def test_a_burst_is_no_flood_however_close_its_turns_are() -> None:
    naps = naps_at(1_000)
    now = NS + WINDOW_NS
    for turn in range(1, 40):
        assert not naps.learn(10 + turn * 10, 1_000, now + turn * 50_000)


def test_turns_without_messages_do_not_make_a_flood_of_those_with() -> None:
    naps = Naps(LOG_BYTES)
    front = 0
    for number in range(200):
        tick = NS + number * 10_000_000
        assert not naps.learn(front, front * 100, tick)
        front += 100
        assert not naps.learn(front, front * 100, tick + 30_000)


def test_after_a_flood_and_a_rest_it_is_over() -> None:
    naps = naps_at(1_000_000)
    front = int(1_000_000 * WINDOW_NS / NS)

    assert not naps.learn(front + 1, (front + 1) * 100, 2 * NS)


def test_a_nap_ends_when_there_is_enough_to_send() -> None:
    naps = naps_at(100_000, 5_000)

    assert naps.pause(NS, 0, 1.0) == pytest.approx(SEND_BYTES / 500_000_000)
    assert naps.pause(NS, SEND_BYTES, 1.0) == 0.0


def test_where_a_send_carries_little_of_the_log_more_may_accumulate() -> None:
    naps = naps_at(100_000, 5_000)

    assert naps.pause(NS, SEND_BYTES, 0.01) == NAP_MAX


@pytest.mark.parametrize("log_bytes", [64 * 1024, 1 << 20, LOG_BYTES])
def test_whatever_a_send_carries_most_of_the_log_is_left_to_the_publisher(log_bytes: int) -> None:
    naps = naps_at(100_000, 100, log_bytes)

    assert naps.pause(NS, log_bytes // LOG_PART, 1e-6) == 0.0


def test_it_ends_before_the_publisher_has_no_credit() -> None:
    assert naps_at(100_000).pause(WORK, 0, 1.0, Credit(sequence=100)) == pytest.approx(0.0005)
    assert naps_at(100_000).pause(WORK, 0, 1.0, Credit(position=10_000)) == pytest.approx(0.0005)
    assert naps_at(100_000).pause(WORK, 0, 1.0, Credit(1, 1, room=10_000)) == pytest.approx(0.0005)
    assert naps_at(100_000).pause(WORK, 0, 1.0, Credit(1, 1)) == NAP_MIN, (
        "it is rung if that is long"
    )


def test_once_the_publisher_had_to_wait_it_ends_earlier_for_a_while() -> None:
    naps, left = naps_at(100_000), Credit(sequence=100)
    usual = naps.pause(WORK, 0, 1.0, left)
    naps.hurry()
    shorter = naps.pause(WORK, 0, 1.0, left)
    assert shorter < 0.6 * usual
    assert shorter < naps.pause(WORK, 0, 1.0, left) < usual
    for _ in range(100):
        again = naps.pause(WORK, 0, 1.0, left)
    assert again == usual
    for _ in range(2_000):
        naps.hurry()
    assert naps.pause(WORK, 0, 1.0, Credit(sequence=1 << 20)) > NAP_MIN, "it is not forgotten"
