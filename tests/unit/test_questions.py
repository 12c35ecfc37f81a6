"""Totals: what is asked of a running publisher fits together."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, TypeVar
from unittest import mock

import pytest

from fanout.coordinator.ledger import Ledger
from fanout.coordinator.roster import Accepted
from fanout.questions import Watcher
from fanout.shm.segment import Segment
from fanout.shm.subscriber_slot import NOTHING, SubscriberSlot
from tests.helpers.log import SMALL

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

T = TypeVar("T")


@pytest.fixture
def segment() -> Iterator[Segment]:
    segment = Segment.create(SMALL)
    yield segment
    segment.close()


def test_who_is_closed_while_totals_are_taken_is_counted_once(segment: Segment) -> None:
    connection = Accepted(7, 2, 1, "peer:1", "tcp://x", "zmtp", "3.1")
    slot = SubscriberSlot(segment, connection.slot)
    slot.take(7)
    slot.checkpoint(NOTHING._replace(matched=5, sent=5))
    coordinator = mock.Mock(segment=segment, links=[])
    state = coordinator.state
    state.ledger = Ledger()
    state.roster = SimpleNamespace(connections={7: connection})
    state.interest.subscriptions.return_value = 1
    log = mock.Mock(head=0, position=0)

    def call(function: Callable[[], T]) -> T:
        result = function()
        if state.roster.connections.pop(7, None) is not None:
            state.ledger.sent += 5  # it ends right after the coordinator was asked
        return result

    coordinator.call = call

    assert Watcher(coordinator, log, lambda: None).statistics().sent == 5
