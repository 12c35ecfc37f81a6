"""Addresses: how much of a publisher each one takes, and how long it is held off. Pure.

One host must not take every place of a publisher. What counts as one host is an IPv4 address, or an
IPv6 network of 64 bits: that is what one customer gets, and has 2**64 addresses in. Hosts of one
link (fe80::) are told apart. Who comes from this machine is not limited: it can do worse than to
connect, and a proxy or tunnel in front of the publisher comes from there.

It must not get a new budget of a worker's time with each new connection, either. So what is missing
of one that went over it is owed by its address, and the next connection begins with that much less.
As long as the one that went over it is still there, which may be for long after its peer has left,
since nobody reads its end, somebody else begins with as much less: once for each such connection.
So an address has as many budgets as it has connections, whether they stay or come again; and of
many who come from it by chance, one has less for each that went over its own, and not all. Who has
less and goes over that is one more of these: else every second connection of somebody who leaves
all of them unread would have a budget of its own. So while one host of a NAT does that, the lists
of others there that take more than `ALWAYS_NS` come in slowly.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from fanout.basics.units import NS
from fanout.reasons import Reason
from fanout.terms.peer_budget import ADDRESS_DEBT_MAX_NS, DEBT_MAX_NS, PEER_BURST_NS, PEER_PART

NETWORK_BITS = 64  # of an IPv6 address: what is given to one customer
REMEMBERED_MAX = 4_096  # addresses without a connection; the one that was seen first is forgotten
BURST_LEAST = 1_000  # connections at once that any address may make, however few may stay
BURST_TIMES = 2  # or so often what may stay: all come back at once, and once more
HOLD_FIRST = 1.0  # seconds that the second offence in a row is held; doubles with each
HOLD_MAX = 60.0  # seconds
FORGIVEN_AFTER = 300.0  # seconds without an offence
# Seconds that who has keys that do not fit is held, from the second time on. libzmq is back 0.1 s
# after it was closed, and each time a worker multiplies on a curve (0.1 ms): so it does a fiftieth
# of that, and whose keys are mended waits no longer.
REFUSAL_HOLD = 5.0


class AddressRefusal(NamedTuple):
    """Why a connection is not served: the reason, and in words with the figures of this case."""

    cause: Reason
    text: str


class AddressLimits(NamedTuple):
    """What connections of one address may take together."""

    subscribers: int  # at once
    half_open: int  # at once, in their handshake
    connects: float  # new ones a second, beyond a burst


UNLIMITED = AddressLimits(1 << 62, 1 << 62, 1e18)


@dataclass(slots=True)
class _Address:
    """One of them; `spent` is how much of its burst it has used, at the time `at`.

    Of its connections `over` have gone over their budgets, the last at `over_at`, and for
    `inherited` of these others have begun with less. What those owe that are gone is `debt`.
    """

    connections: int = 0
    half_open: int = 0
    spent: float = 0.0
    at: float = 0.0
    offences: int = 0  # in a row
    offended: float = 0.0  # when it last did
    mistaken: float | None = None  # when one of its connections had keys that do not fit
    debt: int = 0  # ns of a worker, at the time `at`
    over: int = 0
    over_at: float = 0.0
    inherited: int = 0


class Addresses:
    """Counts by address; one owner, the coordinator's thread.

    Its mutable state: an entry for each address that has a connection, and for the last
    REMEMBERED_MAX that have none any more.
    """

    def __init__(self, limits: AddressLimits = UNLIMITED) -> None:
        self._limits = limits
        self._burst = max(BURST_LEAST, BURST_TIMES * limits.subscribers)
        self._present: dict[str, _Address] = {}
        self._remembered: dict[str, _Address] = {}  # in the order in which they left

    def __len__(self) -> int:
        return len(self._present) + len(self._remembered)

    def refusal(self, peer: str, now: float) -> AddressRefusal | None:
        """Why a connection of this peer is not taken; None = `entered()` it.

        Args:
            peer: as `transport.listener.peer_name` has it.
            now: seconds of a clock that never goes back.
        """
        name = address_of(peer)
        address = self._present.get(name) or self._remembered.get(name)
        if address is None or is_free(name):
            return None
        limits = self._limits
        if address.connections >= limits.subscribers:
            text = f"{name} has {address.connections} connections (max_subscribers_per_address)"
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

    def entered(self, peer: str, now: float) -> int:
        """A connection of this peer is open, and in its handshake.

        Returns:
            The debt that it begins with: ns that are missing of its budget.
        """
        name = address_of(peer)
        address = self._present.get(name)
        if address is None:
            known = name in self._remembered
            address = self._remembered.pop(name) if known else _Address(at=now)
            self._present[name] = address
        self._recover(address, now)
        address.spent += 1
        address.connections += 1
        address.half_open += 1
        return self._inherit(address, now) if address.debt or address.over else 0

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

    def exceeded(self, peer: str, now: float, *, again: bool) -> None:
        """One of its connections is over its budget; not for the first time, or so."""
        name = address_of(peer)
        address = self._present[name]
        address.over_at = now
        if not again and not is_free(name):
            address.over += 1

    def owes(self, peer: str, debt: int, now: float, *, over: bool = False) -> None:
        """One of its connections ends, but has not `left()`, and so many ns of its budget are due.

        Args:
            over: it has `exceeded()` that.
        """
        name = address_of(peer)
        if is_free(name):
            return
        address = self._present[name]
        if over:
            address.over -= 1
            if address.inherited:  # somebody else has begun with that
                address.inherited -= 1
                return
        self._recover(address, now)
        address.debt = min(ADDRESS_DEBT_MAX_NS, address.debt + debt)

    def offended(self, peer: str, now: float) -> float:
        """A connection of this peer wanted more than it may; seconds to hold it before its end.

        A subscriber that is closed comes back at once and asks for the same again. One that is
        held believes to be connected, and costs a descriptor. The first offence is not held.
        """
        address = self._known(peer, now)
        if now - address.offended >= FORGIVEN_AFTER:
            address.offences = 0
        address.offended = now
        address.offences += 1
        if address.offences == 1:
            return 0.0
        doublings = min(address.offences - 2, int(HOLD_MAX))
        return min(HOLD_FIRST * 2.0**doublings, HOLD_MAX)

    def mistaken(self, peer: str, now: float) -> float:
        """A connection of this peer had keys that do not fit; seconds to hold it before its end.

        The first is not held, so that who has just set up a subscriber is told at once.
        """
        address = self._known(peer, now)
        before, address.mistaken = address.mistaken, now
        is_first = before is None or now - before >= FORGIVEN_AFTER
        return 0.0 if is_first else REFUSAL_HOLD

    def _known(self, peer: str, now: float) -> _Address:
        """The entry of a peer's address, which may have left meanwhile, or been forgotten."""
        name = address_of(peer)
        address = self._present.get(name) or self._remembered.get(name)
        if address is None:
            address = _Address(at=now)
            self._remember(name, address)
        return address

    def _inherit(self, address: _Address, now: float) -> int:
        """What is owed for one connection that went over its budget, and not for it any more."""
        if address.over > address.inherited:
            address.inherited += 1
            debt = left_of(PEER_BURST_NS, address.over_at, now)
        else:
            debt = min(PEER_BURST_NS, address.debt)
            address.debt -= debt
        return min(DEBT_MAX_NS, debt)

    def _recover(self, address: _Address, now: float) -> None:
        if address.debt:
            # It is the sum of what several connections owe that are gone, each at most one
            # `PEER_BURST_NS`. Each is paid back as fast as if it were alone, all at the same time.
            budgets = -(-address.debt // PEER_BURST_NS)
            address.debt = max(0, address.debt - budgets * _paid(address.at, now))
        address.spent = max(0.0, address.spent - (now - address.at) * self._limits.connects)
        address.at = now

    def _remember(self, name: str, address: _Address) -> None:
        if len(self._remembered) >= REMEMBERED_MAX:
            del self._remembered[next(iter(self._remembered))]
        self._remembered[name] = address


def left_of(debt: int, since: float, now: float) -> int:
    """What of a debt of one connection is not paid yet, in ns of a worker."""
    return max(0, debt - _paid(since, now))


def _paid(since: float, now: float) -> int:
    """What of one debt is paid in that time, in ns of a worker."""
    return int((now - since) * NS) // PEER_PART


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
