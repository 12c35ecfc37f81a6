"""How much each address may take, who is not limited, and how long an offender is held."""

from __future__ import annotations

import pytest

from fanout.coordinator.addresses import (
    BURST_LEAST,
    FORGIVEN_AFTER,
    HOLD_FIRST,
    HOLD_MAX,
    REFUSAL_HOLD,
    REMEMBERED_MAX,
    Addresses,
    AddressLimits,
    address_of,
)
from fanout.coordinator.roster import Accepted, Roster
from fanout.options import Options
from fanout.reasons import Reason

HERE, THERE = "203.0.113.7", "198.51.100.2"


def cause_of(addresses: Addresses, host: str, now: float = 0.0) -> Reason | None:
    """Why one more connection of a host is refused; one that is not is entered."""
    refusal = addresses.refusal(f"{host}:5", now)
    if refusal is None:
        addresses.entered(f"{host}:5", now)
        return None
    assert host in refusal.text
    assert refusal.cause.text.rpartition("(")[2] in refusal.text, "it does not name the option"
    return refusal.cause


@pytest.mark.parametrize(
    ("peer", "address"),
    [
        ("203.0.113.7:41234", "203.0.113.7"),
        ("[2001:db8:1:2:3:4:5:6]:41234", "2001:db8:1:2::/64"),
        ("[2001:db8:1:2::1]:7", "2001:db8:1:2::/64"),
        ("[fe80::1%eth0]:7", "fe80::1%eth0"),
        ("[::1]:7", "::1"),
        ("ipc:1234", "ipc:1234"),
        ("unknown", "unknown"),
    ],
)
def test_what_counts_as_one_host(peer: str, address: str) -> None:
    assert address_of(peer) == address


def test_one_address_takes_its_part_and_no_more() -> None:
    addresses = Addresses(AddressLimits(3, 9, 1.0))

    causes = [cause_of(addresses, HERE) for _ in range(4)]

    assert causes == [None, None, None, Reason.ADDRESS_FULL]
    assert cause_of(addresses, THERE) is None
    addresses.left(f"{HERE}:5", half_open=True)
    assert cause_of(addresses, HERE) is None


def test_its_handshakes_have_a_limit_of_their_own() -> None:
    addresses = Addresses(AddressLimits(9, 2, 1.0))

    assert [cause_of(addresses, HERE) for _ in range(3)] == [None, None, Reason.ADDRESS_HALF_OPEN]
    addresses.connected(f"{HERE}:5")
    assert cause_of(addresses, HERE) is None
    assert cause_of(addresses, HERE) is Reason.ADDRESS_HALF_OPEN
    addresses.left(f"{HERE}:5", half_open=True)
    assert cause_of(addresses, HERE) is None


def test_who_comes_again_and_again_has_a_burst_and_then_a_rate() -> None:
    addresses = Addresses(AddressLimits(10, 10, 5.0))

    def come(now: float) -> Reason | None:
        cause = cause_of(addresses, HERE, now)
        if cause is None:
            addresses.left(f"{HERE}:5", half_open=True)
        return cause

    assert {come(0.0) for _ in range(BURST_LEAST)} == {None}
    assert come(0.0) is Reason.ADDRESS_RATE
    assert [come(1.0) for _ in range(6)] == [None] * 5 + [Reason.ADDRESS_RATE]
    assert {come(1.0 + BURST_LEAST) for _ in range(BURST_LEAST)} == {None}, "the burst is back"


@pytest.mark.unmeasured
def test_all_that_may_stay_can_come_back_at_once() -> None:
    """A NAT or a proxy with half of all subscribers behind it loses its connections twice."""
    options = Options()
    limits = AddressLimits(
        options.address_subscribers, options.address_half_open, options.max_connects_per_address
    )
    addresses = Addresses(limits)

    for _ in range(2):
        causes = []
        for _ in range(limits.subscribers):
            causes.append(cause_of(addresses, HERE))
            addresses.connected(f"{HERE}:5")
        assert set(causes) == {None}
        for _ in range(limits.subscribers):
            addresses.left(f"{HERE}:5", half_open=False)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.3.2.1", "[::1]"])
def test_this_machine_is_not_limited(host: str) -> None:
    addresses = Addresses(AddressLimits(1, 1, 0.1))

    assert {cause_of(addresses, host) for _ in range(2 * BURST_LEAST)} == {None}


def test_ipv6_is_counted_by_network() -> None:
    addresses = Addresses(AddressLimits(2, 9, 1.0))

    for host in ("[2001:db8::1]", "[2001:db8::2]"):
        addresses.entered(f"{host}:5", 0.0)

    refusal = addresses.refusal("[2001:db8::3]:5", 0.0)
    assert refusal is not None
    assert refusal.cause is Reason.ADDRESS_FULL
    assert addresses.refusal("[2001:db8:0:1::3]:5", 0.0) is None


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
