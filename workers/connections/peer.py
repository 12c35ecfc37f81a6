"""A peer: one connection with its socket, its session and its place in the log. Shell."""

from __future__ import annotations

import contextlib
import socket
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from fanout.basics.units import NS
from fanout.control.messages import NO_FIELDS
from fanout.shm.cards import CHOSEN_BY
from fanout.shm.worker_slot import NO_TAIL
from fanout.transport import kernel
from fanout.transport.socket_queues import KERNEL, SocketQueues, free_in_kernel, unsent_in_kernel
from fanout.workers.connections.budgets import Budget
from fanout.workers.connections.unix_inbox import inbox_of
from fanout.workers.stream.member import Member

if TYPE_CHECKING:
    from collections.abc import Callable

    from fanout.shm.spill_area import Stored
    from fanout.shm.stream_record import StreamSlot
    from fanout.shm.subscriber_slot import Checkpoint, SubscriberSlot
    from fanout.workers.connections.question import Question
    from fanout.workers.connections.rights import SubscriberRights
    from fanout.workers.policy.base import Policy
    from fanout.workers.stream.member import Send
    from fanout.workers.stream.spills import Copy
    from fanout.zmtp import Session


class PointedTo(NamedTuple):
    """What a record points to: of use for as long as somebody refers to this."""

    packed: bytes = b""  # see `More`
    stored: Stored | None = None  # where that is
    kept: tuple[Copy | Stored, ...] = ()  # these are stored, too


POINTS_TO_NOTHING = PointedTo()


