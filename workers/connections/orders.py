"""Orders: what the coordinator says about single connections, and who here acts on it. Shell."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from fanout.control.judging import Forget, Judged, Secure
from fanout.control.leftovers import LeftFile
from fanout.control.messages import Adopt, Evict, SetPolicy
from fanout.control.rights import Asks, Permit, Rights
from fanout.control.takeover import Release, Resume, Wants
from fanout.workers.connections.adopting import secure
from fanout.workers.connections.leftovers import Leftovers

if TYPE_CHECKING:
    from fanout.control.messages import Message
    from fanout.workers.connections.desk import Desk
    from fanout.workers.connections.releasing import Releasing
    from fanout.workers.connections.resuming import Resuming


class Orders:
    """Passes them on, in their order.

    Attributes:
        leftovers: what is to be removed if the publisher's process is killed.
        resuming: what is about somebody who is still awaited there waits with him.
    """

    def __init__(self, desk: Desk, resuming: Resuming, releasing: Releasing) -> None:
        self.leftovers = Leftovers()
        self._desk = desk
        self.resuming = resuming
        self._releasing = releasing

    def carry_out(self, message: Message, descriptors: list[int]) -> None:
        """Do what is about a connection, or a file; others do the rest."""
        desk, resuming = self._desk, self.resuming
        if isinstance(message, Adopt):
            desk.adopt(message, descriptors)
        elif isinstance(message, Evict):
            if not resuming.after(message.subscriber, partial(desk.evict, message)):
                desk.evict(message)
        elif isinstance(message, SetPolicy):
            if not resuming.after(message.subscriber, partial(desk.set_policy, message)):
                desk.set_policy(message)
        elif isinstance(message, Judged):
            desk.judged(message)  # about one in its handshake, which is never taken over
        elif isinstance(message, Secure):
            secure(message, desk.sessions)
        elif isinstance(message, Forget):
            desk.sessions.forget(message.protocol)
        elif isinstance(message, Permit):
            resuming.permit(message)
        elif isinstance(message, Release):
            self._releasing.release(message)
        elif isinstance(message, Wants):
            resuming.want(message)
        elif isinstance(message, Rights | Asks):
            resuming.allow(message)
        elif isinstance(message, Resume):
            resuming.take(message, descriptors)
        elif isinstance(message, LeftFile):
            self.leftovers.note(message)
