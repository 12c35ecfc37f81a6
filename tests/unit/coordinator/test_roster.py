"""The roster: who is admitted, where, and why not; what becomes free again.

`tests/property/test_roster.py` has everything happen in any order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fanout.coordinator.roster import (
    GIVEN_MAX,
    LOAD_SECONDS,
    LOAD_STEP,
    Accepted,
    Roster,
)
from fanout.reasons import Reason
from fanout.terms.addresses import AddressRefusal

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

IDLE = (0, 0, 0)


def ask(
    roster: Roster, ready: Collection[int] = (0, 1, 2), loads: Sequence[int] = IDLE
) -> Accepted | AddressRefusal:
    """Somebody connects."""
    return roster.admit("10.0.0.1:7", "tcp://*:5556", "zmtp", ready, loads, 0.0)


def admit(
    roster: Roster, ready: Collection[int] = (0, 1, 2), loads: Sequence[int] = IDLE
) -> Accepted:
    """Somebody connects, who is admitted."""
    answer = ask(roster, ready, loads)
    assert isinstance(answer, Accepted)
    return answer


def test_a_connection_is_what_it_came_as() -> None:
    roster = Roster(3, 4, 4)

    first = admit(roster)

    assert first == Accepted(1, 0, 0, "10.0.0.1:7", "tcp://*:5556", "zmtp", None)
    assert roster.connections == {1: first}
    assert roster.served_by(0) == [first]
    assert roster.half_open == 1


def test_it_goes_to_the_least_loaded_worker_that_serves() -> None:
    roster = Roster(3, 4, 4)

    assert admit(roster, loads=[2 * LOAD_STEP, LOAD_STEP, 3 * LOAD_STEP]).worker == 1
    assert admit(roster, loads=[2 * LOAD_STEP, LOAD_STEP, 3 * LOAD_STEP]).worker == 1
    assert admit(roster, ready=[2, 0], loads=[9 * LOAD_STEP, 0, 8 * LOAD_STEP]).worker == 2


def test_equal_loads_are_those_of_one_step_and_then_the_fewest_connections_count() -> None:
    roster = Roster(2, 8, 8)

    admit(roster, ready=[0])
    assert admit(roster, (0, 1), [0, LOAD_STEP - 1]).worker == 1, "no less loaded: fewer"
    admit(roster, ready=[1])
    assert admit(roster, (0, 1), [LOAD_STEP - 1, 0]).worker == 0
    assert admit(roster, (0, 1), [LOAD_STEP - 1, LOAD_STEP]).worker == 0


def test_of_a_thousand_at_once_not_all_go_to_the_one_that_had_least_to_do_before() -> None:
    roster = Roster(2, 1_000, 1_000)

    def arrive(count: int, loads: Sequence[int], now: float) -> list[int]:
        """How many of these each worker has then."""
        for _ in range(count):
            roster.admit("10.0.0.1:7", "tcp://*:5556", "zmtp", (0, 1), loads, now)
        return [len(roster.served_by(worker)) for worker in (0, 1)]

    loads = (0, 5 * LOAD_STEP)
    assert arrive(GIVEN_MAX, loads, 0.0) == [GIVEN_MAX, 0]
    assert arrive(500 - GIVEN_MAX, loads, 0.5) == [250, 250]
    assert arrive(10, loads, LOAD_SECONDS) == [260, 250], "that was measured anew"
    assert arrive(10, (5 * LOAD_STEP, 0), LOAD_SECONDS) == [260, 260]


@pytest.mark.parametrize(
    ("max_subscribers", "max_half_open", "ready", "cause", "text"),
    [
        (9, 2, [0], Reason.HALF_OPEN, "2 connections are in their handshake (max_half_open)"),
        (2, 9, [0], Reason.FULL, "2 connections are open (max_subscribers)"),
        (9, 9, [], Reason.NO_WORKER, Reason.NO_WORKER.text),
        (2, 2, [], Reason.HALF_OPEN, "2 connections are in their handshake (max_half_open)"),
        (2, 9, [], Reason.FULL, "2 connections are open (max_subscribers)"),
    ],
)
def test_a_refusal_says_why_and_changes_nothing(
    max_subscribers: int, max_half_open: int, ready: list[int], cause: Reason, text: str
) -> None:
    roster = Roster(1, max_subscribers, max_half_open)
    two = [admit(roster, [0]), admit(roster, [0])]

    assert ask(roster, ready) == AddressRefusal(cause, text)

    assert list(roster.connections.values()) == roster.served_by(0) == two
    assert roster.half_open == 2


def test_who_is_through_its_handshake_makes_room_for_another() -> None:
    roster = Roster(1, 9, 1)
    first = admit(roster, [0])

    assert roster.connected(first.subscriber, "3.1") is first
    assert roster.connected(first.subscriber, "2.0") is first, "told twice, counted once"

    assert (first.version, roster.half_open) == ("3.1", 0)
    admit(roster, [0])


@pytest.mark.parametrize("is_connected", [True, False])
def test_who_leaves_gives_its_slot_back_and_no_id(is_connected: bool) -> None:
    roster = Roster(1, 2, 2)
    first, second = admit(roster, [0]), admit(roster, [0])
    assert (first.slot, second.slot) == (0, 1)
    if is_connected:
        roster.connected(first.subscriber, "3.1")

    assert roster.remove(first.subscriber) is first

    assert roster.half_open == 1, "the second"
    assert roster.served_by(0) == [second]
    assert roster.remove(first.subscriber) is None
    assert roster.connected(first.subscriber, "3.1") is None
    third = admit(roster, [0])
    assert (third.subscriber, third.slot) == (3, 0)


def test_the_connections_of_a_worker_are_in_the_order_of_their_admission() -> None:
    """Whatever a set of their ids makes of it."""
    roster = Roster(2, 80, 80)
    mine = [admit(roster, [0 if number % 16 else 1]) for number in range(80)][::16]
    roster.remove(mine.pop(1).subscriber)

    assert roster.served_by(1) == mine
