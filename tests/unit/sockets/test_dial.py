"""When an endpoint is connected to."""

from __future__ import annotations

from fanout.sockets.dial import Dial, DialState
from fanout.subscriber.backoff import BackOff
from fanout.transport.endpoints import parse_endpoint


def test_it_comes_back_later_and_later_until_it_was_of_use() -> None:
    dial = Dial(parse_endpoint("tcp://127.0.0.1:5556"), BackOff(lambda: 0.5))
    assert dial.is_due(0.0)
    waits = []
    now = 0.0
    for _ in range(4):
        dial.connecting(now)
        assert not dial.is_due(now)
        dial.lost(now)
        due = dial.next_at()
        assert due is not None
        assert not dial.is_due(due - 0.001)
        assert dial.is_due(due)
        waits.append(due - now)
        now = due
    assert [round(wait, 2) for wait in waits] == [0.05, 0.1, 0.2, 0.4]
    dial.connecting(now)
    dial.up()
    assert dial.next_at() is None
    dial.of_use()
    dial.lost(now)
    assert round((dial.next_at() or 0) - now, 2) == 0.05


def test_an_attempt_takes_so_long_at_most() -> None:
    dial = Dial(parse_endpoint("tcp://127.0.0.1:5556"), BackOff(lambda: 0.5))
    dial.connecting(1.0)
    assert dial.state is DialState.CONNECTING
    assert not dial.is_too_late(10.9)
    assert dial.is_too_late(11.0)
