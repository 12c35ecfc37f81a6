"""Records: written for each peer, so that another worker can go on with its stream. Shell.

The log must be there from the oldest record on that somebody may have to go on by. So records are
renewed: those of all peers with their checkpoints, each half second and when nothing moves any
more; and at once those that are in the way when the publisher waits for room, or that keep much
more of the log than the peers need.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fanout.shm.stream_record import Kind
from fanout.shm.worker_slot import NO_TAIL
from fanout.workers.stream.recording import record_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fanout.shm.subscriber_slot import Checkpoint
    from fanout.workers.connections.peer import Peer
    from fanout.workers.stream.pump import Pump
    from fanout.workers.stream.turn_part import TurnPart
    from fanout.workers.surroundings import Surroundings
    from fanout.workers.tail import Tail

KEPT_PART = 4  # records may keep 1/4 of the log beyond what the peers need
TURNS_PER_LOOK = 8  # at what they keep, unless the publisher waits; in a turn they keep little more
PEERS_PER_LOOK = 32  # at the clock; each takes some microseconds


class Records:
    """Writes them, and says what the log must keep for them.

    Its mutable state: whose records are being renewed, and up to which message that was done last.

    Args:
        peers: by id; changed by others.
    """

    def __init__(
        self, around: Surroundings, pump: Pump, tail: Tail[Peer], peers: Mapping[int, Peer]
    ) -> None:
        self._slot = around.slot
        self._log = around.log
        self._pump = pump
        self._tail = tail
        self._peers = peers
        self._left: list[Peer] = []
        self._is_renewing = False
        self._renewed = 0
        self._turns = 0  # since it was looked at what they keep
        self._slot.resume = NO_TAIL

    @property
    def are_behind(self) -> bool:
        """Whether the log keeps more for them than for what has still to be sent."""
        return self._slot.resume < self._slot.tail

    def write(
        self,
        peer: Peer,
        *,
        said: bytes = b"",
        will_want: bool = False,
        seen: Checkpoint | None = None,
    ) -> None:
        """Write the record of a peer; of one that is still in its handshake there is none.

        Args:
            said: what is about to be said to it.
            will_want: a change is about to be reported, by which it may want something.
            seen: its checkpoint of this instant, if there is one: it is settled then.
        """
        if not peer.ready:
            return
        member = peer.member
        if seen is None:
            # What was promised to somebody in this turn is from the front on, wherever that is.
            self._pump.settle(member, stay=bool(self._tail.promised))
        will_want = will_want or peer in self._tail.promised  # its report may be out by now
        record = record_of(member, said=said, will_want=will_want, seen=seen)
        if peer.has_spoken_for_itself:
            record = record._replace(kind=Kind.RESERVED, needed=NO_TAIL, speech=b"")
        # The rest of a message, perhaps after a time in which nobody has asked the log to keep it.
        if member.spill and record.needed < min(peer.recorded, record.following):
            record = record._replace(needed=record.following)
        needed = record.needed
        if needed < self._slot.resume:  # its tail is there already
            self._slot.resume = needed
        peer.record.write(record)
        peer.recorded = needed

    def note_jumps(self) -> None:
        """Write those of the members that have jumped in this turn, before they are sent more."""
        jumped, self._pump.jumped = self._pump.jumped, []
        for member in dict.fromkeys(jumped):
            peer = self._peers.get(member.id)
            if peer is not None:
                self.write(peer)

    def note_all(self) -> None:
        """Those of all peers were renewed: the log must keep what the oldest needs."""
        self._slot.resume = min([peer.recorded for peer in self._peers.values()], default=NO_TAIL)

    def renew(self, part: TurnPart, part_ns: int) -> bool:
        """Renew those that are in the way, for as long as there is time; once a turn.

        Returns:
            Whether the log need not keep as much as before.
        """
        if not self._is_renewing:
            self._turns += 1
            if not self._tail.wanted and self._turns < TURNS_PER_LOOK:
                return False
            self._turns = 0
            if not self._are_in_the_way():
                return False
            tail = self._slot.tail
            self._left = [peer for peer in self._peers.values() if peer.recorded < tail]
            self._is_renewing, self._renewed = True, tail if tail != NO_TAIL else 0
        part.begin(part_ns)
        while self._left:
            some, self._left = self._left[:PEERS_PER_LOOK], self._left[PEERS_PER_LOOK:]
            for peer in some:
                if peer.id in self._peers:
                    self.write(peer)
            if self._left and part.is_over():
                return False
        self._is_renewing = False
        self.note_all()
        return True

    def _are_in_the_way(self) -> bool:
        """Whether they keep the publisher waiting, or a large part of the log."""
        resume, tail = self._slot.resume, self._slot.tail
        if resume >= tail:
            return False
        if resume < self._tail.wanted <= tail:
            return True
        if tail in (NO_TAIL, self._renewed):  # of one in the middle of a message the rest is kept
            return False
        log = self._log
        kept = log.start_of(tail) - log.start_of(resume)
        return kept > log.size // KEPT_PART or tail - resume > log.entries // KEPT_PART
