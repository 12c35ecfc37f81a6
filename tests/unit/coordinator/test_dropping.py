"""Who has lost messages is told of at once, then now and then, and in all of what it has lost."""

from __future__ import annotations

import pytest

from fanout.coordinator.dropping import LOOK_ON, Dropping
from fanout.coordinator.roster import Accepted
from fanout.coordinator.thinning import SUMMARY_EACH
from fanout.events import Event, EventKind
from fanout.reasons import Reason

TICK = 0.5


class Slots:
    """What workers have written: two subscribers, 7 in slot 1 and 8 in slot 2."""

    def __init__(self) -> None:
        self.subscribers = [0, 7, 8, 0]
        self.lost = [9, 0, 0, 0]  # the free one is a leftover
        self.looks = 0

    def ids(self) -> list[int]:
        self.looks += 1
        return list(self.subscribers)

    def dropped(self) -> list[int]:
        return list(self.lost)

    def total(self) -> int:
        return sum(self.lost)


class Scene:
    def __init__(self) -> None:
        self.slots = Slots()
        self.now = 100.0
        connections = {
            number: Accepted(number, slot, 0, f"peer:{number}", "tcp://x", "zmtp", "3.1")
            for slot, number in enumerate(self.slots.subscribers)
            if number
        }
        self.connections = connections
        self.dropping = Dropping(self.slots.total, self.slots, connections)

    def slow(self, subscriber: int, dropped: int = 0) -> list[Event]:
        event = Event(EventKind.SUBSCRIBER_SLOW, subscriber=subscriber, dropped=dropped)
        return self.dropping.after(event, self.now)

    def over(self, kind: EventKind, subscriber: int, dropped: int) -> list[Event]:
        return self.dropping.before(Event(kind, subscriber=subscriber, dropped=dropped), self.now)

    def look(self, passed: float = TICK) -> list[Event]:
        self.now += passed
        return self.dropping.look(self.now)


def figures(events: list[Event]) -> list[tuple[int | None, int, int]]:
    assert {event.kind for event in events} <= {EventKind.SUBSCRIBER_DROPPED}
    return [(event.subscriber, event.dropped_since, event.dropped) for event in events]


def test_the_first_loss_is_told_at_once_and_those_after_it_each_ten_seconds() -> None:
    scene = Scene()
    scene.slow(7)
    told = []
    for _ in range(60):  # half a minute at full rate
        scene.slots.lost[1] += 1_000
        told += scene.look()

    assert figures(told) == [(7, 1_000, 1_000), (7, 20_000, 21_000), (7, 20_000, 41_000)]
    assert (told[0].peer, told[0].worker, told[0].cause) == ("peer:7", 0, Reason.LAG)
    assert "1,000" in told[0].reason
    assert figures(scene.over(EventKind.SUBSCRIBER_EVICTED, 7, 60_500)) == [(7, 19_500, 60_500)]


def test_who_it_has_proven_to_be_is_told_with_each_loss() -> None:
    scene = Scene()
    scene.connections[7].user = "desk7"
    slow = Event(EventKind.SUBSCRIBER_SLOW, subscriber=7, dropped=3, user="desk7")
    told = scene.dropping.after(slow, scene.now)
    scene.slots.lost[1] = 5
    told += scene.look(SUMMARY_EACH)
    gone = Event(EventKind.SUBSCRIBER_EVICTED, subscriber=7, dropped=9, user="desk7")
    told += scene.dropping.before(gone, scene.now)

    assert figures(told) == [(7, 3, 3), (7, 2, 5), (7, 4, 9)]
    assert [event.user for event in told] == ["desk7"] * 3


def test_what_has_made_it_slow_is_told_with_that() -> None:
    scene = Scene()

    assert figures(scene.slow(7, 12)) == [(7, 12, 12)]
    scene.slots.lost[1] = 12
    assert scene.look() == []


@pytest.mark.parametrize(
    "kind",
    [
        EventKind.SUBSCRIBER_RECOVERED,
        EventKind.SUBSCRIBER_EVICTED,
        EventKind.SUBSCRIBER_DISCONNECTED,
    ],
)
def test_the_rest_is_told_when_it_is_over(kind: EventKind) -> None:
    scene = Scene()
    scene.slow(7, 12)

    assert figures(scene.over(kind, 7, 30)) == [(7, 18, 30)]


def test_nothing_is_remembered_of_who_has_left() -> None:
    scene = Scene()
    for subscriber in (7, 8):
        scene.slow(subscriber, 1)
        scene.over(EventKind.SUBSCRIBER_DISCONNECTED, subscriber, 1)

    assert (scene.dropping._told, scene.dropping._owed, scene.dropping._slow) == ({}, {}, set())


def test_who_is_gone_before_it_was_told_of_is_not_looked_for() -> None:
    scene = Scene()
    scene.slots.lost[1] = 5
    scene.look()
    del scene.connections[7]

    assert scene.look() == []
    assert scene.dropping._owed == {}


def test_a_loss_that_is_seen_before_the_report_of_it_is_told_after_it() -> None:
    scene = Scene()
    scene.slots.lost[1] = 5

    assert scene.look() == []
    assert figures(scene.slow(7, 3)) == [(7, 5, 5)]
    scene.slots.lost[1] = 6
    assert scene.look() == [], "what comes after it waits"
    assert figures(scene.look(SUMMARY_EACH)) == [(7, 1, 6)]


def test_a_loss_without_a_report_is_told_the_next_time() -> None:
    scene = Scene()
    scene.slots.lost[2] = 5

    assert scene.look() == []
    assert figures(scene.look()) == [(8, 5, 5)]


def test_while_nobody_loses_anything_no_slot_is_looked_at() -> None:
    scene = Scene()
    scene.slots.lost = [0, 0, 0, 0]
    for _ in range(10):
        scene.look()
    assert scene.slots.looks == 0

    scene.slots.lost[1] = 1
    scene.look()
    for _ in range(3):
        scene.look(LOOK_ON)
    assert scene.slots.looks == 1


def test_a_slot_that_another_one_has_now_is_not_taken_for_it() -> None:
    scene = Scene()
    scene.slow(7)
    scene.slots.lost[1] = 500
    scene.look()
    scene.slots.subscribers[1], scene.slots.lost[1] = 9, 0
    scene.connections[9] = Accepted(9, 1, 0, "peer:9", "tcp://x", "zmtp", "3.1")

    assert scene.look() == []
    scene.slots.lost[1] = 2
    scene.look()
    assert figures(scene.look()) == [(9, 2, 2)]


def test_who_loses_messages_in_a_slot_that_nobody_had_before_is_told() -> None:
    """Only slots that were ever used are looked at, and those are more and more."""
    scene = Scene()
    scene.look()
    scene.slots.subscribers.append(9)
    scene.slots.lost.append(5)
    scene.connections[9] = Accepted(9, 4, 0, "peer:9", "tcp://x", "zmtp", "3.1")
    scene.slow(9)
    assert figures(scene.look()) == [(9, 5, 5)]
