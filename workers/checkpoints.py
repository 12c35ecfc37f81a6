"""Checkpoints: the slots of the subscribers are brought up to date, in slices or when asked. Shell.

A slot is stale as soon as something was sent. All of them are due again once the front has moved,
or somebody is behind or was when they were last looked at, or was sent something in the second
before; but no more than a slice in one tick.

In a flood a tick mostly finds a round of sends under way. What it has for each member would have to
be added up then, while at its end that is known; so slots and figures are not touched before it.
A message that comes while a slice is written is sent before the rest of it, if there was none when
that was begun: a hundred slots take as long as a hundred sends.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fanout.control.messages import SlotsWritten
from fanout.workers.tuning import TUNING, Tuning

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterable, Mapping

    from fanout.control.channel import Channel
    from fanout.workers.connections.peer import Peer
    from fanout.workers.connections.records import Records
    from fanout.workers.deliveries import Deliveries
    from fanout.workers.figures import Figures
    from fanout.workers.stream.pump import Pump
    from fanout.workers.stream.turn_part import TurnPart


LATE_MAX = 5  # ticks that wait for the end of a round; rounds of many members may take longer
RECORD_NS = 500_000_000  # after which the record of one to whom something is sent is renewed
PEERS_PER_LOOK = 16  # at the clock, and for what is new; each takes some microseconds


class Checkpoints:
    """Writes the slots.

    Its mutable state: whose slots have still to be brought up to date, what was seen when they were
    put on that list, how many ticks wait for the end of a round or of what is new, and who has
    asked for an answer.

    Args:
        peers: by id; changed by others.
        figures: are published with each slice and each answer, so that they agree with the slots.
        unsent: bytes that the kernel holds of a socket.
        records: are renewed with the slots.
        deliveries: go first.
    """

    def __init__(
        self,
        pump: Pump,
        peers: Mapping[int, Peer],
        channel: Channel,
        figures: Figures,
        unsent: Callable[[socket.socket], int],
        part: TurnPart,
        records: Records,
        deliveries: Deliveries,
        tuning: Tuning = TUNING,
    ) -> None:
        self._pump = pump
        self._peers = peers
        self._channel = channel
        self._figures = figures
        self._unsent = unsent
        self._part = part
        self._records = records
        self._deliveries = deliveries
        self._per_tick = tuning.checkpoints_per_tick
        self._seen_front = -1
        self._seen_blocked = False
        self._has_rates = False  # somebody has one that is not 0
        self._late = 0
        self._is_still = True  # nothing has moved: records that are behind can be renewed
        self._stale: list[Peer] = []
        self._each_ns = tuning.behind_ns
        self._asked: list[tuple[int, int]] = []  # token, and the head when it was asked for
        self._answering: list[int] = []  # tokens, while the slots are written for these
        self._left: list[Peer] = []  # whose slots have still to be

    @property
    def are_due(self) -> bool:
        """Whether some slots are still to be brought up to date."""
        return bool(self._stale) or self._has_rates or self._records.are_behind

    @property
    def are_late(self) -> bool:
        """Whether a tick waits for the end of the round under way, or for what is new."""
        return self._late > 0

    def tick(self, now: int) -> None:
        """Bring the next slice up to date, as soon as no round is under way.

        Args:
            now: monotonic ns.
        """
        self._late += 1
        if self._late > LATE_MAX or not self._pump.in_round:
            self._catch_up(now)

    def end_round(self, now: int) -> None:
        """What a tick waits for may have been sent."""
        if self._late and not self._pump.in_round:
            self._catch_up(now)

    def _catch_up(self, now: int) -> None:
        is_first, self._late = self._late <= 1, 0
        front, blocked = self._pump.front, bool(self._pump.blocked)
        moved = front != self._seen_front or blocked or self._seen_blocked or self._has_rates
        if not self._stale:
            self._is_still = not moved
        if (moved or self._records.are_behind) and not self._stale:
            self._seen_front, self._seen_blocked, self._has_rates = front, blocked, False
            self._stale = list(self._peers.values())
        left = min(self._per_tick, len(self._stale))
        is_last = 0 < len(self._stale) <= left
        may_wait = is_first and left > PEERS_PER_LOOK and not self._deliveries.are_due
        while left:
            count = min(left, PEERS_PER_LOOK)
            self._write(self._stale[:count], now)
            del self._stale[:count]
            left = 0 if self._part.is_over() else left - count
            if left and may_wait and self._deliveries.are_due:
                self._late, left = 1, 0  # `end_round()` goes on, when that is sent
        if is_last and not self._stale:
            self._records.note_all()
        self._figures.publish()

    def ask(self, token: int, head: int) -> None:
        """Somebody wants to see what has become of all that was published before `head`."""
        self._asked.append((token, head))

    def answer(self, now: int) -> bool:
        """Answer those whose messages the front has passed; once a turn.

        Each slot is written after that. All of them may take several turns: thousands of members
        would else wait for so many slots. Who is asked is told when the last one is written.

        Args:
            now: monotonic ns.

        Returns:
            Whether there was no time for all of it.
        """
        if not (self._answering or (self._asked and self._begin_answer())):
            return False
        part = self._part
        part.begin(self._each_ns)
        while self._left:
            some, self._left = self._left[:PEERS_PER_LOOK], self._left[PEERS_PER_LOOK:]
            self._write(some, now)
            if self._left and part.is_over():
                return True
        self._records.note_all()
        self._figures.publish()
        for token in self._answering:
            self._channel.send(SlotsWritten(token))
        self._answering.clear()
        return False

    def _begin_answer(self) -> bool:
        """Whether somebody is to be answered now."""
        front = self._pump.served
        self._answering = [token for token, head in self._asked if head <= front]
        self._asked = self._asked[len(self._answering) :]
        self._left = list(self._peers.values()) if self._answering else []
        return bool(self._answering)

    def _write(self, peers: Iterable[Peer], now: int) -> None:
        since, settle, here = self._pump.blocked.get, self._pump.settle, self._peers
        record = self._records.write
        for peer in peers:
            if here.get(peer.id) is peer:  # it may have left since, and be here again as another
                settle(peer.member)
                peer.look(now, self._unsent)
                if peer.rate:
                    self._has_rates = True
                seen = peer.checkpoint(since(peer.member, 0))
                if self._is_still or now >= peer.record_due:
                    peer.record_due = now + RECORD_NS
                    record(peer, seen=seen)
