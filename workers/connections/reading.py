"""The read side: what subscribers say. Shell around their sessions.

A change of subscriptions is reported to the coordinator before it is applied, and the report's copy
in the kernel outlives this process. The reports of a turn go out together at its end, and then the
changes are applied. If the reports do not get out, nothing more is read until they have: those they
are about are held, and everybody's input waits where it is.

Who says more than its budget allows is *spared*: its input is left where it is for a while. See
`budgets.py`.
"""

from __future__ import annotations

import errno
import select
from operator import attrgetter
from typing import TYPE_CHECKING

from fanout.control.messages import Throttled
from fanout.control.splitting import split_subscriptions
from fanout.reasons import Reason
from fanout.shm.prefix_table import weight
from fanout.workers.connections.budgets import (
    APPLY_NS,
    IDLE_APPLY_NS,
    READ_NS,
    REPORT_NS,
    Share,
    report_cost,
)
from fanout.workers.stream.effects import broken
from fanout.workers.stream.members import OLDER_WANTS_MAX
from fanout.zmtp import (
    Cancelled,
    PingReceived,
    PongReceived,
    Ready,
    ReservedSubscription,
    SessionEvent,
    Subscribed,
    SubscribedAll,
    Violation,
)

if TYPE_CHECKING:
    from fanout.control.channel import Channel
    from fanout.workers.connections.deadlines import Deadlines
    from fanout.workers.connections.desk import Desk
    from fanout.workers.connections.peer import Peer
    from fanout.workers.connections.self_service import SelfService
    from fanout.workers.connections.stopwatch import Stopwatch
    from fanout.workers.stream.pump import Pump
    from fanout.workers.tail import Tail

READS_PER_TURN = 16  # sockets read in a turn
SPARED_MIN_NS = 50_000_000  # ns; who is spared is looked for each tick, which is longer than that


