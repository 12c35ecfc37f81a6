"""A line of those who wait, in which each address has its turn. Pure.

One host can have thousands of connections in their handshakes at once, and come again as soon as it
is refused. First come, first served, all others would wait behind these.
"""

from __future__ import annotations

from typing import Generic, TypeVar

T = TypeVar("T")


class FairLine(Generic[T]):
    """Its mutable state: who waits, by address; these in the order of their turns."""

    def __init__(self) -> None:
        self._waiting: dict[str, dict[int, T]] = {}
        self._address_of: dict[int, str] = {}

    def __len__(self) -> int:
        return len(self._address_of)

    def add(self, subscriber: int, address: str, one: T) -> None:
        """It waits from now on, behind those of its address."""
        self._waiting.setdefault(address, {})[subscriber] = one
        self._address_of[subscriber] = address

    def remove(self, subscriber: int) -> None:
        """It waits no more, if it has."""
        address = self._address_of.pop(subscriber, None)
        if address is None:
            return
        waiting = self._waiting[address]
        del waiting[subscriber]
        if not waiting:
            del self._waiting[address]

    def take(self) -> T | None:
        """Who is next; None = nobody waits."""
        address = next(iter(self._waiting), None)
        if address is None:
            return None
        waiting = self._waiting.pop(address)
        subscriber = next(iter(waiting))
        one = waiting.pop(subscriber)
        del self._address_of[subscriber]
        if waiting:
            self._waiting[address] = waiting  # behind all others
        return one

    def clear(self) -> None:
        """Nobody waits any more."""
        self._waiting.clear()
        self._address_of.clear()
