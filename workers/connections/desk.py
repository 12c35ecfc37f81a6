"""The desk: who is connected; where connections are opened, spoken to and closed. Shell.

Reading, deadlines and the end each watch over the peers in their own way. What they have to do to
one they do here, so that none of them needs to know of the others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from fanout.control.judging import AuthRequest, Judgement
from fanout.control.messages import Connected
from fanout.reasons import COME_BACK, Reason
from fanout.terms.introduction import Introduction
from fanout.terms.slow_policy import policy_in
from fanout.workers.connections.adopting import NotAdoptedError, opened
from fanout.workers.connections.parting import closed, given_back, is_evicted, unwatched
from fanout.workers.connections.peer import Peer
from fanout.workers.connections.records import Records
from fanout.workers.connections.replays import Replays
from fanout.workers.connections.said import fault_of, summary
from fanout.workers.connections.sealed import KeptBoxes, Sealing
from fanout.workers.connections.sessions import Sessions, limits_of
from fanout.workers.connections.slowness import SlowReports, slow_report
from fanout.workers.connections.unix_inbox import send_of
from fanout.workers.policy.choice import policy_of
from fanout.workers.stream.effects import Lost
from fanout.zmtp import SessionState
from fanout.zmtp.greeting import hung_up

if TYPE_CHECKING:
    from collections.abc import Callable

    from fanout.control.judging import Judged
    from fanout.control.messages import Adopt, Evict, SetPolicy
    from fanout.options import Options
    from fanout.transport.kernel import Taken
    from fanout.workers.connections.said import Said
    from fanout.workers.connections.watched import SocketSets
    from fanout.workers.policy.base import Policy
    from fanout.workers.stream.effects import Effect
    from fanout.workers.stream.member import Member
    from fanout.workers.stream.pump import Pump
    from fanout.workers.stream.turn_part import TurnPart
    from fanout.workers.surroundings import Surroundings
    from fanout.workers.tail import Tail


class PeerWatcher(Protocol):
    """Wants to know of every peer."""

    def adopted(self, peer: Peer, now: int) -> None:
        """It is connected."""

    def forget(self, peer: Peer) -> None:
        """It is being closed."""


class Desk:
    """Keeps the peers of a worker; times are monotonic ns.

    Its mutable state: the peers, who of them has just come, and the reports of slow ones that wait.

    Args:
        policy: of every subscriber that is adopted.
        watched: every socket is in its sets from its adoption on.

    Attributes:
        peers: by id.
        by_descriptor: the same by the descriptor of the socket.
        watchers: are told of each peer; to be filled before the first is adopted.
        records: from where another worker can go on with each peer.
        replays: what peers have missed.
        sealing: puts boxes into what they are sent.
        sessions: makes those of peers.
        when_ready: is called when the handshake of a peer is done by a verdict.
    """

    def __init__(
        self,
        around: Surroundings,
        options: Options,
        policy: Policy,
        pump: Pump,
        tail: Tail[Peer],
        watched: SocketSets,
    ) -> None:
        self.peers: dict[int, Peer] = {}
        self.by_descriptor: dict[int, Peer] = {}
        self._newcomers: list[Peer] = []
        self.sealing = Sealing(pump.sealed_turns.is_over)
        self.watched = watched
        self.watchers: tuple[PeerWatcher, ...] = ()
        self.slow_reports = SlowReports(around.channel)
        self.records = Records(around, pump, tail, self.peers)
        values = around.kept_values
        self.replays = Replays(around, pump, tail, self.records, options.replay_limit)
        if values is not None:
            from fanout.workers.connections.shown import show_values  # where needed

            show_values(values, around, pump, self.peers, self.replays, self.records)
        self._around = around
        self._channel = around.channel
        self._policy = policy
        self._pump = pump
        self._tail = tail
        self.sessions = Sessions(around, limits_of(options), self._introduction)
        self.when_ready: Callable[[Peer, int], object] = lambda _peer, _now: None
        self._options = options

    def adopt(self, message: Adopt, descriptors: list[int]) -> None:
        """Take over a connection, unless it has not arrived or has broken on the way.

        It is spoken to by `greet()`, after it was read from.
        """
        try:
            sock, session, put_under = opened(message, descriptors, self._around, self.sessions)
        except NotAdoptedError as error:
            self._channel.send(given_back(message, error.cause, str(error)))
            return
        now, slot = self._around.now(), self._around.subscriber_slot(message.slot)
        record = self._around.stream_slot(message.slot)
        slot.take(message.subscriber)  # before `send_of` looks at what this one was handed
        peer = Peer(
            *(message.subscriber, slot, sock, session, self._policy, now, message.debt),
            record=record,
            send=send_of(sock, self._around.slot, record),
            queues=self._around.queues,
        )
        if put_under is not None:
            put_under(peer, self._pump, lambda: self._go_on_below(peer))
        try:
            self.watched.add(peer)
        except OSError as error:
            sock.close()
            self._channel.send(unwatched(message, error))
            return
        if self._policy.min_interval_ns:
            self._tail.protect_front()  # it gets a cursor of its own there
        self._pump.begin(peer.member, now)
        self.take_over(peer, now)
        self._newcomers.append(peer)

    def _introduction(self) -> Introduction:
        log, shows = self._around.log, self._around.kept_values is not None
        return Introduction(
            *(log.epoch, log.head()),
            sequence=self._options.sequence_frame,
            replay=self._options.replay_limit,
            last=shows,
            values=shows,
        )

    def take_over(self, peer: Peer, now: int) -> None:
        """Serve this peer, which is watched, from now on."""
        self.peers[peer.id] = peer
        self.by_descriptor[peer.socket.fileno()] = peer
        for watcher in self.watchers:
            watcher.adopted(peer, now)
        self._around.slot.subscribers = len(self.peers)

    def greet(self, now: int) -> None:
        """Say the first words to those who were adopted in this turn.

        Most have said theirs by the time they are adopted, and have been read from since then: to
        answer with all that there is to say takes one packet in place of two.
        """
        if self._newcomers:
            newcomers, self._newcomers = self._newcomers, []
            if self.replays.values is not None:
                self.replays.values.alike.look_ahead()
            for peer in newcomers:
                if peer.id in self.peers and peer.inbox.is_open:
                    self.say(peer, now)

    def _go_on_below(self, peer: Peer) -> None:
        """TLS has something to say by itself, or is done with its handshake: then ZMTP begins."""
        now = self._around.now()
        self._tail.protect_front()
        self._pump.nudge(peer.member, now)
        if peer.inbox.is_open:
            self.say(peer, now)

    def connected(self, peer: Peer, version: str) -> None:
        """The handshake of this peer is done; there is no record of it yet."""
        peer.ready = True
        peer.member.encoding = peer.session.encoding
        self._channel.post(Connected(peer.id, version))

    def heard(self, peer: Peer, said: Said) -> None:
        """Go on with its handshake, if it has got on: it is done, or somebody is to judge it."""
        if said.ready is not None:
            self.connected(peer, said.ready.version)
        if said.wanted is not None and said.violation is None:
            who = said.wanted.credentials
            self._channel.send(AuthRequest(peer.id, who.mechanism, who.fields))

    def judged(self, message: Judged) -> None:
        """Whether this one may go on; nothing if it has ended, or said something meanwhile."""
        peer = self.peers.get(message.subscriber)
        if peer is None or peer.session.state is not SessionState.AUTHENTICATING:
            return
        if message.judgement == Judgement.ALLOW:
            self._go_on(peer, self._around.now())
        elif message.judgement == Judgement.DENY:
            peer.session.deny()
            self.say(peer, self._around.now())
            self.close(peer, Reason.DENIED, message.text)
        else:
            self.close(peer, Reason.PUT_OFF, message.text)

    def _go_on(self, peer: Peer, now: int) -> None:
        """Its handshake goes on; or is done with that, and all that follows is in boxes."""
        session, member = peer.session, peer.member
        said = summary(session.allow())
        if said.violation is not None:
            self.close(peer, *fault_of(said.violation))
            return
        data = session.data_to_send()
        if session.sealer is not None:
            raw = len(member.control) + len(data)
            boxes = self.sealing.under(session.sealer, KeptBoxes(raw, member.spoken_bytes))
            self._pump.throttles.put_under(member, boxes)
        if said.ready is not None:
            self.connected(peer, said.ready.version)
            self.when_ready(peer, now)
        self.tell(peer, data, now)

    def say(self, peer: Peer, now: int) -> None:
        """Send what the session wants to say, between two messages."""
        data = peer.session.data_to_send()
        if data:
            self.tell(peer, data, now)

    def tell(self, peer: Peer, data: bytes, now: int) -> None:
        """Send it this, between two messages; its record says so before."""
        # If its socket does not take all of it, it is blocked, with its cursor at the front.
        self._tail.protect_front()
        self.records.write(peer, said=data)
        self._pump.speak(peer.member, data, now)

    def close(self, peer: Peer, cause: Reason, text: str = "") -> None:
        """End a connection and report its final figures; nothing if that was done already.

        Args:
            text: the cause in words, with the figures of this case.
        """
        if self.peers.pop(peer.id, None) is None:
            return
        member, ours = peer.member, peer.session.our_mechanism
        is_counted = member.is_counted and not peer.is_going_back  # asked before it is removed
        now = self._around.now()
        if member.sealed is not None and not peer.ready:
            # An ERROR with the reason waits to be sealed; without TLS it has been sent already.
            self._pump.serve(member, now)
        if cause is Reason.MECHANISM and not text:
            text = hung_up(ours)
        self._pump.remove(member)
        self._forget(peer)
        evicted = is_evicted(cause, was_ready=peer.ready)
        kernel_bytes = 0 if evicted else peer.unacknowledged()
        peer.checkpoint(now)  # its final figures: nothing is sent to it from now on
        peer.inbox.let_go()
        peer.close(leave_open=cause in COME_BACK)
        self._note_gone(peer)
        self._channel.send(
            closed(
                *(peer, cause, text, now),
                evicted=evicted,
                kernel_bytes=kernel_bytes,
                is_counted=is_counted,
            )
        )

    def let_go(self, peer: Peer) -> None:
        """Another worker goes on with this one, by its record: nothing of it is ended."""
        del self.peers[peer.id]
        self._pump.let_go(peer.member)
        self.records.leave(peer)
        self._forget(peer)
        peer.checkpoint(self._around.now())
        peer.close(leave_open=True)
        self._note_gone(peer)

    def _forget(self, peer: Peer) -> None:
        """Nobody here watches over it any more."""
        for watcher in self.watchers:
            watcher.forget(peer)
        self.replays.forget(peer)
        del self.by_descriptor[peer.socket.fileno()]
        self.watched.remove(peer)

    def _note_gone(self, peer: Peer) -> None:
        self._around.slot.subscribers = len(self.peers)
        if not self.peers:
            self.records.note_all()
        self.slow_reports.finish(peer.id)

    def evict(self, message: Evict) -> None:
        """The coordinator wants a connection to end; nothing if it has ended already."""
        peer = self.peers.get(message.subscriber)
        if peer is not None:
            self.close(peer, Reason.of(message.cause), message.reason)

    def set_policy(self, message: SetPolicy) -> None:
        """Something else happens to a subscriber from now on; nothing if it is gone."""
        peer, now = self.peers.get(message.subscriber), self._around.now()
        if peer is not None:
            entries = self._around.log.entries
            policy = policy_of(policy_in(message.policy), self._options.log_bytes, entries)
            if policy.min_interval_ns:
                self._tail.protect_front()  # it gets a cursor of its own there
            cost = self._pump.set_policy(peer.member, policy, now)
            peer.goes_by = message.chosen_by, message.policy
            peer.budget.spend(cost * message.is_its_own, now)
            self.records.write(peer)

    def carry_out(self, effects: list[Effect], part: TurnPart) -> list[Effect]:
        """Do what the pump has found out to be done; returns what there was no time for."""
        for done, effect in enumerate(effects):
            if done and part.is_over():
                return effects[done:]
            peer = self.peers.get(effect.member.id)
            if peer is None:
                continue
            if isinstance(effect, Lost):
                if effect.reason is Reason.BROKEN and peer.question is not None:
                    self.close(peer, Reason.LEFT)  # it has ended its own side, and now ours
                else:
                    self.close(peer, effect.reason, effect.text)
            else:
                self.slow_reports.add(slow_report(peer.member, effect))
        return []

    def unsent(self, member: Member) -> int:
        """Bytes that the kernel holds for a member, and its peer has not acknowledged."""
        peer = self.peers.get(member.id)
        return 0 if peer is None else self._around.unsent(peer.socket)

    def taken(self, member: Member, handed: int) -> Taken:
        """How far a member's host has come with the `handed` bytes that its socket took."""
        return self._around.taken(self.peers[member.id].socket, handed)

    def widen(self, member: Member) -> None:
        """It keeps up: let the kernel hold for it what is configured."""
        self._around.widen(self.peers[member.id].socket)
