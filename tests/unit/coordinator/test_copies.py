"""Copies: while there is no descriptor for who is to go on, that is told of and counted."""

from __future__ import annotations

import errno

from fanout.coordinator.actions import Tell
from fanout.coordinator.copies import AGAIN, Copies
from fanout.coordinator.interest import Interest
from fanout.coordinator.ledger import Ledger
from fanout.coordinator.state import make_state
from fanout.events import EventKind
from fanout.options import Options
from fanout.reasons import Reason

SUBSCRIBER, DESCRIPTOR, COPY = 7, 40, 41


class Case:
    """Copies in a system that may be out of descriptors."""

    def __init__(self) -> None:
        self.now, self.error, self.closed = 100.0, 0, [0]
        self.ledger = Ledger()
        state = make_state(Options(), 1, Interest(), self.ledger, self.now)
        state.duplicates[SUBSCRIBER] = DESCRIPTOR
        self.copies = Copies(state, lambda: self.now, self.duplicate, self.closed.append)

    def duplicate(self, descriptor: int) -> int:
        assert descriptor == DESCRIPTOR
        if self.error:
            raise OSError(self.error, "none")
        return COPY


def test_there_is_one_for_who_goes_on_and_nothing_is_told() -> None:
    case = Case()
    assert case.copies.make(SUBSCRIBER) == COPY
    assert case.copies.can_be_made(SUBSCRIBER)
    assert case.closed == [0, COPY]
    assert (case.copies.told(), case.ledger.takeover_pauses) == ([], 0)


def test_each_time_that_there_is_none_is_told_and_counted() -> None:
    case = Case()
    case.error = errno.EMFILE
    assert case.copies.make(SUBSCRIBER) is None
    assert case.copies.again_at == case.now + AGAIN
    assert not case.copies.can_be_made(SUBSCRIBER)
    first, second = case.copies.told()
    assert first == second
    assert isinstance(first, Tell)
    event = first.event
    assert (event.kind, event.cause) == (EventKind.TAKEOVER_PAUSED, Reason.NO_RESOURCES)
    assert "raise the limit (`ulimit -n`)" in event.reason
    assert case.ledger.takeover_pauses == 2
    assert case.copies.told() == []


def test_it_is_known_for_how_long_there_was_none() -> None:
    case = Case()
    case.error = errno.ENFILE
    case.copies.make(SUBSCRIBER)
    case.now += 5.0
    case.copies.make(SUBSCRIBER)
    assert case.copies.are_short_for(5.0)
    assert not case.copies.are_short_for(5.1)
    case.error = 0
    case.copies.make(SUBSCRIBER)
    assert not case.copies.are_short_for(0.0)
    case.error = errno.EMFILE
    case.copies.make(SUBSCRIBER)
    case.copies.forget()
    assert not case.copies.are_short_for(0.0)


def test_that_there_was_none_for_one_that_does_not_wait_is_no_beginning() -> None:
    """Or who waits much later would be given up at the first try: nobody has tried in between."""
    case = Case()
    case.error = errno.EMFILE
    assert not case.copies.can_be_made(SUBSCRIBER)
    case.now += 60.0
    case.copies.make(SUBSCRIBER)
    case.now += 1.0
    assert case.copies.are_short_for(1.0)
    assert not case.copies.are_short_for(1.1)


def test_who_waits_does_not_wait_longer_since_there_was_none_for_others() -> None:
    case = Case()
    case.error = errno.EMFILE
    case.copies.make(SUBSCRIBER)
    again_at = case.copies.again_at
    case.now += AGAIN / 2
    assert not case.copies.can_be_made(SUBSCRIBER)
    assert case.copies.again_at == again_at


def test_a_worker_that_had_none_is_named() -> None:
    case = Case()
    case.copies.refused("there was no descriptor", 3)
    (told,) = case.copies.told()
    assert isinstance(told, Tell)
    assert (told.event.worker, told.event.reason) == (3, "there was no descriptor")
