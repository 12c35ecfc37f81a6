"""What tests wait for has a deadline, and is not taken for there when it is not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
import zmq

from fanout import Again
from tests.helpers import stock
from tests.helpers.filling import fill


class Noisy:
    """A socket on which there is always another event."""

    def poll(self, _timeout_ms: int) -> bool:
        return True


def test_an_event_that_does_not_come_is_missed_though_others_keep_coming(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    source: Any = Noisy()
    monkeypatch.setattr(stock, "DEADLINE_S", 0.05)
    monkeypatch.setattr(
        stock, "recv_monitor_message", lambda _: {"event": zmq.EVENT_CONNECT_DELAYED}
    )
    monitor = stock.Monitor(source)

    with pytest.raises(AssertionError, match=r"no <Event.DISCONNECTED.* within 0\.05 s"):
        monitor.wait_for(zmq.EVENT_DISCONNECTED)
    monitor.wait_for(zmq.EVENT_CONNECT_DELAYED)


@dataclass
class Figures:
    sent_bytes: int
    lag_bytes: int = 0


class Starved:
    """A publisher whose worker goes on only now and then, and has room for so many."""

    def __init__(self, room: int) -> None:
        self.room = room
        self.taken = 0
        self.calls = 0

    def publish(self, number: int) -> None:
        self.calls += 1
        if self.taken == self.room or self.calls % 3 == 0:
            raise Again("no room")
        assert number == self.taken
        self.taken += 1

    def subscribers(self) -> tuple[Figures, ...]:
        return (Figures(self.taken),)


def test_a_log_is_full_when_nothing_goes_on_and_not_when_one_wait_was_in_vain() -> None:
    starved: Any = Starved(10)

    assert fill(starved, starved.publish) == 10
