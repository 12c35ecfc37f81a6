"""What is told of what happens, and in which order."""

from __future__ import annotations

import math

from fanout.coordinator.dropping import Dropping
from fanout.coordinator.roster import Accepted
from fanout.coordinator.telling import CHANGES_PER_LOOK, Telling
from fanout.coordinator.thinning import SUMMARY_EACH
from fanout.events import Event, EventKind
from fanout.reasons import Reason


class NoSlots:
    def ids(self) -> list[int]:
        return []

    dropped = ids


def telling() -> Telling:
    return Telling(Dropping(lambda: 0, NoSlots(), {}))


def accepted(number: int) -> Accepted:
    return Accepted(number, number, 0, f"peer:{number}", "tcp://x", "zmtp", "3.1")


def test_a_thousand_changes_of_one_subscriber_are_one_event() -> None:
    tells = telling()
    one = accepted(7)
    one.user = "desk7"
    for count in range(1, 1_001):
        tells.subscribed(one, count, 1, 0)
    tells.subscribed(one, 998, 0, 2)

    (event,) = tells.due(1.0)
    assert event.kind is EventKind.SUBSCRIBER_SUBSCRIBED
    assert (event.subscriber, event.peer, event.user) == (7, "peer:7", "desk7")
    assert (event.added, event.cancelled, event.reason) == (1_000, 2, "wants 998 topics")
    assert tells.due(2.0) == []


def test_all_about_one_subscriber_stays_in_its_order() -> None:
    tells = telling()
    tells.subscribed(accepted(7), 1, 1, 0)
    tells.subscribed(accepted(8), 1, 1, 0)
    slow = Event(EventKind.SUBSCRIBER_SLOW, subscriber=7, dropped=3)
    gone = Event(EventKind.SUBSCRIBER_DISCONNECTED, subscriber=7, dropped=5)

    told = tells.tell(slow, 1.0) + tells.tell(gone, 1.1)

    assert [(event.kind, event.dropped_since) for event in told] == [
        (EventKind.SUBSCRIBER_SUBSCRIBED, 0),
        (EventKind.SUBSCRIBER_SLOW, 0),
        (EventKind.SUBSCRIBER_DROPPED, 3),
        (EventKind.SUBSCRIBER_DROPPED, 2),
        (EventKind.SUBSCRIBER_DISCONNECTED, 0),
    ]
    assert [event.subscriber for event in tells.due(2.0)] == [8]


def test_a_storm_is_told_of_in_slices_and_in_the_end_all_of_it() -> None:
    tells = telling()
    for number in range(2 * CHANGES_PER_LOOK + 5):
        tells.subscribed(accepted(number + 1), 1, 1, 0)

    assert len(tells.due(1.0)) == CHANGES_PER_LOOK
    assert len(tells.due(math.inf)) == CHANGES_PER_LOOK + 5


def test_what_strangers_bring_about_is_summed_up_for_all() -> None:
    tells = telling()
    refused = Event(EventKind.CONNECTION_REFUSED, cause=Reason.FULL)

    told = [len(tells.tell(refused, 1.0 + 0.001 * number)) for number in range(100)]

    assert sum(told) == 1
    assert [event.count for event in tells.due(1.0 + SUMMARY_EACH)] == [99]


def test_what_a_subscriber_says_of_itself_again_and_again_is_one_event() -> None:
    tells = telling()
    tells.subscribed(accepted(7), 1, 1, 0)
    named = [Event(EventKind.SUBSCRIBER_NAMED, f"desk{i}", subscriber=7) for i in range(100)]

    assert [tells.tell(event, 1.0) for event in named] == [[]] * 100
    tells.tell(Event(EventKind.POLICY_CHANGED, "block", subscriber=7), 1.0)
    assert [(one.kind, one.reason, one.count) for one in tells.due(1.5)] == [
        (EventKind.SUBSCRIBER_SUBSCRIBED, "wants 1 topic", 1),
        (EventKind.SUBSCRIBER_NAMED, "desk99", 100),
        (EventKind.POLICY_CHANGED, "block", 1),
    ]
    tells.tell(named[0], 2.0)
    gone = Event(EventKind.SUBSCRIBER_DISCONNECTED, subscriber=7)
    assert tells.tell(gone, 2.1) == [named[0], gone]
