"""The read side: what subscribers say. Shell around their sessions.

A change of subscriptions is reported to the coordinator before it is applied, and the report's copy
in the kernel outlives this process. While a report has not got out, nothing more is read: the
subscriber it is about is held, and everybody's input waits where it is.
"""

from __future__ import annotations

import select
from typing import TYPE_CHECKING

from fanout.control import split_subscriptions
from fanout.zmtp import (
    Cancelled,
    Event,
    PingReceived,
    PongReceived,
    Ready,
    Subscribed,
    Violation,
)

if TYPE_CHECKING:
    from workers.peer import Peer
    from workers.worker import Worker

READS_PER_TURN = 16  # sockets read in a turn, one piece each: 5 ms with 100 subscriptions in each
BYTES_PER_TURN = 32 * 1024  # read in a turn: two full pieces of the smallest frames take 20 ms
REST_FROM = 256  # subscriptions, from which on changing them is not cheap (about 1 us for each)
REST_NS_EACH = 100_000  # ns without reading for each of them: 1 % of the worker for one peer


class ReadSide:
    """Reads from the peers of a worker.

    Its mutable state: the level-triggered epoll set, the one change whose report waits, and the
    peers that are not read for a while, until when.
    """

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self.set = select.epoll()
        self._waiting: tuple[Peer, int] | None = None  # a held peer, and since which message
        self._resting: dict[Peer, int] = {}  # monotonic ns

    def watch(self, peer: Peer) -> None:
        """Read from this peer from now on."""
        self.set.register(peer.socket, select.EPOLLIN | select.EPOLLRDHUP)

    def forget(self, peer: Peer) -> None:
        """Do not read from this peer any more."""
        if self._resting.pop(peer, None) is None:
            self.set.unregister(peer.socket)
        if self._waiting is not None and self._waiting[0] is peer:
            self._waiting = None

    def turn(self, now: int) -> bool:
        """Read from as many peers as one turn allows; True if there may be more to read."""
        channel = self._worker.channel
        if self._waiting is not None:
            peer, since = self._waiting
            self._waiting = None
            self._worker.pump.release(peer.member, peer.session.subscriptions, since, now)
        left = BYTES_PER_TURN
        readable = self.set.poll(0, READS_PER_TURN)
        for descriptor, _events in readable:
            peer_or_none = self._worker.by_descriptor.get(descriptor)
            if peer_or_none is not None:
                left -= self._read(peer_or_none, now)
                if left <= 0 or channel.pending > 0:
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

    def _handle(self, peer: Peer, events: list[Event], now: int) -> None:
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
            self._change(peer, list(added), list(cancelled), now)

    def _change(self, peer: Peer, added: list[bytes], cancelled: list[bytes], now: int) -> None:
        """Report the change, then apply it from the message on that the report names."""
        worker = self._worker
        worker.protect_front()
        since = worker.pump.front
        for report in split_subscriptions(peer.id, since, added, cancelled):
            worker.channel.send(report)
        if worker.channel.pending:
            worker.pump.hold(peer.member)
            self._waiting = (peer, since)
        else:
            worker.pump.subscribe(peer.member, peer.session.subscriptions)
            self._rest(peer, now)
