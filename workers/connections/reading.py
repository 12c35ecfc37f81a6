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
    from fanout.workers.connections.peer import Peer
    from fanout.workers.worker import Worker

READS_PER_TURN = 16  # sockets read in a turn, one piece each: 5 ms with 100 subscriptions in each
BYTES_PER_TURN = 32 * 1024  # read in a turn: two full pieces of the smallest frames take 20 ms
REST_FROM = 256  # subscriptions, from which on changing them is not cheap (about 1 us for each)
REST_NS_EACH = 100_000  # ns without reading for each of them: 1 % of the worker for one peer


class ReadSide:
    """Reads from the peers of a worker.

    Its mutable state: the level-triggered epoll set, the changes that wait for their reports to get
    out, and the peers that are not read for a while, until when.

    Attributes:
        unapplied: peers whose change was reported and not applied, and from which message on it is.
    """

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self.set = select.epoll()
        self.unapplied: dict[Peer, int] = {}
        self._resting: dict[Peer, int] = {}  # monotonic ns

    def watch(self, peer: Peer) -> None:
        """Read from this peer from now on."""
        self.set.register(peer.socket, select.EPOLLIN | select.EPOLLRDHUP)

    def forget(self, peer: Peer) -> None:
        """Do not read from this peer any more."""
        if self._resting.pop(peer, None) is None:
            self.set.unregister(peer.socket)
        self.unapplied.pop(peer, None)

    def turn(self, now: int) -> bool:
        """Read from as many peers as one turn allows; True if there may be more to read.

        Not to be called while reports wait for the coordinator to read.
        """
        pump = self._worker.pump
        for peer, since in self.unapplied.items():  # who is held since an earlier turn
            pump.release(peer.member, peer.session.subscriptions, since, now)
        self.unapplied.clear()
        more = self._read_some(now)
        self._apply_changes(now)
        return more

    def _read_some(self, now: int) -> bool:
        left = BYTES_PER_TURN
        readable = self.set.poll(0, READS_PER_TURN)
        for descriptor, _events in readable:
            peer_or_none = self._worker.by_descriptor.get(descriptor)
            if peer_or_none is not None:
                left -= self._read(peer_or_none, now)
                if left <= 0:
                    return True
        return len(readable) == READS_PER_TURN

    def end_rests(self, now: int) -> None:
        """Read again from peers that have rested long enough; once a tick."""
        for peer in [peer for peer, until in self._resting.items() if until <= now]:
            del self._resting[peer]
            self.watch(peer)

    def _rest(self, peer: Peer, now: int) -> None:
        """Leave a peer's input where it is for a while, if changing its wants has cost much.

        The cost of a change is that of all it wants. A peer that changes one of 10,000
        subscriptions again and again would else have the worker to itself.
        """
        wants = len(peer.session.subscriptions)
        if wants >= REST_FROM:
            peer.last_received = self._resting[peer] = now + wants * REST_NS_EACH
            self.set.unregister(peer.socket)

    def _read(self, peer: Peer, now: int) -> int:
        """Read once and act on it; returns how many bytes there were."""
        try:
            data = peer.receive()
        except OSError as error:
            self._worker.close(peer, evicted=False, reason=f"reading failed: {error.strerror}")
            return 0
        if data is None:
            return 0
        if not data:
            self._worker.close(peer, evicted=False, reason="closed by the subscriber")
            return 0
        peer.last_received = now
        self._handle(peer, peer.session.receive_data(data), now)
        return len(data)

    def _handle(self, peer: Peer, events: list[SessionEvent], now: int) -> None:
        worker = self._worker
        added: dict[bytes, None] = {}
        cancelled: dict[bytes, None] = {}
        violation: str | None = None
        for event in events:
            if isinstance(event, Subscribed):
                added[event.prefix] = None
                cancelled.pop(event.prefix, None)
            elif isinstance(event, Cancelled):
                cancelled[event.prefix] = None
                added.pop(event.prefix, None)
            elif isinstance(event, Ready):
                worker.connected(peer, event.version, now)
            elif isinstance(event, PingReceived):
                peer.ttl_ns = int(event.ttl_s * 1e9)
            elif isinstance(event, PongReceived):
                peer.answers_pings = True
            elif isinstance(event, Violation):
                violation = event.reason
        worker.say(peer, now)
        if violation is not None:
            worker.close(peer, evicted=peer.ready, reason=f"violated ZMTP: {violation}")
        elif added or cancelled:
            self._change(peer, list(added), list(cancelled))

    def _change(self, peer: Peer, added: list[bytes], cancelled: list[bytes]) -> None:
        """Report the change, and note from which message on it is."""
        worker = self._worker
        worker.protect_front()
        self.unapplied[peer] = since = worker.pump.front
        for report in split_subscriptions(peer.id, since, added, cancelled):
            worker.channel.post(report)

    def _apply_changes(self, now: int) -> None:
        """Send the reports of this turn, and act as they say; who cannot be reported is held."""
        worker = self._worker
        worker.channel.flush()
        if worker.channel.pending:
            for peer in self.unapplied:
                worker.pump.hold(peer.member)
            return
        for peer in self.unapplied:
            worker.pump.subscribe(peer.member, peer.session.subscriptions)
            self._rest(peer, now)
        self.unapplied.clear()
