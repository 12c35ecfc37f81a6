"""Reports: what a worker says changes the state, and says what is to be done."""

from __future__ import annotations

from threading import Event as Flag
from typing import TYPE_CHECKING

import pytest

from fanout.control.messages import (
    Chose,
    Closed,
    Connected,
    ControlError,
    Declined,
    Evict,
    Finish,
    Message,
    SetPolicy,
    SlotsWritten,
    Slow,
    Started,
    Subscriptions,
    WriteSlots,
)
from fanout.coordinator import actions as do
from fanout.coordinator import reports
from fanout.coordinator.interest import Interest
from fanout.coordinator.ledger import Ledger
from fanout.coordinator.roster import Accepted
from fanout.coordinator.state import State, make_state
from fanout.coordinator.wrecks import Wrecks
from fanout.errors import ConfigError
from fanout.events import EventKind
from fanout.options import Options
from fanout.reasons import Reason
from fanout.terms.slow_policy import SlowPolicy, SlowRule
from tests.helpers.losses import NoLosses
from tests.unit.coordinator.bench import closed

if TYPE_CHECKING:
    from fanout.coordinator.actions import Action
    from fanout.coordinator.lost import Unreported

NOW = 1_000.0
WORKERS = 2


def served(options: Options | None = None) -> State:
    """A state with workers that serve."""
    state = make_state(
        options or Options(max_subscribers=4, max_subscribers_per_address=4),
        WORKERS,
        Interest(),
        Ledger(),
        NOW,
    )
    for worker in range(WORKERS):
        state.supervision.started(worker)
        reports.take(state, worker, Started(100 + worker), NOW)
    return state


def admit(state: State, *prefixes: bytes, connected: bool = True, peer: str = "peer:1") -> Accepted:
    """A subscriber with these subscriptions."""
    admitted = state.roster.admit(
        peer, "tcp://x", "zmtp", state.supervision.ready, [0] * WORKERS, NOW
    )
    assert isinstance(admitted, Accepted)
    state.duplicates[admitted.subscriber] = 700 + admitted.subscriber
    if connected:
        take(state, admitted, Connected(admitted.subscriber, "3.1"))
    if prefixes:
        take(state, admitted, Subscriptions(admitted.subscriber, 0, list(prefixes), []))
    return admitted


def take(
    state: State,
    connection: Accepted,
    message: Message,
) -> list[Action]:
    return reports.take(state, connection.worker, message, NOW)


def lose(state: State, worker: int) -> list[Action]:
    """The process of this worker ends; its subscribers had been sent 5 messages each."""

    def final_of(connection: Accepted, cause: Reason, _later: Unreported) -> Closed:
        evicted = cause is not Reason.PUBLISHER_CLOSED
        figures = (9, 5, 1, 3, 0)
        return Closed(connection.subscriber, evicted, cause.number, cause.text, *figures)

    told = state.supervision.ended(worker, "exit status 4", NOW)
    return Wrecks(state, NoLosses(), final_of, lambda: NOW).add(worker, told)


def kinds(actions: list[Action]) -> list[EventKind]:
    return [action.event.kind for action in actions if isinstance(action, do.Tell)]


def test_a_worker_is_woken_after_its_subscription_is_known() -> None:
    """What was published while it was not known did not ring for it."""
    state = served()
    one = admit(state)

    actions = take(state, one, Subscriptions(one.subscriber, 9, [b"A", b"B"], []))

    assert do.Wake(one.worker, 9) in actions
    assert do.NoteSubscriptions(one, 2, 2, 0) in actions
    assert state.interest.workers_for(b"A1") == {one.worker}


def test_one_that_is_not_known_any_more_wants_nothing() -> None:
    state = served()
    one = admit(state, b"A")
    take(state, one, closed(one.subscriber))

    late = [
        take(state, one, Subscriptions(one.subscriber, 9, [b"A"], [])),
        take(state, one, Connected(one.subscriber, "3.1")),
        take(state, one, Slow(one.subscriber, False, 3, "behind")),
        take(state, one, closed(one.subscriber)),
    ]

    assert late == [[], [], [], []]
    assert state.interest.count(None) == 0


