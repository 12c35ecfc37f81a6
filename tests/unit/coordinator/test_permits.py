"""What follows from rights: what is told, to whom, and what is ended."""

from __future__ import annotations

import threading

from fanout.control.messages import Evict
from fanout.control.rights import Asked, Permit, Permitted, Refused
from fanout.coordinator import actions as do
from fanout.coordinator import permits, reports
from fanout.events import EventKind
from fanout.reasons import Reason
from tests.unit.coordinator.bench import closed
from tests.unit.coordinator.test_reports import NOW, admit, served

USER = "desk7", ""


def test_all_workers_of_a_user_are_told_and_answer() -> None:
    state = served()
    connection = admit(state)
    state.access.enter(connection, USER, None, None)
    flag = threading.Event()
    [say] = permits.permit(state, "desk7", (b"a",), flag)
    assert say == do.Say(connection.worker, Permit(connection.subscriber, 1, False, [b"a"]))
    assert reports.take(state, 0, Permitted(connection.subscriber, 1), NOW) == [do.Answer(flag)]
    assert reports.take(state, 0, Permitted(99, 1), NOW) == []
    flag = threading.Event()
    permits.permit(state, "desk7", None, flag)
    actions = reports.take(state, 0, closed(connection.subscriber), NOW)
    assert do.Answer(flag) in actions, "who is gone is not waited for"


def test_what_is_refused_is_told_and_counted() -> None:
    state = served()
    connection = admit(state)
    connection.user = "desk7"
    [tell] = reports.take(state, 0, Refused(connection.subscriber, 3, [b"x" * 50]), NOW)
    assert isinstance(tell, do.Tell)
    event = tell.event
    assert (event.kind, event.user) == (EventKind.SUBSCRIPTION_REFUSED, "desk7")
    assert event.cause is Reason.NOT_PERMITTED
    assert event.reason == f"may not have {b'x' * 40!r}, and 2 more"
    assert state.ledger.subscriptions_refused == 3


def test_what_is_asked_for_is_bounded() -> None:
    state = served()
    state.max_interest_bytes = 10
    connection = admit(state)
    assert reports.take(state, 0, Asked(connection.subscriber, [b"x" * 10], []), NOW) == []
    [say] = reports.take(state, 0, Asked(connection.subscriber, [b"y"], []), NOW)
    assert isinstance(say, do.Say)
    assert isinstance(say.message, Evict)
    assert say.message.cause == Reason.LIMIT.number
    assert reports.take(state, 0, Asked(connection.subscriber, [b"z"], []), NOW) == []


def test_who_is_sent_away_is_cut_off_whatever_its_worker_finds() -> None:
    state = served()
    connection = admit(state)
    state.duplicates[connection.subscriber] = 77
    state.access.enter(connection, USER, None, None)
    cut, say = permits.send_away(state, "desk7", None, "left")
    assert cut == do.Cut(77)
    assert isinstance(say, do.Say)
    actions = reports.take(state, 0, closed(connection.subscriber), NOW)
    told = [one.event for one in actions if isinstance(one, do.Tell)]
    assert [one.kind for one in told] == [EventKind.SUBSCRIBER_EVICTED]
    assert told[0].cause is Reason.DISCONNECTED_BY_CALL
    assert told[0].reason.endswith(": left")
    assert permits.send_away(state, "desk7", None, "") == []
