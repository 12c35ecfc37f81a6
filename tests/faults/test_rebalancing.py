"""Subscribers that have all come to one worker are spread, at full rate, and do not notice."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fanout import EventKind
from fanout.coordinator import balance, rebalancing
from tests.faults.test_takeover import Faults

if TYPE_CHECKING:
    import pytest

LOOK = 0.2  # seconds


def test_who_have_all_come_to_one_worker_are_spread(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a fifth of the time that it takes with the times of every day."""
    for module in (balance, rebalancing):
        monkeypatch.setattr(module, "LOOK", LOOK)
        monkeypatch.setattr(module, "WINDOW", 5 * LOOK)
        monkeypatch.setattr(module, "LOAD_MIN", 0.01)  # a busy machine gives workers little more
    monkeypatch.setattr(balance, "HOT_FOR", 3 * LOOK)
    monkeypatch.setattr(balance, "QUIET", 10 * LOOK)
    faults = Faults(6, 1)
    with faults.publisher as publisher, faults.audience:
        for one in publisher.subscribers():
            publisher.move(one.id, 0)
        roster = publisher._engine._coordinator.state.roster
        faults.publish_until(lambda: roster.count(1) >= 2)
        faults.end()
        totals = publisher.statistics()
        told = faults.happenings.wait_for(EventKind.SUBSCRIBER_MOVED, totals.moved)
        assert sum(event.reason.endswith(rebalancing.WHY) for event in told) >= 2
        assert totals.not_resumed == 0