def test_the_end_of_a_connection_is_shut_booked_and_told_in_this_order() -> None:
    state = served()
    one = admit(state, b"A")
    report = closed(one.subscriber, Reason.SEND_TIMEOUT)

    shut, book, tell = take(state, one, report)

    assert shut == do.Shut(700 + one.subscriber)
    assert book == do.Book(one, report)
    assert isinstance(tell, do.Tell)
    assert (tell.event.kind, tell.event.cause) == (
        EventKind.SUBSCRIBER_EVICTED,
        Reason.SEND_TIMEOUT,
    )
    assert state.duplicates == {}
    assert state.interest.count(b"A") == 0


def test_a_lost_worker_holds_nothing_back_before_anything_else_is_done() -> None:
    state = served()

    assert lose(state, 1)[0] == do.FreeTail(1)


def test_the_connections_of_a_lost_worker_end_and_those_of_others_do_not() -> None:
    state = served()
    ours = [admit(state, b"A") for _ in range(4)]
    mine = [one for one in ours if one.worker == 1]

    actions = lose(state, 1)

    booked = [action for action in actions if isinstance(action, do.Book)]
    assert [(each.connection, each.closed.discarded) for each in booked] == [(c, 3) for c in mine]
    assert [each for each in actions if isinstance(each, do.Shut)] == [
        do.Shut(700 + each.subscriber) for each in mine
    ]
    assert kinds(actions) == [EventKind.SUBSCRIBER_EVICTED] * 2 + [EventKind.WORKER_LOST]
    assert state.interest.workers_for(b"A") == {0}
    assert len(state.roster.connections) == len(state.duplicates) == 2


def test_handshakes_that_are_lost_with_their_worker_are_not_under_way_any_more() -> None:
    state = served()
    half_open = [admit(state, connected=False) for _ in range(2)]
    assert state.roster.half_open == 2

    lose(state, half_open[0].worker)

    assert state.roster.half_open == 1


@pytest.mark.parametrize("cause", [Reason.HANDSHAKE_TIMEOUT, Reason.LEFT, Reason.VIOLATION])
def test_who_never_was_a_subscriber_is_told_of_as_it_is_counted(cause: Reason) -> None:
    state = served()
    one = admit(state, connected=False)
    report = closed(one.subscriber, cause)

    actions = take(state, one, report)
    state.ledger.close(one, report)

    assert kinds(actions) == [EventKind.HANDSHAKE_FAILED]
    assert (state.ledger.failed_handshakes, state.ledger.evicted) == (1, 0)


def test_what_was_queued_at_the_end_is_in_the_event() -> None:
    state = served()
    one = admit(state, b"A")

    told = [action for action in lose(state, one.worker) if isinstance(action, do.Tell)]

    assert (told[0].event.dropped, told[0].event.discarded) == (1, 3)
    assert "dropped=1 discarded=3" in str(told[0].event)


def test_who_loses_its_worker_in_the_end_is_not_evicted() -> None:
    state = served()
    one = admit(state, b"A")
    state.ledger.closing = True
    state.supervision.finish(1.0, NOW)

    assert kinds(lose(state, one.worker)) == [EventKind.SUBSCRIBER_DISCONNECTED]


def test_a_question_is_answered_when_the_last_has_answered_or_is_lost() -> None:
    state, flag = served(), Flag()

    asked = reports.ask(state, flag)
    assert asked == [do.Say(0, WriteSlots(1)), do.Say(1, WriteSlots(1))]
    assert reports.take(state, 0, SlotsWritten(1), NOW) == []
    assert do.Answer(flag) in lose(state, 1)


def test_a_question_to_nobody_is_answered_at_once() -> None:
    state, flag = served(), Flag()
    for worker in range(WORKERS):
        lose(state, worker)

    assert reports.ask(state, flag) == [do.Answer(flag)]


def test_slow_ones_are_told_of_with_a_cause() -> None:
    state = served()
    one = admit(state)

    (slow,) = take(state, one, Slow(one.subscriber, False, 3, "behind"))
    (still,) = take(state, one, Slow(one.subscriber, False, 3, "takes nothing", True))
    (back,) = take(state, one, Slow(one.subscriber, True, 5, "has caught up"))

    assert isinstance(still, do.Tell)
    assert (still.event.kind, still.event.cause) == (EventKind.SUBSCRIBER_STALLED, None)
    assert isinstance(slow, do.Tell)
    assert isinstance(back, do.Tell)
    assert (slow.event.kind, slow.event.cause, slow.event.dropped) == (
        EventKind.SUBSCRIBER_SLOW,
        Reason.LAG,
        3,
    )
    assert (back.event.kind, back.event.cause) == (EventKind.SUBSCRIBER_RECOVERED, None)


