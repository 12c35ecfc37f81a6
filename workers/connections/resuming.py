"""Resuming: connections of a worker that was lost, or gives them up, go on here. Shell.

The coordinator says who, and what it wants since when; the record in the subscriber's slot says
from where, and the kernel how far its stream has come since then. Until it is heard of here, the
coordinator holds the log for it; before that is said, the words of this worker hold it.
"""

from __future__ import annotations

import socket
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from fanout.control.judging import is_sealed
from fanout.control.rights import Asks
from fanout.control.takeover import Resumed
from fanout.shm.stream_record import Kind
from fanout.terms.slow_policy import policy_in
from fanout.transport import kernel
from fanout.transport.socket_queues import unread_in_kernel
from fanout.workers.connections.handed import unpacked
from fanout.workers.connections.peer import Peer
from fanout.workers.connections.resumable import NotResumableError, history, loading, refused_by
from fanout.workers.connections.unix_inbox import own_counts, send_of
from fanout.workers.policy.choice import policy_of
from fanout.workers.stream.more import NOTHING_MORE, More
from fanout.workers.stream.restoring import MismatchError

if TYPE_CHECKING:
    from collections.abc import Callable

    from fanout.control.rights import Permit, Rights
    from fanout.control.takeover import Resume, Wants
    from fanout.options import Options
    from fanout.shm.stream_record import StreamRecord, StreamSlot
    from fanout.workers.connections.deadlines import Deadlines
    from fanout.workers.connections.desk import Desk
    from fanout.workers.connections.handed import HandedOver
    from fanout.workers.connections.permits import Permits
    from fanout.workers.connections.self_service import SelfService
    from fanout.workers.stream.pump import Pump
    from fanout.workers.stream.turn_part import TurnPart
    from fanout.workers.surroundings import Surroundings
    from fanout.workers.tail import Tail
    from fanout.zmtp import Session


@dataclass(slots=True)
class _Waiting:
    """A connection that is to go on here, once the front is at `head`."""

    message: Resume
    descriptor: int
    head: int
    wants: list[Wants]
    rights: Rights | None = None  # None = it may have everything
    asks: list[bytes] = field(default_factory=list)  # if it has rights
    later: list[Callable[[], None]] = field(default_factory=list)


class _Left(NamedTuple):
    """Where the other one has left a connection."""

    record: StreamRecord
    counts: kernel.Counts
    acted: int  # bytes of what it said that were acted upon
    past: list[tuple[int, frozenset[bytes]]]  # until which message it wanted what
    wants: set[bytes]


