"""How many connections each address may have, what counts as one, and who is not limited."""

from __future__ import annotations

import pytest

from fanout.options import Options
from fanout.reasons import Reason
from fanout.terms.addresses import (
    BURST_LEAST,
    AddressCount,
    AddressCounts,
    AddressLimits,
    address_of,
)

HERE, THERE = "203.0.113.7", "198.51.100.2"


def counts(*limits: float) -> AddressCounts[AddressCount]:
    """With these limits: of connections, of handshakes, and a rate."""
    connections, half_open, connects = limits
    return AddressCounts(AddressLimits(int(connections), int(half_open), connects), AddressCount)


def cause_of(addresses: AddressCounts[AddressCount], host: str, now: float = 0.0) -> Reason | None:
    """Why one more connection of a host is refused; one that is not is entered."""
    refusal = addresses.refusal(f"{host}:5", now)
    if refusal is None:
        addresses.enter(f"{host}:5", now)
        return None
    assert host in refusal.text
    assert "_per_address)" in refusal.text, "it does not name the option"
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
    addresses = counts(3, 9, 1.0)

    causes = [cause_of(addresses, HERE) for _ in range(4)]

    assert causes == [None, None, None, Reason.ADDRESS_FULL]
    assert cause_of(addresses, THERE) is None
    addresses.left(f"{HERE}:5", half_open=True)
    assert cause_of(addresses, HERE) is None


def test_its_handshakes_have_a_limit_of_their_own() -> None:
    addresses = counts(9, 2, 1.0)

    assert [cause_of(addresses, HERE) for _ in range(3)] == [None, None, Reason.ADDRESS_HALF_OPEN]
    addresses.connected(f"{HERE}:5")
    assert cause_of(addresses, HERE) is None
    assert cause_of(addresses, HERE) is Reason.ADDRESS_HALF_OPEN
    addresses.left(f"{HERE}:5", half_open=True)
    assert cause_of(addresses, HERE) is None


def test_who_comes_again_and_again_has_a_burst_and_then_a_rate() -> None:
    addresses = counts(10, 10, 5.0)

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
    addresses = AddressCounts(limits, AddressCount)

    for _ in range(2):
        causes = []
        for _ in range(limits.connections):
            causes.append(cause_of(addresses, HERE))
            addresses.connected(f"{HERE}:5")
        assert set(causes) == {None}
        for _ in range(limits.connections):
            addresses.left(f"{HERE}:5", half_open=False)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.3.2.1", "[::1]"])
def test_this_machine_is_not_limited(host: str) -> None:
    addresses = counts(1, 1, 0.1)

    assert {cause_of(addresses, host) for _ in range(2 * BURST_LEAST)} == {None}


def test_ipv6_is_counted_by_network() -> None:
    addresses = counts(2, 9, 1.0)

    for host in ("[2001:db8::1]", "[2001:db8::2]"):
        addresses.enter(f"{host}:5", 0.0)

    refusal = addresses.refusal("[2001:db8::3]:5", 0.0)
    assert refusal is not None
    assert refusal.cause is Reason.ADDRESS_FULL
    assert addresses.refusal("[2001:db8:0:1::3]:5", 0.0) is None
