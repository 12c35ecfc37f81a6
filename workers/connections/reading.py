"""The read side: what subscribers say. Shell around their sessions.

A change of subscriptions is reported to the coordinator before it is applied, and the report's copy
in the kernel outlives this process. The reports of a turn go out together at its end; then those
they are about are answered, what they said is taken, and the changes are applied. If reports do not
get out, nothing more is read until they have: those they are about are held, and everybody's input
waits where it is. Until it is taken, who goes on with a connection finds it: see `inbox.py`.

Who says more than its budget allows is *spared*: its input is left for a while. See `budgets.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fanout.basics.units import NS
from fanout.control.conduct import Throttled
from fanout.control.splitting import split_subscriptions
from fanout.shm.layout import SPEECH_BYTES
from fanout.shm.prefix_table import weight
from fanout.workers.connections.budgets import (
    APPLY_NS,
    IDLE_APPLY_NS,
    READ_NS,
    REPORT_NS,
    TALK_PART,
    Share,
    report_cost,
)
from fanout.workers.connections.half_closed import HalfClosed
from fanout.workers.connections.parts import Parts
from fanout.workers.connections.permits import Permits
from fanout.workers.connections.readable import Readable
from fanout.workers.connections.said import Reported, Said, cause_of, fault_of, summary
from fanout.workers.stream.effects import broken
from fanout.zmtp import PingReceived
from fanout.zmtp.errors import RemoteProtocolError

if TYPE_CHECKING:
    import select

    from fanout.control.channel import Channel
    from fanout.workers.connections.deadlines import Deadlines
    from fanout.workers.connections.desk import Desk
    from fanout.workers.connections.peer import Peer
    from fanout.workers.connections.self_service import SelfService
    from fanout.workers.connections.stopwatch import Stopwatch
    from fanout.workers.stream.pump import Pump
    from fanout.workers.tail import Tail
    from fanout.zmtp import SessionEvent

ANSWERS_PER_READ = 16  # records of answers, which bound how many of them are said at once
SPARED_MIN_NS = 50_000_000  # ns; who is spared is looked for each tick, which is longer than that


class ReadSide:
    """Reads from the peers of a worker; one of the desk's watchers. Times are monotonic ns.

    Its mutable state: who is to be read, and who is not for a while (`Readable`), the changes that
    were read in this turn, the answers to those of whom something is reported, and what all may
    still take. Changes that wait for their reports to get out are the promises of the tail.

    Args:
        stopwatch: measures what each peer takes.

    Attributes:
        has_changed: whether somebody's wants have changed in the last turn.
        self_service, permits: what subscribers say of themselves, and what they may have.
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
        self._readable = Readable(read_set, desk.by_descriptor)
        self._desk = desk
        self._deadlines = deadlines
        self._pump = pump
        self._tail = tail
        self._channel = channel
        self._stopwatch = stopwatch
        self.self_service = self_service
        self.permits = Permits(desk, pump, tail, channel, self_service)
        self._share = Share(now)
        self._turned_at = now
        self._spent = 0  # ns, by the reading of this turn
        self._changes: dict[Peer, tuple[list[bytes], list[bytes]]] = {}  # added, cancelled
        self._reported: dict[Peer, Reported] = {}
        self._parts = Parts(desk)
        self._half_closed = HalfClosed(desk, deadlines, channel)
        self.has_changed = False

    @property
    def set(self) -> select.epoll:
        """Level-triggered: it says that there is something to read."""
        return self._readable.set

    @property
    def spares(self) -> bool:
        """Whether some peers are not read for a while, or were asked whether they still read."""
        return bool(self._readable.spared or self._half_closed)

    def adopted(self, peer: Peer, now: int) -> None:
        """It is read from now on, by what its set tells."""

    def forget(self, peer: Peer) -> None:
        """Do not read from this peer any more."""
        self._readable.forget(peer)
        self._parts.forget(peer)
        self._half_closed.forget(peer)
        self._tail.promised.pop(peer, None)
        self._changes.pop(peer, None)
        self._reported.pop(peer, None)
        self.self_service.forget(peer.id)

    def turn(self, now: int, *, busy: bool = False) -> bool:
        """Read from as many peers as one turn allows; True if there may be more to read.

        Not to be called while reports wait for the coordinator to read.

        Args:
            busy: there is something to send.
        """
        passed, self._turned_at = now - self._turned_at, now
        self.go_on(now)
        polled = self._readable.polled
        more = True if polled else self._readable.poll()
        if not polled:  # the usual case while there is much to send
            self.has_changed = False
            return more
        # Turns that return above leave the watch running: what they took is not for reading.
        others = min(passed, self._stopwatch.lap())
        left = self._share.left(now, busy, others)
        self._spent = 0
        more = self._read_some(now, left, APPLY_NS if busy else IDLE_APPLY_NS) or more
        self.has_changed = bool(self._changes)
        self._apply_changes(now)
        self._share.spend(self._spent + self._stopwatch.lap())
        return more

    def go_on(self, now: int) -> None:
        """Go on with who was held in an earlier turn, and whose report is out.

        Before new messages are seen, of which the publisher has heard meanwhile who wants them.
        """
        promised, channel = self._tail.promised, self._channel
        if not self._reported and not promised:
            return
        out = [who for who, one in self._reported.items() if one.number <= channel.departed]
        for peer in out:
            self._finish(peer, self._reported.pop(peer).answers, now)
        for peer in out if channel.pending else list(promised):  # who is held since then
            if peer in promised:
                self._pump.release(peer.member, peer.wants, promised[peer], now)
                self._desk.replays.keep(peer, now)
                promised.pop(peer, None)

    def _read_some(self, now: int, left: int, apply_ns: int) -> bool:
        """Read for about so many ns.

        Args:
            apply_ns: of these, that each prefix is counted for; it takes its time when it is
                applied, and more if it is long.
        """
        if left <= 0:
            return True
        polled = self._readable.polled
        while polled:
            peer = next(iter(polled))
            del polled[peer]
            if self._desk.replays.has_much_left(peer):
                self._readable.spare(peer, now + SPARED_MIN_NS)
                continue
            size = self._read(peer, now)
            cost = self._lap()
            peer.budget.learn(size, cost)
            self._charge(peer, cost + READ_NS, now, is_talk=peer not in self._reported)
            left -= cost
            if peer in self._changes:
                left -= apply_ns * sum(map(weight, self._changes[peer]))
            else:
                left -= cost // TALK_PART
            if left <= 0:
                return True
        return False

    def read_spared(self, now: int) -> None:
        """Read again from peers that were spared for long enough; once a tick."""
        self._parts.take_stuck(now)
        self.permits.retry(now)
        self._half_closed.tick(now)
        self._readable.read_spared(now)

    def _lap(self) -> int:
        took = self._stopwatch.lap()
        self._spent += took
        return took

    def _charge(self, peer: Peer, cost: int, now: int, *, is_talk: bool = False) -> None:
        """What a peer has said has taken so many ns; leave it unread if that is too much."""
        debt = peer.budget.spend(cost, now, is_talk=is_talk)
        if not debt or peer.id not in self._desk.peers:
            return
        self._readable.spare(peer, now + max(debt, SPARED_MIN_NS))
        if peer.budget.is_to_be_named(now):
            self._channel.post(Throttled(peer.id))

    def _read(self, peer: Peer, now: int) -> int:
        """Read once and act on it; returns how many bytes there were."""
        inbox = peer.inbox
        try:
            data = inbox.see(peer.budget.read_bytes)
        except (OSError, RemoteProtocolError) as error:
            self._desk.close(peer, *cause_of(error, peer.session))
            return 0
        if data is None:
            return 0
        if not data:
            self._half_closed.at_end(peer, now)
            return 0
        if inbox.looks:
            if len(data) > inbox.left:
                peer.last_received = now
            self._look(peer, data, now)
            return len(data)
        peer.last_received = now
        events = peer.session.receive_data(data)
        self._handle(peer, events, now)
        if peer.id in self._desk.peers and peer not in self._reported:
            self._finish(peer, b"", now)
        return len(data)

    def _look(self, peer: Peer, data: bytes, now: int) -> None:
        """Act on what is whole of this, as far as the record has room for the answers."""
        inbox, member = peer.inbox, peer.member
        for _ in range(ANSWERS_PER_READ):
            events = inbox.look(data, SPEECH_BYTES - len(member.control))
            self._handle(peer, events, now)
            if peer.id not in self._desk.peers or peer in self._reported:
                return
            answers = peer.session.data_to_send()
            if not inbox.is_full:
                break
            self._answer(peer, answers, now)
            answers = b""
            if member.control:
                break
            data = data[-inbox.left :]
        self._finish(peer, answers, now)
        if inbox.is_full and member.control:
            self._readable.spare(peer, now)

    def _answer(self, peer: Peer, answers: bytes, now: int) -> None:
        """All is done on what was looked at, when these are said."""
        peer.inbox.has_acted()
        if answers:
            self._desk.tell(peer, answers, now)

    def _finish(self, peer: Peer, answers: bytes, now: int) -> None:
        """All is done on what was looked at, when these are said: take it."""
        self._answer(peer, answers, now)
        try:
            if peer.inbox.take():
                self._parts.add(peer, now)
        except OSError as error:
            self._desk.close(peer, *broken(error, "reading failed"))

    def _handle(self, peer: Peer, events: list[SessionEvent], now: int) -> None:
        looks = peer.inbox.looks
        if looks and len(events) == 1:
            event = events[0]
            if type(event) is PingReceived:  # nearly all that is said after the handshake
                self._deadlines.pinged(peer, int(event.ttl_s * NS), now)
                return
        said = summary(events)
        self._desk.heard(peer, said)
        self._deadlines.heard(peer, said, now)
        if said.violation is not None or not looks:
            self._desk.say(peer, now)
        is_changed = bool(said.added or said.cancelled or said.reserved)
        if said.ready is not None and not is_changed:
            self._desk.records.write(peer)
        if said.violation is not None:
            self._desk.close(peer, *fault_of(said.violation))
            return
        if said.reserved:
            reports, gaps = self.self_service.take(peer.id, said.reserved)
            self._pump.tell_gaps(peer.member, losses=gaps > 0, conflated=gaps > 1)
            self._channel.flush()  # else what it has chosen may be lost with this process
            peer.said = self.self_service.said(peer.id)
            self._desk.records.write(peer)
            self._charge(peer, reports * REPORT_NS, now)
        if said.added or said.cancelled:
            self._change(peer, said)
        if is_changed:
            answers = peer.session.data_to_send()
            if peer.rights is not None:
                answers += peer.rights.take_denied()
            self._reported[peer] = Reported(answers, self._channel.posted)

    def _change(self, peer: Peer, said: Said) -> None:
        """Report the change, and from which message on it is."""
        changes = added, cancelled, _ = self.permits.change(peer, said.added, said.cancelled)
        if not any(changes):
            return
        since = self._desk.replays.promise(peer, self.self_service, *changes, said.kept)
        if not self._desk.records.holds_for_change(peer):
            self._desk.records.write(peer, will_want=True)
        self._changes[peer] = added, cancelled
        for report in split_subscriptions(peer.id, since, added, cancelled):
            self._channel.post(report)

    def _apply_changes(self, now: int) -> None:
        """Send the reports of this turn, and act as they say; who cannot be reported is held.

        Nobody else is: who is held may jump, and others count what was lost by what they have read.
        """
        self._channel.flush()
        if not self._reported:
            return
        promised, departed = self._tail.promised, self._channel.departed
        self._lap()  # to send the reports is nobody's
        applied: list[Peer] = []
        for peer, reported in list(self._reported.items()):
            if reported.number > departed:
                if peer in promised:
                    self._pump.hold(peer.member)
                continue
            self._finish(peer, self._reported.pop(peer).answers, now)
            if peer not in self._changes:
                continue
            added, cancelled = self._changes[peer]
            self._pump.change(peer.member, peer.wants, added, cancelled, now)
            cost = report_cost((*added, *cancelled)) + self._desk.replays.apply(peer, now)
            promised.pop(peer, None)
            self._charge(peer, self._lap() + cost, now)
            applied.append(peer)
        self._lap()
        for peer in applied:
            self._desk.replays.begin(peer, now)
        self._stopwatch.skip()  # nobody is charged for what he is sent
        self._changes.clear()
