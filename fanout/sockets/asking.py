"""REQ: asks one peer, and waits for its reply. Pure.

     may ask ──send──► waiting ──recv──► may ask
                        │   ▲
                        └───┘ send: asks again; the old reply is dropped when it comes

Which reply belongs to which request is told by a number: the first frame of the envelope, as libzmq
has it with REQ_CORRELATE; what libzmq calls REQ_RELAXED is always on. Without the number, asking
again closes the connection over which an old reply could come.

The state is one reference, to the request that counts, and the reply goes into that: so there is
one store or one call of C for each step, and none of them has a middle.
"""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

from fanout.sockets.addressed import identity_of
from fanout.sockets.errors import NoReplyError, NotNowError, StateError
from fanout.sockets.peer import Outgoing
from fanout.sockets.role import Role
from fanout.sockets.spreading import Ring
from fanout.zmtp import encode_message

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fanout.sockets.limits import Limits
    from fanout.sockets.peer import Peer
    from fanout.sockets.problems import Problems
    from fanout.subscriber.parsing import Frames

NUMBER_BYTES = 4  # as in libzmq
DELIMITER = b""  # the frame between envelope and body


class Request:
    """A question.

    Attributes:
        wire: it, on the wire.
        envelope: frames that its reply begins with.
        peer: who was asked; None: nobody yet.
        replies: the reply, until somebody takes it; None: it has not come. The reply None: it
            cannot come any more.
    """

    __slots__ = ("envelope", "peer", "replies", "wire")

    def __init__(self, envelope: Frames, body: bytes) -> None:
        self.envelope = envelope
        self.wire = b"".join(b"\x01" + bytes((len(frame),)) + frame for frame in envelope) + body
        self.peer: Peer | None = None
        self.replies: list[Frames | None] | None = None

    def is_answered_by(self, frames: Frames) -> bool:
        """Whether this is its reply, and the first one."""
        count = len(self.envelope)
        return self.replies is None and len(frames) > count and frames[:count] == self.envelope


class Req(Role):
    """One question at a time; each goes to the next peer.

    Args:
        correlate: requests have numbers.
        identity: what a ROUTER knows it by.
    """

    socket_type = b"REQ"

    def __init__(
        self, limits: Limits, problems: Problems, *, correlate: bool = True, identity: bytes = b""
    ) -> None:
        super().__init__(limits, problems)
        self.ring = Ring()
        self._correlate = correlate
        self._identity = identity_of(identity)
        self._numbers = count(1)
        self._current: Request | None = None  # what users have asked last
        self._asked: Request | None = None  # what the actor has sent last
        self._received = 0

    def properties(self) -> Mapping[bytes, bytes]:
        return {b"Identity": self._identity}

    # Any thread.

    @property
    def is_waiting(self) -> bool:
        """Whether there is a question whose reply was not taken."""
        request = self._current
        return request is not None and request.replies != []

    def prepare(self, frames: list[bytes]) -> bytes:
        """What `try_send` takes."""
        return encode_message(frames)

    def try_send(self, body: bytes) -> None:
        """Ask; the last step of it does that. What was asked before does not count any more.

        Raises:
            NotNowError: there is nobody to be asked.
        """
        if not self.ring and not self.has_way():
            raise NotNowError
        envelope = [DELIMITER]
        if self._correlate:
            number = next(self._numbers) % (1 << 8 * NUMBER_BYTES)
            envelope.insert(0, number.to_bytes(NUMBER_BYTES, "big"))
        request = Request(tuple(envelope), body)
        self._current = request

    def try_recv(self) -> Frames:
        """Take the reply.

        Raises:
            NotNowError: it has not come yet.
            StateError: nothing was asked.
            NoReplyError: it cannot come any more; ask again.
        """
        request = self._current
        if request is None or request.replies == []:
            raise StateError("nothing was asked: send() first; nothing has changed")
        replies = request.replies
        if replies is None:
            raise NotNowError
        taken: list[Frames | None] = []
        try:
            taken.extend(map(list.pop, (replies,)))  # one call of C
            if taken[0] is None:
                raise NoReplyError("the connection to the peer that was asked is lost: ask again")
            return taken[0]
        except NoReplyError:
            raise
        except IndexError:  # another thread has taken it
            raise StateError("the reply was taken already: send() first") from None
        except BaseException:
            replies.extend(taken)
            raise

    # The actor.

    def joined(self, peer: Peer) -> None:
        self.ring.join(peer)

    def left(self, peer: Peer, unsent: list[Outgoing]) -> None:
        """What was not sent is asked elsewhere; else the reply is lost with the connection."""
        self.ring.leave(peer)
        asked = self._asked
        if asked is None or asked.peer is not peer or asked.replies is not None:
            return
        if any(outgoing.wire is asked.wire for outgoing in unsent):
            asked.peer = self._asked = None
        else:
            asked.replies = [None]
            self._received += 1

    @property
    def waiting_count(self) -> int:
        request = self._current
        return int(request is not None and request.peer is None and request.replies is None)

    @property
    def may_dispatch(self) -> bool:
        return bool(self.waiting_count) and self.ring.has_room

    def dispatch(self) -> list[Peer]:
        request, before = self._current, self._asked
        if request is None or request is before or request.peer is not None:
            return []
        if before is not None and before.replies is None and before.peer is not None:
            if not self._correlate:
                self.condemn(before.peer, "a reply to what was given up may come from there")
            before.replies = []
        peer = self.ring.next()
        if peer is None:
            return []
        peer.give(Outgoing(request.wire))  # first: others see it here or there
        request.peer, self._asked = peer, request
        return [peer]

    def received(self, peer: Peer, found: Sequence[Frames]) -> None:
        for frames in found:
            request = self._asked
            is_of_peer = request is not None and request.peer is peer
            if request is None or not is_of_peer or not request.is_answered_by(frames):
                self.malformed(peer, "a reply to what was asked before, or to nothing")
            else:
                self._received += 1
                request.replies = [frames[len(request.envelope) :]]

    @property
    def received_count(self) -> int:
        return self._received

    def clear(self) -> int:
        dropped = self.waiting_count
        self._current = None
        return dropped
