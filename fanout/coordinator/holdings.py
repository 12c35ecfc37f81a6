"""Holdings: how much of the memory for subscriptions each address has. Pure.

All subscriptions of all connections share one limit, `max_interest_bytes`. When they are beyond it,
who has to go is not who happens to subscribe next, but the largest connection of the address that
has most: so nobody can fill the memory and lock out the others with it, not even with thousands of
connections that are small. What counts as an address is what `addresses.py` says; connections from
this machine, a proxy's for instance, are one address like any other here, for memory is not free on
loopback either, and of them, too, the largest has to go.
"""

from __future__ import annotations

from fanout.terms.addresses import address_of


class Holdings:
    """What the connections have, by address; the coordinator's thread.

    Its mutable state: an entry for each connection that has subscribed.
    """

    def __init__(self) -> None:
        self._address: dict[int, str] = {}  # subscriber -> address
        self._of: dict[str, dict[int, int]] = {}  # address -> subscriber -> bytes
        self._totals: dict[str, int] = {}

    def add(self, subscriber: int, peer: str, size: int) -> None:
        """It has so many bytes more, or less.

        Args:
            peer: as `transport.listener.peer_name` has it.
        """
        address = self._address.get(subscriber)
        if address is None:
            address = self._address[subscriber] = address_of(peer)
        held = self._of.setdefault(address, {})
        held[subscriber] = held.get(subscriber, 0) + size
        self._totals[address] = self._totals.get(address, 0) + size

    def forget(self, subscriber: int) -> None:
        """It has nothing any more."""
        address = self._address.pop(subscriber, None)
        if address is None:
            return
        held = self._of[address]
        self._totals[address] -= held.pop(subscriber)
        if not held:
            del self._of[address], self._totals[address]

    def largest(self) -> int:
        """The largest connection of the address that has most.

        Raises:
            ValueError: nobody has subscribed.
        """
        address = max(self._totals, key=self._totals.__getitem__)
        held = self._of[address]
        return max(held, key=held.__getitem__)