class ReadSide:
    """Reads from the peers of a worker; one of the desk's watchers. Times are monotonic ns.

    Its mutable state: the level-triggered epoll set, those of its last poll who have not had their
    turn (who is in the handshake is the first), the peers that are not read for a while, the
    changes that were read in this turn, and what all may still take. The changes that wait for
    their reports to get out are the promises of the tail.

    Args:
        stopwatch: measures what each peer takes.

    Attributes:
        has_changed: whether somebody's wants have changed in the last turn.
        self_service: what subscribers say of themselves.
    """

    def __init__(
        self,
        desk: Desk,
        deadlines: Deadlines,
        pump: Pump,
        tail: Tail[Peer],
        channel: Channel,
        read_set: select.epoll,
        stopwatch: Stopwatch,
        now: int,
        self_service: SelfService,
    ) -> None:
        self.set = read_set
        self._desk = desk
        self._deadlines = deadlines
        self._pump = pump
        self._tail = tail
        self._channel = channel
        self._stopwatch = stopwatch
        self.self_service = self_service
        self._share = Share(now)
        self._turned_at = now
        self._spent = 0  # ns, by the reading of this turn
        self._polled: dict[Peer, None] = {}
        self._spared: dict[Peer, None] = {}  # see `Peer.unread_until`
        self._changes: dict[Peer, tuple[list[bytes], list[bytes]]] = {}  # added, cancelled
        self.has_changed = False

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
        self._polled.pop(peer, None)
        if peer in self._spared:
            del self._spared[peer]
        else:
            self.set.unregister(peer.socket)
        self._tail.promised.pop(peer, None)
        self._changes.pop(peer, None)
        self.self_service.forget(peer.id)

    def turn(self, now: int, *, busy: bool = False) -> bool:
        """Read from as many peers as one turn allows; True if there may be more to read.

        Not to be called while reports wait for the coordinator to read.

        Args:
            busy: there is something to send.
        """
        passed, self._turned_at = now - self._turned_at, now
        promised = self._tail.promised
        if promised:
            for peer, since in promised.items():  # who is held since an earlier turn
                peer.has_acted()
                self._pump.release(peer.member, peer.session.subscriptions, since, now)
            promised.clear()
        more = True if self._polled else self._poll()
        if not self._polled:  # as mostly, while there is much to send
            self.has_changed = False
            return more
        # Such turns do not stop the watch; what they took is none of this one's.
        others = min(passed, self._stopwatch.lap())
        left = self._share.left(now, busy, others)
        self._spent = 0
        more = self._read_some(now, left, APPLY_NS if busy else IDLE_APPLY_NS) or more
        self.has_changed = bool(self._changes)
        self._apply_changes(now)
        self._share.spend(self._spent + self._stopwatch.lap())
        return more

    def _read_some(self, now: int, left: int, apply_ns: int) -> bool:
        """Read for about so many ns.

        Args:
            apply_ns: of these, that each prefix is counted for; it takes its time when it is
                applied, and more if it is long.
        """
        if left <= 0:
            return True
        while self._polled:
            peer = next(iter(self._polled))
            del self._polled[peer]
            if peer.member.older_wants > OLDER_WANTS_MAX // 2:
                self._spare(peer, now + SPARED_MIN_NS)  # until it has taken some of what it wanted
                continue
            size = self._read(peer, now)
            cost = self._lap()
            peer.budget.learn(size, cost)
            self._charge(peer, cost + READ_NS, now)
            left -= cost + apply_ns * sum(map(weight, self._changes.get(peer, ())))
            if left <= 0:
                return True
        return False

    def _poll(self) -> bool:
        """Find who has said something; whether there may be others.

        The kernel puts all whom it has named behind those whom it has not. So all of them have
        their turn before it is asked again, in however many turns of ours: else a few who talk
        for ever would be read again and again, and who stands behind them never.
        """
        found = self.set.poll(0, READS_PER_TURN)
        if not found:
            return False
        peers = [self._desk.by_descriptor.get(descriptor) for descriptor, _events in found]
        named = [peer for peer in peers if peer is not None]
        self._polled.update(dict.fromkeys(sorted(named, key=attrgetter("ready"))))
        return len(found) == READS_PER_TURN

    def read_spared(self, now: int) -> None:
        """Read again from peers that were spared for long enough; once a tick."""
        for peer in [peer for peer in self._spared if peer.unread_until <= now]:
            del self._spared[peer]
            self._watch(peer)

    def _lap(self) -> int:
        took = self._stopwatch.lap()
        self._spent += took
        return took

    def _charge(self, peer: Peer, cost: int, now: int) -> None:
        """What a peer has said has taken so many ns; leave it unread if that is too much."""
        debt = peer.budget.spend(cost, now)
        if not debt or peer.id not in self._desk.peers:
            return
        self._spare(peer, now + max(debt, SPARED_MIN_NS))
        if peer.budget.is_to_be_named(now):
            self._channel.post(Throttled(peer.id))

    def _spare(self, peer: Peer, until: int) -> None:
        """Leave what it says in its socket until then."""
        peer.unread_until = until
        if peer not in self._spared:
            self._polled.pop(peer, None)
            self._spared[peer] = None
            self.set.unregister(peer.socket)

    def _watch(self, peer: Peer) -> None:
        self.set.register(peer.socket, select.EPOLLIN | select.EPOLLRDHUP)

    def _read(self, peer: Peer, now: int) -> int:
        """Read once and act on it; returns how many bytes there were."""
        try:
            data = peer.receive(peer.budget.read_bytes)
        except OSError as error:
            if error.errno == errno.ECONNRESET and peer.session.knows_our_mechanism_only:
                self._desk.close(peer, Reason.MECHANISM)  # it has not read all that we said
            else:
                self._desk.close(peer, *broken(error, "reading failed"))
            return 0
        if data is None:
            return 0
        if not data:
            hung_up = peer.session.knows_our_mechanism_only
            self._desk.close(peer, Reason.MECHANISM if hung_up else Reason.LEFT)
            return 0
        peer.last_received = now
        self._handle(peer, peer.session.receive_data(data), now)
        if peer.id in self._desk.peers and peer not in self._changes:  # else when it is reported
            peer.has_acted()
        return len(data)

    def _handle(self, peer: Peer, events: list[SessionEvent], now: int) -> None:
        added: dict[bytes, None] = {}
        cancelled: dict[bytes, None] = {}
        said: list[ReservedSubscription] = []
        violation: Violation | None = None
        for event in events:
            if isinstance(event, Subscribed):
                added[event.prefix] = None
                cancelled.pop(event.prefix, None)
            elif isinstance(event, SubscribedAll):
                added.update(dict.fromkeys(event.prefixes))
                if cancelled:
                    for prefix in event.prefixes:
                        cancelled.pop(prefix, None)
            elif isinstance(event, Cancelled):
                cancelled[event.prefix] = None
                added.pop(event.prefix, None)
            elif isinstance(event, ReservedSubscription):
                said.append(event)
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
            return
        if said:
            reports, gaps = self.self_service.take(peer.id, said)
            self._pump.tell_gaps(peer.member, losses=gaps > 0, conflated=gaps > 1)
            self._channel.flush()  # else what it has chosen may be lost with this process
            peer.said = self.self_service.said(peer.id)
            self._desk.records.write(peer)
            self._charge(peer, reports * REPORT_NS, now)
        if added or cancelled:
            self._change(peer, list(added), list(cancelled))

    def _change(self, peer: Peer, added: list[bytes], cancelled: list[bytes]) -> None:
        """Report the change, and from which message on it is."""
        since = self._tail.promise(peer)
        self._desk.records.write(peer, will_want=True)
        self._changes[peer] = added, cancelled
        for report in split_subscriptions(peer.id, since, added, cancelled):
            self._channel.post(report)

    def _apply_changes(self, now: int) -> None:
        """Send the reports of this turn, and act as they say; who cannot be reported is held."""
        promised = self._tail.promised
        self._channel.flush()
        if self._channel.pending:
            for peer in promised:
                self._pump.hold(peer.member)
            self._changes.clear()
            return
        self._lap()  # to send the reports is nobody's
        for peer, (added, cancelled) in self._changes.items():
            wants = peer.session.subscriptions
            peer.has_acted()
            self._pump.change(peer.member, wants, added, cancelled, now)
            self._charge(peer, self._lap() + report_cost((*added, *cancelled)), now)
        promised.clear()
        self._changes.clear()
