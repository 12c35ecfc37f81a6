"""REP: receives a request, and owes its reply to who has asked. Pure.

     may receive ──recv──► owes ──send──► may receive
                            │ ▲
                            └─┘ recv: the next request; who asked before gets no reply

A request is in the inbox, among what is owed, or in the outbox with its reply: each step moves it
from one to the next by one call of C. What is owed is the last in its list.
"""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING, TypeAlias

from fanout.sockets.addressed import Addressed
from fanout.sockets.errors import NotNowError, StateError
from fanout.sockets.inbox import Inbox, size_of
from fanout.sockets.peer import Outgoing
from fanout.zmtp import encode_message

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fanout.sockets.limits import Limits
    from fanout.sockets.peer import Peer
    from fanout.sockets.problems import Problems
    from fanout.subscriber.parsing import Frames

ENVELOPE_FRAMES_MAX = 32  # before the delimiter: each proxy on the way adds one
_Waiting: TypeAlias = "tuple[int, int, int, Debt]"  # as the inbox has it
_debt = itemgetter(3)


class Debt(Outgoing):
    """A request, which is the way of its reply.

    Attributes:
        envelope: frames that the reply begins with.
        body: the request.
    """

    __slots__ = ("body", "envelope")

    def __init__(self, peer: Peer, frames: Frames, delimiter: int) -> None:
        super().__init__(b"", peer)
        self.envelope = frames[: delimiter + 1]
        self.body = frames[delimiter + 1 :]


class Rep(Addressed):
    """Receives of all its peers in turn, and replies to the one that it has received of."""

    socket_type = b"REP"

    def __init__(self, limits: Limits, problems: Problems) -> None:
        super().__init__(limits, problems)
        self.inbox: Inbox[Debt] = Inbox(limits)
        self._owed: list[_Waiting] = []  # the last is to be answered; those before were given up

    # Any thread.

    @property
    def owes_reply(self) -> bool:
        """Whether `send` has somebody to send to."""
        return bool(self._owed)

    def prepare(self, frames: list[bytes]) -> list[bytes]:
        """What `try_send` takes."""
        return frames

    def try_recv(self) -> Frames:
        """Take the next request.

        Raises:
            NotNowError: there is none, and what was owed is owed still.
        """
        self._give_up(1)
        before = len(self._owed)
        try:
            self.inbox.move(self._owed)
            return self._owed[-1][3].body
        except BaseException:
            if len(self._owed) > before:
                self.inbox.put_back(self._owed)
            raise

    def try_send(self, frames: list[bytes]) -> None:
        """Reply to the last request; the last step of it does that.

        Raises:
            NotNowError: there is no room for this peer; the reply is owed still.
            StateError: there is none.
        """
        self._give_up(1)
        if not self._owed:
            raise StateError("no request was received: recv() first; nothing has changed")
        debt = self._owed[-1][3]
        peer = debt.peer
        assert peer is not None, "it was received of somebody"
        wire = encode_message([*debt.envelope, *frames])
        if not peer.is_gone and not peer.level.reserve(len(wire)):
            raise NotNowError
        debt.wire = wire
        self.outbox.extend(map(_debt, map(list.pop, (self._owed,))))  # one call of C

    def _give_up(self, kept: int) -> None:
        """Drop what is owed but for the last."""
        while len(self._owed) > kept:
            self._owed.pop(0)
            self.drop(1)

    @property
    def dropped_count(self) -> int:
        return self.dropped + max(len(self._owed) - 1, 0)

    # The actor.

    def joined(self, peer: Peer) -> None:
        self.admit(peer)

    def received(self, peer: Peer, found: Sequence[Frames]) -> None:
        for frames in found:
            try:
                delimiter = frames.index(b"", 0, ENVELOPE_FRAMES_MAX + 1)
            except ValueError:
                self.malformed(peer, "a request without an empty frame before its body")
                continue
            if delimiter + 1 == len(frames):
                self.malformed(peer, "a request without a body")
                continue
            self.inbox.put(peer.lane, Debt(peer, frames, delimiter), size_of(frames))

    @property
    def received_count(self) -> int:
        return self.inbox.received

    def is_full(self) -> bool:
        return self.inbox.is_full()
