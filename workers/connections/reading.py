"""The read side: what subscribers say. Shell around their sessions.

A change of subscriptions is reported to the coordinator before it is applied, and the report's copy
in the kernel outlives this process. The reports of a turn go out together at its end, and then the
changes are applied. If the reports do not get out, nothing more is read until they have: those they
are about are held, and everybody's input waits where it is.
"""

from __future__ import annotations

import select
from typing import TYPE_CHECKING

from fanout.control.messages import split_subscriptions
from fanout.reasons import Reason
from fanout.zmtp import (
    Cancelled,
    PingReceived,
    PongReceived,
    Ready,
    SessionEvent,
    Subscribed,
    Violation,
)

if TYPE_CHECKING:
    from fanout.control.channel import Channel
    from fanout.workers.connections.deadlines import Deadlines
    from fanout.workers.connections.desk import Desk
    from fanout.workers.connections.peer import Peer
    from fanout.workers.stream.pump import Pump
    from fanout.workers.tail import Tail
    from fanout.workers.tuning import Tuning

READS_PER_TURN = 16  # sockets read in a turn
BYTES_PER_TURN = 32 * 1024  # read in a turn: of the smallest frames that takes 20 ms, at worst
SPARED_NS_EACH = 100_000  # ns without reading for each subscription: 1 % of the worker for one peer


class ReadSide:
    """Reads from the peers of a worker; one of the desk's watchers.

    Its mutable state: the level-triggered epoll set, and the peers that are not read for a while.
    The changes that wait for their reports to get out are the promises of the tail.
    """

    def __init__(
        self,
        desk: Desk,
        deadlines: Deadlines,
        pump: Pump,
        tail: Tail[Peer],
        channel: Channel,
        read_set: select.epoll,
        tuning: Tuning,
    ) -> None:
        self.set = read_set
        self._desk = desk
        self._deadlines = deadlines
        self._pump = pump
        self._tail = tail
        self._channel = channel
        self._spared_from = tuning.spared_from
        self._spared: dict[Peer, None] = {}  # see `Peer.unread_until`

    @property
    def spares(self) -> bool:
        """Whether some peers are not read for a while."""
        return bool(self._spared)

    def adopted(self, peer: Peer, now: int) -> None:
        """Read from this peer from now on."""
        del now
        self._watch(peer)

    def forget(self, peer: Peer) -> None:
        """Do not read from this peer any more."""
        if peer in self._spared:
            del self._spared[peer]
        else:
            self.set.unregister(peer.socket)
        self._tail.promised.pop(peer, None)

    def turn(self, now: int) -> bool:
        """Read from as many peers as one turn allows; True if there may be more to read.

        Not to be called while reports wait for the coordinator to read.
        """
        promised = self._tail.promised
        for peer, since in promised.items():  # who is held since an earlier turn
            self._pump.release(peer.member, peer.session.subscriptions, since, now)
        promised.clear()
        more = self._read_some(now)
        self._apply_changes(now)
        return more

    def _read_some(self, now: int) -> bool:
        left = BYTES_PER_TURN
        readable = self.set.poll(0, READS_PER_TURN)
        for descriptor, _events in readable:
            peer_or_none = self._desk.by_descriptor.get(descriptor)
            if peer_or_none is not None:
                left -= self._read(peer_or_none, now)
                if left <= 0:
                    return True
        return len(readable) == READS_PER_TURN

    def read_spared(self, now: int) -> None:
        """Read again from peers that were spared for long enough; once a tick."""
        for peer in [peer for peer in self._spared if peer.unread_until <= now]:
            del self._spared[peer]
            self._watch(peer)

    def _spare(self, peer: Peer, now: int) -> None:
        """Leave a peer's input where it is for a while, if changing its wants has cost much.

        The cost of a change is that of all it wants. A peer that changes one of 10,000
        subscriptions again and again would else have the worker to itself.
        """
        wants = len(peer.session.subscriptions)
        if wants >= self._spared_from:
            peer.unread_until = now + wants * SPARED_NS_EACH
            self._spared[peer] = None
            self.set.unregister(peer.socket)

    def _watch(self, peer: Peer) -> None:
        self.set.register(peer.socket, select.EPOLLIN | select.EPOLLRDHUP)

    def _read(self, peer: Peer, now: int) -> int:
        """Read once and act on it; returns how many bytes there were."""
        try:
            data = peer.receive()
        except OSError as error:
            self._desk.close(peer, Reason.BROKEN, f"reading failed: {error.strerror}")
            return 0
        if data is None:
            return 0
        if not data:
            self._desk.close(peer, Reason.LEFT)
            return 0
        peer.last_received = now
        self._handle(peer, peer.session.receive_data(data), now)
        return len(data)

    def _handle(self, peer: Peer, events: list[SessionEvent], now: int) -> None:
        added: dict[bytes, None] = {}
        cancelled: dict[bytes, None] = {}
        violation: Violation | None = None
        for event in events:
            if isinstance(event, Subscribed):
                added[event.prefix] = None
                cancelled.pop(event.prefix, None)
            elif isinstance(event, Cancelled):
                cancelled[event.prefix] = None
                added.pop(event.prefix, None)
            elif isinstance(event, Ready):
                self._desk.connected(peer, event.version)
                self._deadlines.connected(peer, now)
            elif isinstance(event, PingReceived):
                self._deadlines.pinged(peer, int(event.ttl_s * 1e9), now)
            elif isinstance(event, PongReceived):
                self._deadlines.answered(peer, now)
            elif isinstance(event, Violation):
                violation = event
        self._desk.say(peer, now)
        if violation is not None:
            cause = Reason.LIMIT if violation.over_limit else Reason.VIOLATION
            self._desk.close(peer, cause, f"{cause.text}: {violation.reason}")
        elif added or cancelled:
            self._change(peer, list(added), list(cancelled))

    def _change(self, peer: Peer, added: list[bytes], cancelled: list[bytes]) -> None:
        """Report the change, and from which message on it is."""
        since = self._tail.promise(peer)
        for report in split_subscriptions(peer.id, since, added, cancelled):
            self._channel.post(report)

    def _apply_changes(self, now: int) -> None:
        """Send the reports of this turn, and act as they say; who cannot be reported is held."""
        promised = self._tail.promised
        self._channel.flush()
        if self._channel.pending:
            for peer in promised:
                self._pump.hold(peer.member)
            return
        for peer in promised:
            self._pump.subscribe(peer.member, peer.session.subscriptions)
            self._spare(peer, now)
        promised.clear()
