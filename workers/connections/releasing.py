"""Releasing: a connection is given up, so that another worker can go on with it. Shell.

That is done between two turns, when nothing is under way. Its record then says all: what was sent,
what was read, and what is to be said. The socket is closed here without being shut down; the
coordinator has a duplicate, and holds the log from before it has asked for this.
"""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from fanout.control.takeover import Released
from fanout.shm.stream_record import Kind
from fanout.workers.connections.handed import NOWHERE, kept, packed
from fanout.workers.connections.sealed import SealedSend
from fanout.workers.connections.unix_inbox import own_counts

if TYPE_CHECKING:
    from fanout.control.takeover import Release
    from fanout.workers.connections.desk import Desk
    from fanout.workers.connections.peer import Peer
    from fanout.workers.stream.pump import Pump
    from fanout.workers.surroundings import Surroundings
    from fanout.workers.tail import Tail


class Releasing:
    """Gives connections up, one at a time; owns nothing."""

    def __init__(self, around: Surroundings, desk: Desk, pump: Pump, tail: Tail[Peer]) -> None:
        self._around = around
        self._desk = desk
        self._pump = pump
        self._tail = tail

    def release(self, message: Release) -> None:
        """Give a connection up if its record says all that there is to know of it, and answer."""
        peer = self._desk.peers.get(message.subscriber)
        why = "it is not served here" if peer is None else self._why_not(peer, message.held)
        debt, boxes = 0, list[bytes]()
        if peer is not None and why is None:
            boxes, why = self._hand_over(peer)
        if peer is not None and why is None:
            debt = peer.budget.debt(self._around.now())
            self._desk.let_go(peer)
        known = message.subscriber, why is None, why or "", debt
        self._around.channel.send(Released(*known, boxes))

    def _hand_over(self, peer: Peer) -> tuple[list[bytes], str | None]:
        """How the boxes of this one go on, which are made here no more; or why they cannot."""
        sealed, opener = peer.member.sealed, peer.session.opener
        if sealed is None:
            return [], None
        if not isinstance(sealed, SealedSend) or opener is None:
            return [], Kind.SEALED.why_not
        rest, part, where = sealed.remainder, opener.part, NOWHERE
        data = kept(rest, opener)
        if data:
            stored = self._desk.records.keep(peer, data)
            if stored is None:
                return [], Kind.NO_ROOM.why_not
            where = stored.offset
        # From here on it must be let go: another one may make its boxes.
        key, count = sealed.hand_over()
        return packed(key, (count, opener.hand_over()), rest, len(part), where), None

    def _why_not(self, peer: Peer, held: int) -> str | None:
        """Why nobody else can go on with it now, for people; None = its record is written.

        Args:
            held: from which message on the log is held for it.
        """
        if not peer.ready:
            return "it is in its handshake"
        inbox = peer.inbox
        if peer in self._tail.promised or inbox.looked:
            return "a change of what it wants is being reported"
        if any(effect.member is peer.member for effect in self._pump.effects):
            return "something that has happened to it is being reported"
        self._desk.records.write(peer, is_leaving=True)
        record = peer.record.read(peer.id)
        kind = Kind.NONE if record is None else Kind(record.kind)
        if record is None or not kind.goes_on:
            return kind.why_not
        if record.needed < held:
            return "it has gone back since that was asked"
        if kind is Kind.GOES_ON and not (record.is_kept or record.copy):
            return "it is in the middle of a message that the log does not keep"
        if inbox.acted != inbox.taken:
            return "it is in the middle of something that it says"
        if peer.socket.family == socket.AF_UNIX:
            counts = own_counts(peer.socket, peer.record)
        else:
            counts = self._around.stream_counts(peer.socket)
        sealed = peer.member.sealed
        written = record.stream_bytes if sealed is None else sealed.wire_bytes
        if counts is not None and counts != (written, inbox.taken):
            return "the kernel has counted other bytes than its worker"
        return None