@pytest.mark.parametrize(
    "message",
    [
        Finish(1.0),
        Closed(1, False, 63, "for a reason of another version", 0, 0, 0, 0, 0),
        Closed(1, False, 2, "left", 0, 0, 0, 0, 0, policy={"action": "forgive"}),
        Closed(1, False, 2, "left", 0, 0, 0, 0, 0, policy={"mercy": 1}),
        Closed(1, False, 2, "left", 0, 0, 0, 0, 0, chosen_by="nobody"),
    ],
)
def test_what_is_not_for_a_coordinator_is_refused_and_changes_nothing(
    message: Finish | Closed,
) -> None:
    state = served()
    one = admit(state, b"A")

    with pytest.raises(ControlError):
        reports.take(state, one.worker, message, NOW)

    assert list(state.roster.connections) == [one.subscriber]


def test_who_subscribes_beyond_what_all_may_is_sent_away_and_wants_nothing_any_more() -> None:
    state = served()
    kept, greedy = admit(state, b"A"), admit(state, b"B")
    before = state.interest.kept_bytes
    state.max_interest_bytes = before + 1_000

    report = Subscriptions(greedy.subscriber, 0, [b"%d" % i for i in range(100)], [])
    (said,) = take(state, greedy, report)
    assert isinstance(said, do.Say)
    assert isinstance(said.message, Evict)
    assert (said.worker, said.message.subscriber) == (greedy.worker, greedy.subscriber)
    assert said.message.cause == Reason.LIMIT.number
    assert "101" in said.message.reason
    assert state.interest.kept_bytes < before
    assert take(state, greedy, report) == []  # what its worker has read before it was told
    assert state.interest.workers_for(b"5") == set()
    assert take(state, kept, Subscriptions(kept.subscriber, 0, [b"C"], []))
    assert state.interest.count(b"C") == 1


def test_who_fills_the_memory_for_subscriptions_makes_room_and_locks_nobody_out() -> None:
    """It had filled it and was idle; who came after it was sent away and held as an offender."""
    state = served()
    greedy = [admit(state, *(b"%d/%d" % (n, i) for i in range(100 + n))) for n in range(2)]
    honest = admit(state, b"A", peer="198.51.100.7:1")
    state.max_interest_bytes = state.interest.kept_bytes
    report = Subscriptions(honest.subscriber, 0, [b"x%d" % i for i in range(90)], [])

    evict, wake, note = take(state, honest, report)
    assert isinstance(evict, do.Say)
    assert isinstance(evict.message, Evict)
    assert (evict.worker, evict.message.subscriber) == (greedy[1].worker, greedy[1].subscriber)
    assert "101" in evict.message.reason
    assert isinstance(wake, do.Wake)
    assert isinstance(note, do.NoteSubscriptions)
    assert state.interest.count(b"x5") == 1
    assert state.interest.count(b"1/5") == 0

    offended = state.roster.addresses.offended
    assert take(state, greedy[1], closed(greedy[1].subscriber, cause=Reason.LIMIT))
    assert offended(greedy[1].peer, NOW) == 0.0, "made room for others: no offence"
    assert state.interest.kept_bytes <= state.max_interest_bytes


def test_whose_address_has_most_goes_first_though_others_are_larger() -> None:
    """Thousands of small connections fill the memory as well as a few large ones."""
    state = served()
    large = admit(state, *(b"large/%d" % i for i in range(100)), peer="198.51.100.7:1")
    small = [admit(state, *(b"%d/%d" % (n, i) for i in range(60))) for n in range(3)]
    state.max_interest_bytes = state.interest.kept_bytes

    said = take(state, large, Subscriptions(large.subscriber, 0, [b"one more"], []))
    assert isinstance(said[0], do.Say)
    assert isinstance(said[0].message, Evict)
    assert said[0].message.subscriber in [one.subscriber for one in small]
    assert not large.over_limit


