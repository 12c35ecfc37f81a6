"""PUSH, PULL and SUB: messages go one way. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fanout.errors import MessageTooLarge
from fanout.sockets.errors import NotNowError
from fanout.sockets.inbox import Inbox, size_of
from fanout.sockets.outbox import Outbox
from fanout.sockets.peer import Outgoing
from fanout.sockets.role import Role
from fanout.sockets.spreading import Ring
from fanout.subscriber.prefixes import Prefixes
from fanout.terms.introduction import PROPERTY_NAME, message_limit_of
from fanout.zmtp import encode_message

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from fanout.sockets.limits import Limits
    from fanout.sockets.peer import Peer
    from fanout.sockets.problems import Problems
    from fanout.subscriber.parsing import Frames


class Spreading(Role):
    """Whose messages any peer may have: each goes to the next in turn."""

    def __init__(self, limits: Limits, problems: Problems) -> None:
        super().__init__(limits, problems)
        self.outbox = Outbox(limits)
        self.ring = Ring()

    def prepare(self, frames: list[bytes]) -> bytes:
        """What `try_send` takes, made and checked once for all attempts."""
        return encode_message(frames)

    def try_send(self, wire: bytes) -> None:
        """Hand a message over; the last step of it does that.

        Raises:
            NotNowError: there is nobody to send to, or no room.
        """
        if not self.ring and not self.has_way():
            raise NotNowError
        self.outbox.put(Outgoing(wire))

    def joined(self, peer: Peer) -> None:
        self.ring.join(peer)

    def left(self, peer: Peer, unsent: list[Outgoing]) -> None:
        """What it has not got goes to another, or to the same when it is back."""
        self.ring.leave(peer)
        self.outbox.give_back(unsent)

    def dispatch(self) -> list[Peer]:
        return self.ring.spread(self.outbox)

    @property
    def waiting_count(self) -> int:
        return len(self.outbox.waiting)

    @property
    def may_dispatch(self) -> bool:
        return bool(self.outbox.waiting) and self.ring.has_room

    def has_room_again(self) -> bool:
        return self.outbox.has_room_again()

    def clear(self) -> int:
        return self.outbox.clear()


class Push(Spreading):
    """Sends each message to one of its peers.

    An endpoint of `ingest()` says how large a message may be. If it is the only peer, a larger one
    is refused; one that has waited for it is given up, or it would be sent to it for ever.

    Attributes:
        on_given_up: told of the size of such a message, and of the limit.
    """

    socket_type = b"PUSH"

    def __init__(self, limits: Limits, problems: Problems) -> None:
        super().__init__(limits, problems)
        self.on_given_up: Callable[[int, int], None] = lambda _size, _limit: None
        self._only: Peer | None = None  # the only peer, if it has said how large a message may be
        self._largest: int | None = None  # bytes on the wire, as it has said; None: not known

    def prepare(self, frames: list[bytes]) -> bytes:
        """As that of `Spreading`.

        Raises:
            MessageTooLarge: the peer has said that it does not take it.
        """
        wire = super().prepare(frames)
        self._check(wire)
        return wire

    def try_send(self, wire: bytes) -> None:
        """As that of `Spreading`; whoever has waited for room may have another peer by now.

        Raises:
            MessageTooLarge: it has said that it does not take it.
        """
        self._check(wire)
        super().try_send(wire)

    def _check(self, wire: bytes) -> None:
        largest = self._largest
        if largest is not None and len(wire) > largest:
            raise MessageTooLarge(len(wire), largest)

    def joined(self, peer: Peer) -> None:
        super().joined(peer)
        self._look_who_is_there()

    def left(self, peer: Peer, unsent: list[Outgoing]) -> None:
        super().left(peer, unsent)
        self._look_who_is_there()

    def dispatch(self) -> list[Peer]:
        """As that of `Spreading`; what was checked before its peer came is not given to it."""
        largest = self._largest
        if largest is None:
            return super().dispatch()
        return self.ring.spread(self.outbox, largest, self._give_up)

    def _look_who_is_there(self) -> None:
        """Whoever is the only peer from now on may have said how large a message may be."""
        peer = self._only = self.ring.only
        said = None if peer is None else peer.feed.metadata.get(PROPERTY_NAME)
        self._largest = largest = None if said is None else message_limit_of(said)
        if largest is None:
            return
        waiting = self.outbox.waiting
        for outgoing in waiting.copy():
            if len(outgoing.wire) > largest:
                self._give_up(outgoing)
                waiting.remove(outgoing)  # by identity, while others add to it

    def _give_up(self, outgoing: Outgoing) -> None:
        """Tell that this is too large for the only peer, before it is dropped.

        In this order: nobody sees that nothing waits, and has not been told why.
        """
        peer, largest = self._only, self._largest
        assert peer is not None
        assert largest is not None
        size = len(outgoing.wire)
        self.on_given_up(size, largest)
        text = f"a message of {size} bytes is given up: it takes {largest} at most"
        self.undelivered(peer.name, text)


class Pull(Role):
    """Receives messages of all its peers in turn."""

    socket_type = b"PULL"

    def __init__(self, limits: Limits, problems: Problems) -> None:
        super().__init__(limits, problems)
        self.inbox: Inbox[Frames] = Inbox(limits)

    def try_recv(self) -> Frames:
        """Take the next message; the last step of it does that.

        Raises:
            NotNowError: there is none.
        """
        return self.inbox.take()

    def received(self, peer: Peer, found: Sequence[Frames]) -> None:
        for frames in found:
            self.inbox.put(peer.lane, frames, size_of(frames))

    @property
    def received_count(self) -> int:
        return self.inbox.received

    def is_full(self) -> bool:
        return self.inbox.is_full()


class Sub(Pull):
    """Receives messages on what it has subscribed to.

    Attributes:
        wants: prefixes; changed by the actor alone.
    """

    socket_type = b"SUB"

    def __init__(self, limits: Limits, problems: Problems) -> None:
        super().__init__(limits, problems)
        self.wants = Prefixes()
        self._peers: set[Peer] = set()

    def subscribe(self, prefix: bytes) -> None:
        """Tell all peers, those that are there and those to come; once each."""
        if prefix not in self.wants:
            self.wants.add(prefix)
            for peer in self._peers:
                peer.feed.subscribe_to(prefix)

    def unsubscribe(self, prefix: bytes) -> None:
        """Tell all peers; what they have sent already is dropped, unless it waits here."""
        if prefix in self.wants:
            self.wants.remove(prefix)
            for peer in self._peers:
                peer.feed.cancel(prefix)

    def joined(self, peer: Peer) -> None:
        self._peers.add(peer)
        peer.feed.subscribe(sorted(self.wants))

    def left(self, peer: Peer, unsent: list[Outgoing]) -> None:
        self._peers.discard(peer)

    def received(self, peer: Peer, found: Sequence[Frames]) -> None:
        prefixes = self.wants.together
        wanted = [frames for frames in found if frames[0].startswith(prefixes)]
        self.discarded += len(found) - len(wanted)
        super().received(peer, wanted)
