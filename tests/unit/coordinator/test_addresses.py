"""What addresses owe is forgotten at last, and how long an offender is held."""

from __future__ import annotations

import pytest

from fanout.coordinator.addresses import (
    FORGIVEN_AFTER,
    HOLD_FIRST,
    HOLD_MAX,
    REFUSAL_HOLD,
    Addresses,
)
from fanout.coordinator.roster import Accepted, Roster
from fanout.reasons import Reason
from fanout.terms.addresses import REMEMBERED_MAX, AddressLimits

HERE, THERE = "203.0.113.7", "198.51.100.2"


def cause_of(addresses: Addresses, host: str, now: float = 0.0) -> Reason | None:
    """Why one more connection of a host is refused; one that is not is entered."""
    refusal = addresses.refusal(f"{host}:5", now)
    if refusal is None:
        addresses.entered(f"{host}:5", now)
        return None
    assert host in refusal.text
    return refusal.cause


def test_an_offender_is_held_longer_each_time_and_forgiven_after_some_quiet() -> None:
    addresses = Addresses()

    held = [addresses.offended(f"{HERE}:{port}", 10.0 + port) for port in range(100)]

    assert held[:4] == [0.0, HOLD_FIRST, 2 * HOLD_FIRST, 4 * HOLD_FIRST]
    assert held[-1] == max(held) == HOLD_MAX
    assert addresses.offended(f"{THERE}:1", 110.0) == 0.0
    assert addresses.offended(f"{HERE}:1", 110.0 + FORGIVEN_AFTER) == 0.0


def test_who_has_keys_that_do_not_fit_is_held_from_the_second_time_on() -> None:
    addresses = Addresses()

    held = [addresses.mistaken(f"{HERE}:{port}", 10.0 + port) for port in range(9)]

    assert held == [0.0] + [REFUSAL_HOLD] * 8
    assert addresses.mistaken(f"{THERE}:1", 20.0) == 0.0
    assert addresses.offended(f"{HERE}:1", 20.0) == 0.0, "that is something else"
    assert addresses.mistaken(f"{HERE}:1", 18.0 + FORGIVEN_AFTER) == 0.0
    assert addresses.mistaken("127.0.0.1:1", 0.0) == 0.0
    assert addresses.mistaken("127.0.0.1:2", 0.0) == REFUSAL_HOLD, "whoever comes from here, too"


@pytest.mark.unmeasured
def test_what_strangers_leave_behind_has_a_bound() -> None:
    addresses = Addresses()
    for number in range(2 * REMEMBERED_MAX):
        peer = f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}:1"
        addresses.entered(peer, 0.0)
        addresses.left(peer, half_open=True)
        addresses.offended(f"[2001:db8:{number:x}::1]:1", 0.0)
        addresses.mistaken(f"[2001:db9:{number:x}::1]:1", 0.0)

    assert len(addresses) == REMEMBERED_MAX


def test_who_has_a_connection_is_not_forgotten() -> None:
    addresses = Addresses(AddressLimits(1, 1, 1.0))
    addresses.entered(f"{HERE}:1", 0.0)
    for number in range(REMEMBERED_MAX + 1):
        addresses.offended(f"10.0.{number >> 8}.{number & 255}:1", 0.0)

    assert cause_of(addresses, HERE) is Reason.ADDRESS_FULL


def test_the_roster_counts_by_address() -> None:
    roster = Roster(1, 9, 9, Addresses(AddressLimits(2, 1, 1.0)))

    def admit(host: str) -> int | Reason:
        admitted = roster.admit(f"{host}:1", "tcp://x", "zmtp", [0], [0], 0.0)
        return admitted.subscriber if isinstance(admitted, Accepted) else admitted.cause

    first = admit(HERE)
    assert admit(HERE) is Reason.ADDRESS_HALF_OPEN
    assert isinstance(first, int)
    roster.connected(first, "3.1")
    assert isinstance(admit(THERE), int)
    second = admit(HERE)
    assert isinstance(second, int)
    roster.connected(second, "3.1")
    assert admit(HERE) is Reason.ADDRESS_FULL
    roster.remove(first)
    assert isinstance(admit(HERE), int)
