"""Debts of addresses: who goes over a budget and comes again does not get a new one."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import pytest

from fanout.control.conduct import Throttled
from fanout.control.messages import Closed
from fanout.coordinator import actions as do
from fanout.coordinator import reports
from fanout.coordinator.addresses import Addresses
from fanout.coordinator.lost import NOTHING_LATER
from fanout.coordinator.roster import Accepted
from fanout.coordinator.state import make_state
from fanout.coordinator.wrecks import Wrecks
from fanout.options import Options
from fanout.reasons import Reason
from fanout.terms.addresses import REMEMBERED_MAX
from fanout.terms.peer_budget import (
    ADDRESS_DEBT_MAX_NS,
    ALWAYS_NS,
    DEBT_MAX_NS,
    PEER_BURST_NS,
    PEER_PART,
)
from tests.unit.coordinator.test_reports import NOW, admit, served, take

if TYPE_CHECKING:
    from collections.abc import Generator

    from fanout.coordinator.lost import Losses, Unreported
    from fanout.coordinator.state import State

HERE, THERE = "203.0.113.7:5", "198.51.100.2:5"
PAID_AFTER = PEER_BURST_NS * PEER_PART / 1e9  # seconds in which a whole budget is earned


def come(addresses: Addresses, now: float = 0.0, peer: str = HERE) -> int:
    """A connection; what it owes from the beginning."""
    return addresses.entered(peer, now)


def go(
    addresses: Addresses, debt: int, now: float = 0.0, peer: str = HERE, *, over: bool = True
) -> None:
    """The end of a connection that owes so much."""
    addresses.owes(peer, debt, now, over=over)
    addresses.left(peer, half_open=True)


def burst(addresses: Addresses, peer: str = HERE, *, times: int = 1) -> None:
    """So many connections at once that go over their budgets, and end."""
    for _ in range(times):
        come(addresses, peer=peer)
    for _ in range(times):
        addresses.exceeded(peer, 0.0, again=False)
    for _ in range(times):
        go(addresses, PEER_BURST_NS, peer=peer)


def test_who_went_over_its_budget_and_comes_again_begins_with_next_to_nothing() -> None:
    addresses = Addresses()
    burst(addresses)

    assert come(addresses, peer=THERE) == 0
    assert come(addresses) == DEBT_MAX_NS == PEER_BURST_NS - ALWAYS_NS


def test_a_debt_is_paid_by_and_by() -> None:
    for part, owed in ((0.5, PEER_BURST_NS // 2), (0.9, PEER_BURST_NS // 10), (1.0, 0)):
        addresses = Addresses()
        burst(addresses)
        assert come(addresses, PAID_AFTER * part) == pytest.approx(owed, abs=1)


def test_one_connection_has_it_and_others_of_its_address_do_not_feel_it() -> None:
    """Behind one NAT are many; one of them goes over its budget."""
    addresses = Addresses()
    others = [come(addresses) for _ in range(50)]
    burst(addresses)

    for _ in others:
        go(addresses, 0, over=False)
    storm = [come(addresses) for _ in range(51)]
    assert sum(storm) == DEBT_MAX_NS
    assert sorted(storm)[:-1] == [0] * 50


def test_many_that_went_over_come_again_with_as_many_debts() -> None:
    addresses = Addresses()
    burst(addresses, times=3)

    assert [come(addresses) for _ in range(4)] == [DEBT_MAX_NS] * 3 + [0]


def test_who_inherits_a_debt_and_leaves_hands_it_on() -> None:
    addresses = Addresses()
    burst(addresses)
    debt = come(addresses)
    assert come(addresses) == 0

    go(addresses, debt, over=False)
    assert come(addresses) == DEBT_MAX_NS


def test_as_long_as_it_is_there_one_other_begins_with_less_and_its_end_adds_nothing() -> None:
    """Its peer may have left: nobody reads that, since it is over its budget."""
    addresses = Addresses()
    come(addresses)
    addresses.exceeded(HERE, 0.0, again=False)

    assert come(addresses) == DEBT_MAX_NS
    assert come(addresses) == 0
    addresses.exceeded(HERE, 10.0, again=True)
    assert come(addresses, 10.0) == 0, "once for each that is over, however often it is named"
    go(addresses, PEER_BURST_NS, 20.0)
    assert come(addresses, 20.0) == 0


def test_who_was_over_long_ago_costs_nobody_anything() -> None:
    addresses = Addresses()
    come(addresses)
    addresses.exceeded(HERE, 0.0, again=False)

    assert come(addresses, PAID_AFTER / 2) == PEER_BURST_NS // 2
    addresses = Addresses()
    come(addresses)
    addresses.exceeded(HERE, 0.0, again=False)
    assert come(addresses, PAID_AFTER) == 0


def test_what_an_address_owes_has_a_bound_and_is_paid_as_fast_as_by_all_of_them() -> None:
    addresses = Addresses()
    most = ADDRESS_DEBT_MAX_NS // PEER_BURST_NS
    burst(addresses, times=3 * most)

    debts = [come(addresses) for _ in range(3 * most)]
    assert debts == [DEBT_MAX_NS] * most + [0] * (2 * most)
    addresses = Addresses()
    burst(addresses, times=most)
    assert come(addresses, PAID_AFTER) == 0


def test_debts_are_kept_of_as_many_addresses_as_are_remembered() -> None:
    addresses = Addresses()
    for number in range(2 * REMEMBERED_MAX):
        burst(addresses, peer=f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}:1")

    assert len(addresses) == REMEMBERED_MAX


@pytest.mark.parametrize("peer", ["127.0.0.1:5", "[::1]:5", "ipc:1234", "unknown"])
def test_this_machine_owes_nothing(peer: str) -> None:
    """A proxy in front of the publisher brings everybody from there."""
    addresses = Addresses()
    come(addresses, peer=peer)
    addresses.exceeded(peer, 0.0, again=False)

    assert come(addresses, peer=peer) == 0
    go(addresses, PEER_BURST_NS, peer=peer)
    assert come(addresses, peer=peer) == 0


def test_ipv6_owes_by_network() -> None:
    addresses = Addresses()
    burst(addresses, peer="[2001:db8::1]:5")

    assert come(addresses, peer="[2001:db8:0:1::1]:5") == 0
    assert come(addresses, peer="[2001:db8::2]:5") == DEBT_MAX_NS


def closed(connection: Accepted, debt: int = 0) -> Closed:
    left = Reason.LEFT
    return Closed(connection.subscriber, False, left.number, left.text, 0, 0, 0, 0, 0, debt=debt)


class NothingCounted:
    """Losses in which nothing was published since the last checkpoint of anybody."""

    def begin(self) -> NothingCounted:
        return self

    def since_checkpoint(self, connection: Accepted) -> Generator[None, None, Unreported]:
        del connection
        yield
        return NOTHING_LATER


def over(state: State) -> Accepted:
    """A connection that went over its budget."""
    one = admit(state, peer=HERE)
    take(state, one, Throttled(one.subscriber))
    return one


def test_the_end_of_a_connection_that_was_over_is_felt_by_the_next() -> None:
    state = served()
    one = over(state)
    take(state, one, closed(one, PEER_BURST_NS // 2))

    again = admit(state, peer=HERE)
    assert again.debt == PEER_BURST_NS // 2
    (told,) = take(state, again, Throttled(again.subscriber))
    assert isinstance(told, do.Tell)
    assert told.event.reason == f"{Reason.BUSY.text}; its address owed 1 s of CPU when it came"


def test_who_is_still_there_is_felt_by_one_however_often_it_is_named() -> None:
    state = served()
    one = over(state)
    take(state, one, Throttled(one.subscriber))

    assert [admit(state, peer=HERE).debt for _ in range(3)] == [DEBT_MAX_NS, 0, 0]
    take(state, one, closed(one, PEER_BURST_NS))
    assert admit(state, peer=HERE).debt == 0


def test_who_has_paid_until_its_end_leaves_nothing_behind() -> None:
    state = served()
    one = over(state)
    take(state, one, closed(one))

    assert [admit(state, peer=HERE).debt for _ in range(3)] == [0, 0, 0]


@pytest.mark.parametrize("part", [0.0, 0.5, 2.0])
def test_who_has_paid_until_its_worker_is_lost_leaves_nothing_behind(part: float) -> None:
    state = served()
    one = over(state)
    later = NOW + PAID_AFTER * part

    def last(connection: Accepted, cause: Reason, counted: Unreported) -> Closed:
        del cause, counted
        return closed(connection)

    wrecks = Wrecks(state, cast("Losses", NothingCounted()), last, lambda: later)
    wrecks.add(one.worker, [])
    while state.roster.connections:
        wrecks.go_on()
    owed = state.roster.addresses.entered(HERE, later)
    assert owed == pytest.approx(min(DEBT_MAX_NS, max(0.0, 1 - part) * PEER_BURST_NS), abs=1)


def test_what_is_owed_for_one_whose_worker_cannot_say_it() -> None:
    one = Accepted(7, 2, 1, HERE, "tcp://x", "zmtp", owed_at=NOW)
    later = NOW + PAID_AFTER / 4

    assert one.owed(NOW) == one.owed(later) == 0
    one.debt = 1_000  # that it began with
    assert (one.owed(NOW), one.owed(later)) == (1_000, 0)
    one.is_over = True
    assert one.owed(NOW) == PEER_BURST_NS
    assert one.owed(later) == pytest.approx(PEER_BURST_NS * 3 / 4, abs=1)


def test_storms_of_those_who_stay_within_their_budgets_owe_nothing() -> None:
    state = make_state(Options(), 1, served().interest, served().ledger, NOW)
    state.supervision.started(0)
    for _ in range(3):
        storm = [state.roster.admit(HERE, "tcp://x", "zmtp", [0], [0], NOW) for _ in range(100)]
        for one in storm:
            assert isinstance(one, Accepted)
            assert one.debt == 0
            reports.take(state, 0, closed(one), NOW)
