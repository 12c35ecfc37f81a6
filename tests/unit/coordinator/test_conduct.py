"""Conduct: who says too much, and who says nothing any more, is told of and counted."""

from __future__ import annotations

from fanout.control.conduct import ReadsOn, Throttled
from fanout.coordinator import actions as do
from fanout.events import EventKind
from fanout.reasons import Reason
from tests.unit.coordinator.test_reports import admit, served, take


def test_who_takes_more_than_its_part_is_named_and_counted() -> None:
    state = served()
    one = admit(state)

    (told,) = take(state, one, Throttled(one.subscriber))
    assert isinstance(told, do.Tell)
    event = told.event
    assert (event.kind, event.cause) == (EventKind.SUBSCRIBER_THROTTLED, Reason.BUSY)
    assert (event.subscriber, event.peer) == (one.subscriber, one.peer)
    assert state.ledger.throttled == 1
    assert take(state, one, Throttled(99)) == []


def test_who_has_ended_its_side_is_told_of_once_whoever_serves_it() -> None:
    state = served()
    one, other = admit(state), admit(state)

    (told,) = take(state, one, ReadsOn(one.subscriber))
    assert isinstance(told, do.Tell)
    event = told.event
    assert (event.kind, event.cause) == (EventKind.SUBSCRIBER_HALF_CLOSED, None)
    assert (event.subscriber, event.peer) == (one.subscriber, one.peer)
    assert take(state, one, ReadsOn(one.subscriber)) == [], "its next worker says it again"
    assert take(state, one, ReadsOn(99)) == []
    assert take(state, other, ReadsOn(other.subscriber))
    assert state.ledger.half_closed == 2