class Peer:
    """Owns the socket; every other piece is passive.

    Attributes:
        id, slot: as the coordinator gave them; the slot has its number already.
        member: its place in the log.
        session: its side of the protocol.
        budget: how much of the worker it may take by what it says.
        goes_by: who has chosen its policy, and that as a message says it; empty = the publisher's.
        ready: whether its handshake is done.
        last_received: monotonic ns of the last bytes from it.
        unread_until: monotonic ns up to which its input is left where it is; its silence up to then
            says nothing.
        ttl_ns: after so long a silence it wants to be closed; 0 = never.
        answers_pings: whether it has ever answered one.
        asked: monotonic ns of the first PING that it has not answered, if later than `heard`.
        record: from where another worker can go on.
        record_due: monotonic ns when that is to be renewed.
        recorded: the message from which on it needs the log for that, NO_TAIL = it does not.
        inbox: what it says.
        is_going_back: whether it was promised what it has missed, and is not sent that yet: then
            nobody else can go on with it.
        question: what it was asked when it had nothing more to say; None = it may say something.
        said: the reserved subscriptions that it has, in the order in which they count.
        pointed_to: what its record points to, and is kept for that.
        rights: what it may have of what it asks for; None = everything.
        rate, rate_bytes: messages and their bytes that it was sent in the last second.

    Args:
        now: monotonic ns.
        debt: ns that its address owes from connections before it.
        send: of its socket, or what counts what that takes; None = the former.
        queues: who is asked about those of its socket.
    """

    __slots__ = (
        "_end_bytes",
        "_kernel_bytes",
        "_rated",
        "_rated_at",
        "answers_pings",
        "asked",
        "budget",
        "goes_by",
        "id",
        "inbox",
        "is_going_back",
        "last_received",
        "member",
        "pointed_to",
        "question",
        "queues",
        "rate",
        "rate_bytes",
        "ready",
        "record",
        "record_due",
        "recorded",
        "rights",
        "said",
        "session",
        "slot",
        "socket",
        "ttl_ns",
        "unread_until",
    )

    def __init__(
        self,
        identifier: int,
        slot: SubscriberSlot,
        sock: socket.socket,
        session: Session,
        policy: Policy,
        now: int,
        debt: int = 0,
        *,
        record: StreamSlot,
        send: Send | None = None,
        queues: SocketQueues = KERNEL,
    ) -> None:
        self.id = identifier
        self.slot = slot
        self.socket = sock
        self.queues = queues
        self.member = Member(identifier, send or sock.send, policy)
        self.member.free = partial(free_in_kernel, sock, queues)
        self.session = session
        self.budget = Budget(now, debt)
        self.goes_by = CHOSEN_BY[0], NO_FIELDS
        self.ready = False
        self.last_received = now
        self.unread_until = 0
        self.ttl_ns = 0
        self.rights: SubscriberRights | None = None
        self.answers_pings = False
        self.asked = 0
        self.rate = 0
        self.rate_bytes = 0
        self._rated_at = now
        self._rated = (0, 0)  # sent, and bytes, at that time
        self._kernel_bytes = 0  # when it was asked last
        self._end_bytes = 0  # of the end of file, which TCP counts as one byte more
        self.record = record
        self.record_due = 0
        self.recorded = NO_TAIL
        self.inbox = inbox_of(sock, session, record, queues)
        self.is_going_back = False
        self.question: Question | None = None
        self.said: tuple[bytes, ...] = ()
        self.pointed_to = POINTS_TO_NOTHING

    @property
    def wants(self) -> set[bytes]:
        """What it is to be served by: all that it asks for, unless it has rights of its own."""
        return self.session.subscriptions if self.rights is None else self.rights.wants

    def goes_on(self, taken: int, acted: int) -> None:
        """Another worker has served it: its member is as that one has left it.

        Args:
            taken, acted: bytes of its input that were taken, and on which all is done.
        """
        self.ready = True
        self.inbox.go_on(taken, acted)
        self._rated = self.member.sent, self.member.sent_bytes

    @property
    def heard(self) -> int:
        """Monotonic ns from which on its silence counts."""
        return max(self.last_received, self.unread_until)

    def has_unread(self) -> bool:
        """Whether it has said something that nobody has looked at: then it is not silent."""
        return self.inbox.has_news

    def checkpoint(self, blocked_since: int) -> Checkpoint:
        """Write the member's settled state to its slot; returns it.

        Args:
            blocked_since: monotonic ns of its last progress, 0 if it is ready.
        """
        member = self.member
        is_kept = member.sealed is not None and member.sealed.kept_bytes > 0
        seen = member.checkpoint(
            blocked_since,
            self._kernel_bytes,
            self.rate,
            self.rate_bytes,
            is_going_back=self.is_going_back or is_kept,
        )
        self.slot.checkpoint(seen)
        return seen

    def look(self, now: int, unsent: Callable[[socket.socket], int]) -> None:
        """Bring up to date what is not counted but looked at, as far as it is due.

        What the kernel holds is asked for each time while it is behind, else once a second, with
        the rates; these are of the time since then.

        Args:
            now: monotonic ns.
            unsent: asks the kernel.
        """
        passed, member = now - self._rated_at, self.member
        if member.blocked or passed >= NS:
            self._kernel_bytes = unsent(self.socket) + self._kept_bytes
        if passed >= NS:
            sent, size = self._rated
            self._rated = member.sent, member.sent_bytes
            self._rated_at = now
            self.rate = (member.sent - sent) * NS // passed
            self.rate_bytes = (member.sent_bytes - size) * NS // passed

    def unsent_in_kernel(self) -> int:
        """Bytes that the kernel took and the peer has not acknowledged; 0 once it broke."""
        return unsent_in_kernel(self.socket, self.queues)

    def unacknowledged(self) -> int:
        """Bytes of its stream among these: without the end of file, and the last question."""
        count = self.unsent_in_kernel() + self._kept_bytes - self._end_bytes
        if self.question is not None:
            count -= self.question.unanswered(kernel.acknowledged(self.socket))
        return max(0, count)

    def finish_sending(self) -> None:
        """Send end of file after what is queued in the kernel; reading still works."""
        self._say_last()
        self.record.end()
        with contextlib.suppress(OSError):  # it is gone already
            self.socket.shutdown(socket.SHUT_WR)
            self._end_bytes = int(self.socket.family != socket.AF_UNIX)

    def _say_last(self) -> None:
        if self.member.sealed is not None:
            self.member.sealed.finish()

    @property
    def _kept_bytes(self) -> int:
        """Of what its socket was to take; it counts as if the kernel had it."""
        return 0 if self.member.sealed is None else self.member.sealed.kept_bytes

    def close(self, *, leave_open: bool = False) -> None:
        """End the connection for every process that holds a duplicate.

        The slot keeps the final figures until the coordinator has been told of the end.

        Args:
            leave_open: leave its end to the coordinator, who has a duplicate.
        """
        if not leave_open:
            self._say_last()
            self.record.end()
            with contextlib.suppress(OSError):  # it is gone already
                self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
