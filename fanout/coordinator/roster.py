"""Who is connected, in which slot, and served by whom; whom to refuse. Pure.

Methods change the roster in one step and return what it comes to; the coordinator does the rest.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fanout.control.judging import is_by_tls, is_sealed
from fanout.coordinator.addresses import Addresses, left_of
from fanout.reasons import Reason
from fanout.terms.addresses import AddressRefusal
from fanout.terms.peer_budget import PEER_BURST_NS

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from fanout.control.messages import Evict

LOAD_STEP = 100  # thousandths of a core; loads in the same step are equal: they are measured, noisy
LOAD_SECONDS = 1.0  # a load is measured so often
GIVEN_MAX = 32  # connections to one worker because of one measurement; more would be a load as well


@dataclass(slots=True)
class Accepted:
    """One accepted connection; `version` is None until its handshake is done."""

    subscriber: int
    slot: int
    worker: int
    peer: str
    endpoint: str
    protocol: str  # what its listener speaks
    version: str | None = None
    mechanism: str = "NULL"  # by which it has proven who it is
    user: str = ""  # who it is by that
    wanted_since: int = 0  # the message from which on it has wanted anything at all
    over_limit: bool = False  # its worker was told to end it: what it wants counts no more
    made_room: bool = False  # for others, whose subscriptions were too many with its own
    debt: int = 0  # ns that its address owed when it came, and that are missing of its budget
    is_over: bool = False  # that budget, or was once
    lost_from: int | None = None  # its worker is lost, and has served it up to that message
    slow: bool = False  # it was told of as that, and not yet that it has recovered
    stalled: bool = False  # the same
    half_closed: bool = False  # it was told of that it has ended its side, and is served on
    owed_at: float = 0.0  # seconds; since it came, or was named as over it last, it has paid
    came_at: float = 0.0  # seconds; when it was accepted
    login: tuple[str, str] | None = None  # the user, as he is known, and his key; once let in
    granted: tuple[bytes, ...] | None = None  # what it may have by who has let it in; None = all
    allowed: tuple[bytes, ...] | None = None  # the same, by what the program has said since
    permit: int = 0  # the number of the last change of that; 0 = it has no rights of its own
    permitted: bool = False  # its worker has once said that it goes by such a change
    cut: Evict | None = None  # it was sent away at once: its worker may find it broken

    @property
    def is_sealed(self) -> bool:
        """Whether all that it is sent is encrypted, with a key that only its worker has."""
        return is_sealed(self.protocol)

    @property
    def is_by_tls(self) -> bool:
        """Whether that is so by TLS: then no other worker can ever have what it takes."""
        return is_by_tls(self.protocol)

    def owed(self, now: float) -> int:
        """What its address owes if it ends now, and its worker does not say that: ns of a worker.

        Args:
            now: seconds, as of `owed_at`.
        """
        return left_of(PEER_BURST_NS if self.is_over else self.debt, self.owed_at, now)


class Roster:
    """All connections of a publisher.

    Its mutable state: the connections, who of them belongs to which worker, how many are in their
    handshake, the free slots, and the next subscriber id.

    Args:
        workers: how many, 1 or more.
        max_subscribers: slots, and thereby connections at once.
        max_half_open: connections at once that have not finished their handshake.

    Attributes:
        addresses: what each address takes of it.
    """

    def __init__(
        self,
        workers: int,
        max_subscribers: int,
        max_half_open: int,
        addresses: Addresses | None = None,
    ) -> None:
        self.addresses = Addresses() if addresses is None else addresses
        self.connections: dict[int, Accepted] = {}
        self.half_open = 0
        self._served_by: list[set[int]] = [set() for _ in range(workers)]
        self._max_half_open = max_half_open
        self._free_slots = list(range(max_subscribers - 1, -1, -1))
        self._next_id = 1
        # For each worker: its load when it was measured last, when that was seen, and how many it
        # has been given since then.
        self._given = [(-1, 0.0, 0)] * workers

    def admit(
        self,
        peer: str,
        endpoint: str,
        protocol: str,
        ready: Collection[int],
        loads: Sequence[int],
        now: float,
    ) -> Accepted | AddressRefusal:
        """Give a new connection a slot and the least loaded worker, or say why it is refused.

        Args:
            ready: the workers that serve.
            loads: the measured load of each worker, ready or not, in thousandths of a core.
            now: seconds, see `Supervision`.
        """
        if self.half_open >= self._max_half_open:
            text = f"{self.half_open} connections are in their handshake (max_half_open)"
            return AddressRefusal(Reason.HALF_OPEN, text)
        if not self._free_slots:
            text = f"{len(self.connections)} connections are open (max_subscribers)"
            return AddressRefusal(Reason.FULL, text)
        if not ready:
            return AddressRefusal(Reason.NO_WORKER, Reason.NO_WORKER.text)
        refusal = self.addresses.refusal(peer, now)
        if refusal is not None:
            return refusal
        chosen = self._choose(ready, loads, now)
        connection = Accepted(
            self._next_id, self._free_slots.pop(), chosen, peer, endpoint, protocol
        )
        self._next_id += 1
        self.connections[connection.subscriber] = connection
        self._served_by[chosen].add(connection.subscriber)
        self.half_open += 1
        connection.debt = self.addresses.entered(peer, now)
        connection.owed_at = connection.came_at = now
        return connection

    def connected(self, subscriber: int, version: str) -> Accepted | None:
        """Its handshake is done; None if it is not known (any more)."""
        connection = self.connections.get(subscriber)
        if connection is not None and connection.version is None:
            connection.version = version
            self.half_open -= 1
            self.addresses.connected(connection.peer)
        return connection

    def remove(self, subscriber: int) -> Accepted | None:
        """The connection is closed; its slot is free. None if it was not known (any more)."""
        connection = self.connections.pop(subscriber, None)
        if connection is None:
            return None
        self._served_by[connection.worker].discard(subscriber)
        self._free_slots.append(connection.slot)
        is_half_open = connection.version is None
        self.half_open -= is_half_open
        self.addresses.left(connection.peer, half_open=is_half_open)
        return connection

    def orphan(self, subscriber: int) -> None:
        """Its worker is lost; it is with nobody, until it is moved."""
        connection = self.connections[subscriber]
        self._served_by[connection.worker].discard(subscriber)

    def move(self, subscriber: int, ready: Collection[int]) -> Accepted:
        """It is with the one of these workers that has the fewest from now on."""
        connection = self.connections[subscriber]
        self._served_by[connection.worker].discard(subscriber)
        connection.worker = min(ready, key=lambda one: len(self._served_by[one]))
        self._served_by[connection.worker].add(subscriber)
        return connection

    def _choose(self, ready: Collection[int], loads: Sequence[int], now: float) -> int:
        """The worker for a new connection.

        A load is as old as a second. It says where the next few go; if they were a thousand, all
        of them would go to the one that had least to do before they came. Then it is their number
        that counts.
        """
        chosen = min(ready, key=lambda one: (loads[one] // LOAD_STEP, len(self._served_by[one])))
        load, since, given = self._given[chosen]
        if load != loads[chosen] or not 0.0 <= now - since < LOAD_SECONDS:
            load, since, given = loads[chosen], now, 0
        if given >= GIVEN_MAX:
            return min(ready, key=lambda one: len(self._served_by[one]))
        self._given[chosen] = load, since, given + 1
        return chosen

    def enlarge(self, workers: int) -> None:
        """There may be so many workers from now on."""
        more = workers - len(self._served_by)
        self._served_by += [set() for _ in range(more)]
        self._given += [(-1, 0.0, 0)] * more

    def count(self, worker: int) -> int:
        """How many connections a worker has."""
        return len(self._served_by[worker])

    def served_by(self, worker: int) -> list[Accepted]:
        """The connections of a worker, in the order in which they were accepted."""
        return [self.connections[subscriber] for subscriber in sorted(self._served_by[worker])]
