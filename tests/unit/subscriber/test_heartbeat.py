"""When a PING is due, and when silence is an end."""

from __future__ import annotations

import pytest

from fanout.subscriber.heartbeat import LOST_AFTER_S, PING_EACH_S, Heartbeat

START = 100.0


def test_a_ping_is_due_after_silence_and_then_not_before_as_much_again() -> None:
    heartbeat = Heartbeat(START)
    assert not heartbeat.begin_ping(START + PING_EACH_S - 0.1)
    heartbeat.hear(START + 1)
    assert not heartbeat.begin_ping(START + PING_EACH_S)
    assert heartbeat.begin_ping(START + 1 + PING_EACH_S)
    assert not heartbeat.begin_ping(START + 2 * PING_EACH_S)
    assert heartbeat.begin_ping(START + 1 + 2 * PING_EACH_S)


def test_it_is_overdue_after_silence_for_which_nobody_vouches() -> None:
    heartbeat = Heartbeat(START)
    assert not heartbeat.is_overdue(START + LOST_AFTER_S - 0.1)
    assert heartbeat.is_overdue(START + LOST_AFTER_S)
    heartbeat.vouch(START + 1)
    assert not heartbeat.is_overdue(START + LOST_AFTER_S)
    assert heartbeat.is_overdue(START + 1 + LOST_AFTER_S)
    heartbeat.hear(START + 2)
    assert not heartbeat.is_overdue(START + 1 + LOST_AFTER_S)


def test_its_silence_lasts_no_longer_than_it_has_said() -> None:
    heartbeat = Heartbeat(START)
    assert not heartbeat.is_over(START + 1_000)
    heartbeat.ttl_s = 0.5
    assert not heartbeat.is_over(START + 0.4)
    assert heartbeat.is_over(START + 0.5)
    heartbeat.vouch(START + 0.4)
    assert heartbeat.is_over(START + 0.5), "others do not speak for it there"
    heartbeat.hear(START + 0.4)
    assert not heartbeat.is_over(START + 0.5)


@pytest.mark.parametrize(
    ("ttl_s", "pings", "judged", "after"),
    [
        (0.0, False, False, None),
        (0.0, False, True, None),
        (2.0, False, False, 2.0),
        (7.0, True, False, PING_EACH_S),
        (0.0, True, True, PING_EACH_S),
        (2.0, True, True, 2.0),
    ],
)
def test_it_says_when_the_first_of_these_is_so(
    ttl_s: float, pings: bool, judged: bool, after: float | None
) -> None:
    heartbeat = Heartbeat(START)
    heartbeat.ttl_s = ttl_s
    at = heartbeat.next_at(pings=pings, judged=judged)
    assert at == (None if after is None else START + after)


def test_who_is_judged_is_so_when_it_is_overdue_though_pings_go_out() -> None:
    heartbeat = Heartbeat(START)
    assert heartbeat.begin_ping(START + LOST_AFTER_S - 1)
    assert heartbeat.next_at(pings=True, judged=True) == START + LOST_AFTER_S
    assert heartbeat.next_at(pings=True, judged=False) == START + LOST_AFTER_S - 1 + PING_EACH_S
