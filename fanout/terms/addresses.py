"""Addresses: what counts as one host, and how many connections each may have. Pure.

One host must not take every place of a publisher. What counts as one host is an IPv4 address, or an
IPv6 network of 64 bits: that is what one customer gets, and has 2**64 addresses in. Hosts of one
link (fe80::) are told apart. Who comes from this machine is not limited: it can do worse than to
connect, and a proxy or tunnel in front of the publisher comes from there.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

from fanout.reasons import Reason

if TYPE_CHECKING:
    from collections.abc import Callable

NETWORK_BITS = 64  # of an IPv6 address: what is given to one customer
REMEMBERED_MAX = 4_096  # addresses without a connection; the one that was seen first is forgotten
BURST_LEAST = 1_000  # connections at once that any address may make, however few may stay
BURST_TIMES = 2  # or so often what may stay: all come back at once, and once more
REFUSED_HELD = 1.0  # seconds that who is refused for its address is held: libzmq is back in 0.1 s

OF_ADDRESS = {Reason.ADDRESS_FULL, Reason.ADDRESS_HALF_OPEN, Reason.ADDRESS_RATE}


class AddressRefusal(NamedTuple):
    """Why a connection is not served: the reason, and in words with the figures of this case."""

    cause: Reason
    text: str


class AddressLimits(NamedTuple):
    """What connections of one address may take together."""

    connections: int  # at once
    half_open: int  # at once, in their handshake
    connects: float  # new ones a second, beyond a burst
    option: str = "max_connections_per_address"  # as users call the first of these


UNLIMITED = AddressLimits(1 << 62, 1 << 62, 1e18)


@dataclass(slots=True)
class AddressCount:
    """One of them; `spent` is how much of its burst it has used, at the time `at`."""

    connections: int = 0
    half_open: int = 0
    spent: float = 0.0
    at: float = 0.0


A = TypeVar("A", bound=AddressCount)


class AddressCounts(Generic[A]):
    """Counts by address; one owner.

    Its mutable state: an entry for each address that has a connection, and for the last
    REMEMBERED_MAX that have none any more.

    Args:
        make: makes an entry.
    """

    def __init__(self, limits: AddressLimits, make: Callable[[], A]) -> None:
        self._limits = limits
        self._make = make
        self._burst = max(BURST_LEAST, BURST_TIMES * limits.connections)
        self._present: dict[str, A] = {}
        self._remembered: dict[str, A] = {}  # in the order in which they left

    def __len__(self) -> int:
        return len(self._present) + len(self._remembered)

    def refusal(self, peer: str, now: float) -> AddressRefusal | None:
        """Why a connection of this peer is not taken; None = `enter()` it.

        Args:
            peer: as `transport.listener.peer_name` has it.
            now: seconds of a clock that never goes back.
        """
        name = address_of(peer)
        address = self._present.get(name) or self._remembered.get(name)
        if address is None or is_free(name):
            return None
        limits = self._limits
        if address.connections >= limits.connections:
            text = f"{name} has {address.connections} connections ({limits.option})"
            return AddressRefusal(Reason.ADDRESS_FULL, text)
        if address.half_open >= limits.half_open:
            text = f"{name} has {address.half_open} in their handshake (max_half_open_per_address)"
            return AddressRefusal(Reason.ADDRESS_HALF_OPEN, text)
        self._recover(address, now)
        if address.spent + 1 > self._burst:
            text = (
                f"{name} connects more than {limits.connects:g} times a second, and has used up "
                f"its burst of {self._burst:,} (max_connects_per_address)"
            )
            return AddressRefusal(Reason.ADDRESS_RATE, text)
        return None

    def enter(self, peer: str, now: float) -> A:
        """A connection of this peer is open, and in its handshake; returns its address."""
        name = address_of(peer)
        address = self._present.get(name)
        if address is None:
            address = self._remembered.pop(name, None) or self._new(now)
            self._present[name] = address
        self._recover(address, now)
        address.spent += 1
        address.connections += 1
        address.half_open += 1
        return address

    def connected(self, peer: str) -> None:
        """The handshake of one of its connections is done."""
        self._present[address_of(peer)].half_open -= 1

    def left(self, peer: str, *, half_open: bool) -> None:
        """One of its connections is closed, which was still in its handshake or not."""
        name = address_of(peer)
        address = self._present[name]
        address.connections -= 1
        address.half_open -= half_open
        if not address.connections:
            del self._present[name]
            self._remember(name, address)

    def _known(self, peer: str, now: float) -> A:
        """The entry of a peer's address, which may have left meanwhile, or been forgotten."""
        name = address_of(peer)
        address = self._present.get(name) or self._remembered.get(name)
        if address is None:
            address = self._new(now)
            self._remember(name, address)
        return address

    def _new(self, now: float) -> A:
        address = self._make()
        address.at = now
        return address

    def _recover(self, address: A, now: float) -> None:
        address.spent = max(0.0, address.spent - (now - address.at) * self._limits.connects)
        address.at = now

    def _remember(self, name: str, address: A) -> None:
        if len(self._remembered) >= REMEMBERED_MAX:
            del self._remembered[next(iter(self._remembered))]
        self._remembered[name] = address


@lru_cache(maxsize=1024)  # a connection is asked for several times while it begins
def address_of(peer: str) -> str:
    """What this peer is counted as.

    Args:
        peer: "203.0.113.7:41234", "[2001:db8::1]:41234", "ipc:1234" or "unknown".

    Returns:
        "203.0.113.7", "2001:db8::/64", or the same for others.
    """
    if peer.startswith("ipc:"):
        return peer
    host = ip_of(peer)
    if not peer.startswith("["):
        return host
    address = ipaddress.IPv6Address(host)
    if address.is_link_local or address.is_loopback:
        return host
    return str(ipaddress.IPv6Network((int(address), NETWORK_BITS), strict=False))


def ip_of(peer: str) -> str:
    """A peer without its port: its IP address, if it has one."""
    return peer[1:].partition("]")[0] if peer.startswith("[") else peer.partition(":")[0]


def is_free(address: str) -> bool:
    """Whether an address is not limited: this machine, or a peer that has left already."""
    return address.startswith(("127.", "ipc:")) or address in ("::1", "unknown")