def test_what_a_subscriber_chooses_is_decided_and_its_worker_told() -> None:
    state = served()
    one = admit(state)

    actions = take(state, one, Chose(one.subscriber, "desk7", {"limit_age": 2.0}))

    policy = SlowPolicy(limit_age=2.0)
    assert actions[0] == do.NoteChoice(one, "desk7", policy, "subscriber")
    message = SetPolicy(one.subscriber, policy.as_dict(), is_its_own=True, chosen_by="subscriber")
    assert do.Say(one.worker, message) in actions
    assert kinds(actions) == [EventKind.SUBSCRIBER_NAMED, EventKind.POLICY_CHANGED]


def test_what_it_cannot_have_is_told() -> None:
    state = served()
    one = admit(state)

    (told,) = take(state, one, Declined(one.subscriber, "limit_age=never: not a number"))

    assert isinstance(told, do.Tell)
    assert (told.event.kind, told.event.subscriber) == (EventKind.CHOICE_DECLINED, one.subscriber)
    assert told.event.cause is Reason.DECLINED
    assert told.event.reason == "limit_age=never: not a number"


def test_a_choice_that_no_worker_can_have_understood_is_a_bug() -> None:
    state = served()
    one = admit(state)
    for settings in ({"limit_age": -1}, {"nonsense": 1}, {"limit_bytes": "x"}):
        with pytest.raises(ControlError, match="not what a subscriber can choose"):
            take(state, one, Chose(one.subscriber, "", settings))  # type: ignore[arg-type]


def test_a_call_chooses_for_who_is_connected() -> None:
    state = served()
    one = admit(state)

    actions = reports.set_slow_policy(state, one.subscriber, SlowPolicy("block"))

    assert do.NoteChoice(one, "", SlowPolicy("block"), "call") in actions
    with pytest.raises(ConfigError, match="no subscriber 99 is connected"):
        reports.set_slow_policy(state, 99, None)


def test_a_choice_ends_with_the_connection() -> None:
    state = served()
    one = admit(state)
    reports.set_slow_policy(state, one.subscriber, SlowPolicy("block"))
    take(state, one, closed(one.subscriber))

    assert take(state, one, Chose(one.subscriber, "late", {})) == []
    assert take(state, one, Declined(one.subscriber, "late")) == []
    with pytest.raises(ConfigError):
        reports.set_slow_policy(state, one.subscriber, None)


def test_a_rule_by_topic_is_looked_at_when_subscriptions_change() -> None:
    rule = SlowRule(SlowPolicy("conflate"), topic=b"book.")
    state = served(Options(slow_rules=[rule]))
    one = admit(state)

    actions = take(state, one, Subscriptions(one.subscriber, 0, [b"book.A"], []))
    assert do.NoteChoice(one, "", SlowPolicy("conflate"), "rule") in actions
    again = take(state, one, Subscriptions(one.subscriber, 0, [b"book.A"], []))  # no change
    assert not any(isinstance(action, do.NoteChoice) for action in again)
    back = take(state, one, Subscriptions(one.subscriber, 0, [], [b"book.A", b"x"]))
    assert do.NoteChoice(one, "", SlowPolicy(), "publisher") in back


def test_who_is_sent_away_by_call_is_so_by_its_worker_and_nothing_has_changed_yet() -> None:
    state = served()
    one = admit(state, b"A")

    (said,) = reports.disconnect(state, one.subscriber, "tired of it")
    assert said == do.Say(
        one.worker,
        Evict(
            one.subscriber,
            Reason.DISCONNECTED_BY_CALL.number,
            "sent away by the publisher's program (disconnect): tired of it",
        ),
    )
    (plain,) = reports.disconnect(state, one.subscriber, "")
    assert isinstance(plain, do.Say)
    assert isinstance(plain.message, Evict)
    assert plain.message.reason == Reason.DISCONNECTED_BY_CALL.text
    assert state.interest.count(b"A") == 1
    assert reports.disconnect(state, 99, "nobody") == []


def test_an_end_of_which_not_all_was_counted_is_told_as_such() -> None:
    state = served()
    one = admit(state, b"A")
    left = Reason.LEFT
    message = Closed(one.subscriber, False, left.number, left.text, 9, 5, 1, 3, 0, uncounted=True)

    actions = take(state, one, message)

    (told,) = [action.event for action in actions if isinstance(action, do.Tell)]
    (booked,) = [action for action in actions if isinstance(action, do.Book)]
    assert (told.discarded, told.exact, booked.exact) == (3, False, False)
    assert told.reason == (
        "closed by the subscriber; what it was still to be sent of the past is not counted"
    )