class Resuming:
    """Takes over connections, in the order in which they come.

    Its mutable state: what those who come want, and who waits.

    Attributes:
        waiting: those who are to go on here and do not yet.
    """

    def __init__(
        self,
        around: Surroundings,
        options: Options,
        desk: Desk,
        deadlines: Deadlines,
        pump: Pump,
        tail: Tail[Peer],
        part: TurnPart,
        self_service: SelfService,
        permits: Permits,
    ) -> None:
        self._permits = permits
        self._around = around
        self._area = around.spill_area()  # to read from those of others
        self._self_service = self_service
        self._log_bytes = options.log_bytes
        self._desk = desk
        self._deadlines = deadlines
        self._pump = pump
        self._tail = tail
        self._part = part
        self._wants: dict[int, list[Wants]] = {}
        self._rights: dict[int, Rights] = {}
        self._asks: dict[int, list[bytes]] = {}
        self._changes: dict[int, tuple[Permit, int]] = {}  # subscriber -> change, first message
        self.waiting: deque[_Waiting] = deque()

    def want(self, message: Wants) -> None:
        """One who comes wants this."""
        self._wants.setdefault(message.subscriber, []).append(message)

    def allow(self, message: Rights | Asks) -> None:
        """One who comes may have this; or asks for it, and has rights."""
        if isinstance(message, Asks):
            self._asks.setdefault(message.subscriber, []).extend(message.prefixes)
        else:
            self._rights[message.subscriber] = message

    def permit(self, message: Permit) -> None:
        """A subscriber may have this from now on; one who is awaited, when it goes on.

        What was published before is sent by what it might have before: so the pump has to be past
        that. One that has asked for nothing yet is sent nothing of it either.
        """
        if self.after(message.subscriber, lambda: self.permit(message)):
            return
        self._changes.pop(message.subscriber, None)
        peer = self._desk.peers.get(message.subscriber)
        head = self._around.log.head()
        if peer is not None and peer.session.subscriptions and self._pump.front < head:
            self._changes[message.subscriber] = message, head
        else:
            self._permits.permit(message, self._around.now())

    def take(self, message: Resume, descriptors: list[int]) -> None:
        """Go on with a connection, as soon as this worker is where the other one was."""
        wants = self._wants.pop(message.subscriber, [])
        rights = self._rights.pop(message.subscriber, None)
        asks = self._asks.pop(message.subscriber, [])
        if not descriptors:  # the system drops what it finds no number for
            text = "there was no descriptor to go on with it"
            refused = Resumed(message.subscriber, False, text, again=True, short=True)
            self._around.channel.send(refused)
            return
        head = self._around.log.head()
        self.waiting.append(_Waiting(message, descriptors[0], head, wants, rights, asks))

    def after(self, subscriber: int, act: Callable[[], None]) -> bool:
        """Do this when that one goes on; False if it is not awaited: nothing is done then."""
        for one in self.waiting:
            if one.message.subscriber == subscriber:
                one.later.append(act)
                return True
        return False

    @property
    def are_due(self) -> bool:
        """Whether somebody waits for the pump to be further."""
        return bool(self.waiting or self._changes)

    def _change_rights(self, now: int) -> None:
        while self._changes:
            subscriber, (message, head) = next(iter(self._changes.items()))
            if self._pump.front < head or self._part.is_over():
                return
            del self._changes[subscriber]
            self._permits.permit(message, now)

    def go_on(self, now: int) -> None:
        """Go on with those for whom it is time, which the caller flushes; while somebody waits."""
        self._part.begin()
        if not self._pump.needs_log and not self._tail.promised:
            self._pump.follow()
        self._change_rights(now)
        channel = self._around.channel
        while self.waiting:
            if self._pump.front < self.waiting[0].head:
                break
            one = self.waiting.popleft()
            subscriber = one.message.subscriber
            self._around.slot.resuming = subscriber  # if this ends us, it is known who has
            try:
                self._resume(one, now)
            except NotResumableError as error:
                short = error.may_pass
                channel.post(Resumed(subscriber, False, str(error), again=short, short=short))
            else:
                channel.post(Resumed(subscriber, True, ""))
            self._around.slot.resuming = 0
            for act in one.later:
                act()
            if self._part.is_over():
                break

    def give_up(self) -> None:
        """This worker ends, and goes on with nobody."""
        while self.waiting:
            one = self.waiting.popleft()
            self._around.release(one.descriptor)
            text = "the worker that was to go on with it ends"
            self._around.channel.post(Resumed(one.message.subscriber, False, text, again=True))

    def _resume(self, one: _Waiting, now: int) -> None:
        """Go on with this one.

        Raises:
            NotResumableError: its connection is as it was, but for our descriptor.
        """
        try:
            sock = self._around.prepare(one.descriptor)
        except OSError as error:
            raise refused_by(error) from error
        try:
            self._go_on(one, sock, now)
        except BaseException:
            sock.close()
            raise

    def _go_on(self, one: _Waiting, sock: Any, now: int) -> None:
        message, around = one.message, self._around
        stream, slot = around.stream_slot(message.slot), around.subscriber_slot(message.slot)
        record = stream.read(message.subscriber)
        kind = Kind.NONE if record is None else Kind(record.kind)
        if record is None or not kind.goes_on:
            raise NotResumableError(kind.why_not)
        over = self._handed_over(message)
        # What was acted upon may not have been taken yet; or it is of a frame that is skipped.
        acted = max(record.acted, stream.acted)
        counts = self._counts_of(sock, stream, record, over, quiet=message.quiet)
        if counts.read > acted:
            raise NotResumableError("something that it said was not acted upon")
        past, wants = history(one.wants)
        if kind is Kind.WANTS_NOTHING and (past or wants):
            raise NotResumableError("its record does not fit what it wants")
        asked = wants if one.rights is None else set(one.asks)
        session = self._session_of(message, asked, acted - counts.read, sock, over)
        policy = policy_of(policy_in(message.policy), self._log_bytes, around.log.entries)
        peer = Peer(
            *(message.subscriber, slot, sock, session, policy, now, message.debt),
            record=stream,
            send=send_of(sock, around.slot, stream),
            queues=around.queues,
        )
        try:
            self._desk.watched.add(peer)
        except OSError as error:
            raise refused_by(error) from error
        try:
            if over is not None:
                assert session.sealer is not None
                boxes = self._desk.sealing.under(session.sealer, over.remainder)
                self._pump.throttles.put_under(peer.member, boxes)
            self._permits.take_over(peer, one.rights, wants)
            self._restore(peer, one, _Left(record, counts, acted, past, wants), now)
        except BaseException:
            self._desk.watched.remove(peer)
            raise

    def _restore(self, peer: Peer, one: _Waiting, left: _Left, now: int) -> None:
        """Bring it to where the other one has left it; it is served from then on."""
        message, policy = one.message, peer.member.policy
        record, counts, acted, past, wants = left
        peer.member.encoding = peer.session.encoding
        self._protect(record)
        read, size = self._area.read, record.more_bytes
        more = More.unpacked(read(record.more, size)) if record.more else NOTHING_MORE
        try:
            what = peer.member, record, counts.written, past, wants, now
            has_passed = self._pump.restore(*what, subscriptions=peer.wants, more=more, read=read)
        except MismatchError as error:
            self._pump.remove(peer.member)
            raise NotResumableError(str(error)) from error
        peer.member.slow, peer.member.stalled = message.slow, message.stalled
        # It may have begun to rest in any moment since its record.
        rests_until = now + policy.min_interval_ns if has_passed else more.rests_until
        self._pump.go_by(peer.member, policy, now, rests_until)
        peer.goes_on(counts.read, acted)
        if more.said or message.chose:
            self._self_service.go_on(peer.id, more.said, chose=message.chose)
            peer.said = self._self_service.said(peer.id)
        self._serve(peer, message, record.needed, now)
        self._permits.go_on(peer, one.rights, now)

    def _serve(self, peer: Peer, message: Resume, needed: int, now: int) -> None:
        """It is where the other one has left it: from now on it is this one's."""
        self._desk.take_over(peer, now)
        peer.goes_by = message.chosen_by, message.policy
        if message.slow or message.stalled:
            self._desk.slow_reports.go_on(peer.id)
        self._deadlines.connected(peer, now)
        peer.recorded = needed  # from there on the coordinator holds the log
        if peer.member.replay is not None or peer.member.snapshots is not None:
            self._desk.replays.note_past()
        self._write_down(peer)

    def _write_down(self, peer: Peer) -> None:
        """The checkpoint before may be half-written, if its worker died while it was."""
        self._pump.settle(peer.member)
        seen = peer.checkpoint(self._pump.blocked.get(peer.member, 0))
        self._desk.records.write(peer, seen=seen)

    def _counts_of(
        self,
        sock: Any,
        stream: StreamSlot,
        record: StreamRecord,
        over: HandedOver | None,
        *,
        quiet: bool,
    ) -> kernel.Counts:
        acted = max(record.acted, stream.acted)
        recorded = kernel.Counts(record.stream_bytes, acted)
        if over is not None:
            return recorded  # what was counted are boxes, and was compared by who had it
        counts: kernel.Counts | None = recorded
        if sock.family == socket.AF_UNIX:
            counts = own_counts(sock, stream)
        elif not quiet:  # else nobody has to ask the kernel, which may not count
            counts = self._around.stream_counts(sock)
        if counts is None:
            raise NotResumableError("it was ending, or its bytes are not counted")
        return counts

    def _handed_over(self, message: Resume) -> HandedOver | None:
        """How its boxes go on; None = it has none."""
        over = unpacked(message.boxes, self._area.read) if message.boxes else None
        if over is None and is_sealed(message.protocol):
            raise NotResumableError(Kind.SEALED.why_not)
        return over

    def _session_of(
        self, message: Resume, wants: set[bytes], skip: int, sock: Any, over: HandedOver | None
    ) -> Session:
        sessions = self._desk.sessions
        with loading():
            session = sessions.in_boxes(*over[:4]) if over else sessions.make(message.protocol)
        # Of what is there the other one may have reported some, if it was lost.
        again = 0 if message.quiet else unread_in_kernel(sock, self._around.queues)
        session.go_on(message.version, wants, skip, again)
        return session

    def _protect(self, record: StreamRecord) -> None:
        """Have the log keep what it needs; up to now it is the coordinator who holds it."""
        self._tail.protect_front()
        slot = self._around.slot
        slot.flushed = min(slot.flushed, record.needed)
        slot.tail = min(slot.tail, record.needed)
