"""Places: how many may be connected to one endpoint, in all and of each address. Pure."""

from __future__ import annotations

from typing import NamedTuple

from fanout.errors import ConfigError
from fanout.reasons import Reason
from fanout.terms.addresses import AddressCount, AddressCounts, AddressLimits, AddressRefusal
from fanout.terms.arguments import shown
from fanout.terms.shares import CONNECTS_LEAST, CONNECTS_MOST, CONNECTS_PER_S, share_of

PRODUCERS_MAX = 1_024  # of one endpoint, if nothing else is said: each takes a descriptor
PRODUCERS_LIMIT = 65_536


class PlaceLimits(NamedTuple):
    """How many connections there may be, whether their handshake is done or not."""

    most: int
    address: AddressLimits


class PerAddress(NamedTuple):
    """What users say of one address."""

    connections: int = 0  # 0 = half of all, four at least
    half_open: int = 0  # 0 = half of those, four at least
    connects: float = CONNECTS_PER_S


ANY_ADDRESS = PerAddress()  # of which nothing is said


def place_limits(most: int, of_address: PerAddress, option: str, highest: int) -> PlaceLimits:
    """The limits of an endpoint, of what users have said.

    Args:
        option: as they call `most`, which may be as many as `highest`.

    Raises:
        TypeError, ConfigError: the text names the range.
    """
    connections, half_open, connects = of_address
    _check_count(option, most, 1, highest)
    _check_count("max_connections_per_address", connections, 0, highest)
    _check_count("max_half_open_per_address", half_open, 0, highest)
    check_rate("max_connects_per_address", connects)
    return limits_of(most, connections, half_open, connects)


def limits_of(most: int, connections: int, half_open: int, connects: float) -> PlaceLimits:
    """The same, of numbers that are in their ranges."""
    connections = connections or share_of(most)
    half_open = half_open or share_of(connections)
    return PlaceLimits(most, AddressLimits(connections, half_open, connects))


def check_rate(name: str, rate: object) -> None:
    """Refuse what is no number of connections a second.

    Raises:
        TypeError, ConfigError: the text names the range.
    """
    if isinstance(rate, bool) or not isinstance(rate, int | float):
        raise TypeError(f"{name} must be a number, not {type(rate).__name__}")
    if not CONNECTS_LEAST <= rate <= CONNECTS_MOST:
        raise ConfigError(
            f"{name}={shown(rate)} is not from {CONNECTS_LEAST:g} to {CONNECTS_MOST:,.0f}"
        )


def _check_count(name: str, count: object, least: int, highest: int) -> None:
    if isinstance(count, bool) or not isinstance(count, int):
        raise TypeError(f"{name} must be an int, not {type(count).__name__}")
    if not least <= count <= highest:
        raise ConfigError(f"{name}={count} is not from {least} to {highest:,}")


class Places:
    """Who is connected to one endpoint; one owner.

    Args:
        who: they are, for people: "producers".
        option: as users call the limit of all.
    """

    def __init__(self, limits: PlaceLimits, who: str, option: str) -> None:
        self.taken = 0
        self._most = limits.most
        self._who = who
        self._option = option
        self._addresses = AddressCounts(limits.address, AddressCount)

    def refusal(self, peer: str, now: float) -> AddressRefusal | None:
        """Why a connection of this peer is not taken; None = `enter()` it."""
        if self.taken >= self._most:
            text = f"{self.taken} {self._who} are connected ({self._option})"
            return AddressRefusal(Reason.FULL, text)
        return self._addresses.refusal(peer, now)

    def enter(self, peer: str, now: float) -> None:
        """A connection of this peer is open, and in its handshake."""
        self._addresses.enter(peer, now)
        self.taken += 1

    def connected(self, peer: str) -> None:
        """The handshake of one of its connections is done."""
        self._addresses.connected(peer)

    def left(self, peer: str, *, half_open: bool) -> None:
        """One of its connections is closed, which was still in its handshake or not."""
        self.taken -= 1
        self._addresses.left(peer, half_open=half_open)
