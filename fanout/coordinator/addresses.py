"""Addresses: what each one owes of workers' time, and how long it is held off. Pure.

How many connections one may have is counted in `terms/addresses.py`. But one must not get a new
budget of a worker's time with each new connection, either. So what is missing of one that went over
it is owed by its address, and the next connection begins with that much less.
As long as the one that went over it is still there, which may be for long after its peer has left,
since nobody reads its end, somebody else begins with as much less: once for each such connection.
So an address has as many budgets as it has connections, whether they stay or come again; and of
many who come from it by chance, one has less for each that went over its own, and not all. Who has
less and goes over that is one more of these: else every second connection of somebody who leaves
all of them unread would have a budget of its own. So while one host of a NAT does that, the lists
of others there that take more than `ALWAYS_NS` come in slowly.
"""

from __future__ import annotations

from dataclasses import dataclass

from fanout.basics.units import NS
from fanout.terms.addresses import (
    UNLIMITED,
    AddressCount,
    AddressCounts,
    AddressLimits,
    address_of,
    is_free,
)
from fanout.terms.peer_budget import ADDRESS_DEBT_MAX_NS, DEBT_MAX_NS, PEER_BURST_NS, PEER_PART

HOLD_FIRST = 1.0  # seconds that the second offence in a row is held; doubles with each
HOLD_MAX = 60.0  # seconds
FORGIVEN_AFTER = 300.0  # seconds without an offence
# Seconds that who has keys that do not fit is held, from the second time on. libzmq is back 0.1 s
# after it was closed, and each time a worker multiplies on a curve (0.1 ms): so it does a fiftieth
# of that, and whose keys are mended waits no longer.
REFUSAL_HOLD = 5.0


@dataclass(slots=True)
class _Address(AddressCount):
    """One of them.

    Of its connections `over` have gone over their budgets, the last at `over_at`, and for
    `inherited` of these others have begun with less. What those owe that are gone is `debt`.
    """

    offences: int = 0  # in a row
    offended: float = 0.0  # when it last did
    mistaken: float | None = None  # when one of its connections had keys that do not fit
    debt: int = 0  # ns of a worker, at the time `at`
    over: int = 0
    over_at: float = 0.0
    inherited: int = 0


class Addresses(AddressCounts[_Address]):
    """Those of subscribers; one owner, the coordinator's thread."""

    def __init__(self, limits: AddressLimits = UNLIMITED) -> None:
        super().__init__(limits, _Address)

    def entered(self, peer: str, now: float) -> int:
        """A connection of this peer is open, and in its handshake.

        Returns:
            The debt that it begins with: ns that are missing of its budget.
        """
        address = self.enter(peer, now)
        return self._inherit(address, now) if address.debt or address.over else 0

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
        super()._recover(address, now)


def left_of(debt: int, since: float, now: float) -> int:
    """What of a debt of one connection is not paid yet, in ns of a worker."""
    return max(0, debt - _paid(since, now))


def _paid(since: float, now: float) -> int:
    """What of one debt is paid in that time, in ns of a worker."""
    return int((now - since) * NS) // PEER_PART
