"""What all roles have in common, and what the actor calls of them. Pure.

A role is what one socket type does with messages. Calls of users (`try_...`) come from any thread,
all others from the actor. The rule for the former: *what is handed over goes by one call of C from
one container into another, and the state of the socket is in which of them it is.* So there is no
instant in which a message is in none of them, or in both, whatever interrupts the call.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from fanout.sockets.problems import ProblemKind
from fanout.zmtp.greeting import ROLES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from fanout.sockets.limits import Limits
    from fanout.sockets.peer import Outgoing, Peer
    from fanout.sockets.problems import Problems
    from fanout.subscriber.parsing import Frames
    from fanout.terms.addresses import AddressRefusal


class Role:
    """One socket type.

    Attributes:
        socket_type: as READY says it.
        peers_are, peers_option: who connects, for people, and how users call the limit of these.
        read_bytes: of one peer in a turn; as many are parsed in half a millisecond.
        limits, problems: of the socket.
        has_way: whether a message could ever go out: there is a peer, or one is connected to.
        condemned: peers that are to be closed, and why.
        dropped: messages that were handed over and could not be sent to whom they were for.
        discarded: messages that came and were not for the program.
    """

    socket_type: ClassVar[bytes]
    peers_are: ClassVar[str] = "peers"
    peers_option: ClassVar[str] = "Limits.max_peers"
    read_bytes: ClassVar[int] = 64 * 1024

    def __init__(self, limits: Limits, problems: Problems) -> None:
        self.limits = limits
        self.problems = problems
        self.zmtp = ROLES[self.socket_type]
        self.has_way: Callable[[], bool] = lambda: True
        self.condemned: list[tuple[Peer, str]] = []
        self.dropped = 0
        self.discarded = 0

    def properties(self) -> Mapping[bytes, bytes]:
        """What our READY says beside the socket type."""
        return {}

    def joined(self, peer: Peer) -> None:
        """The handshake with a peer is done.

        Raises:
            LostError: it is not let in.
        """

    def left(self, peer: Peer, unsent: list[Outgoing]) -> None:
        """A peer that had joined is gone; it cannot have got these messages whole."""

    def ended(self, peer: Peer, text: str, *, refused: bool) -> None:
        """A connection is over, whether its peer had joined or not; refused: it is at fault."""

    def turned_away(self, name: str, refusal: AddressRefusal) -> None:
        """Somebody has connected, and is one too many."""

    def crowded(self, text: str) -> None:
        """More wait to be accepted than may: who connects now is not answered for a while."""

    def cannot_accept(self, text: str) -> None:
        """Nobody is let in for a while, for the reason that is given."""

    def is_left_unread(self, peer: Peer) -> bool:
        """Whether this one is left unread for now."""
        del peer
        return False

    def take_turned(self) -> Sequence[Peer]:
        """Of whom that has changed since it was asked last, or may have."""
        return ()

    def next_at(self) -> float | None:
        """When `dispatch` is to be called by the clock; None: not by that."""
        return None

    def received(self, peer: Peer, found: Sequence[Frames]) -> None:
        """Messages of a peer."""
        self.discarded += len(found)

    def dispatch(self) -> list[Peer]:
        """Give what was handed over to those who are to send it; returns them."""
        return []

    @property
    def waiting_count(self) -> int:
        """Messages that were handed over, and are not given to a connection."""
        return 0

    @property
    def received_count(self) -> int:
        """Messages that came for the program, ever."""
        return 0

    @property
    def may_dispatch(self) -> bool:
        """Whether `dispatch` would do something now."""
        return False

    def has_room_again(self) -> bool:
        """Whether who waits for room should try."""
        return True

    def is_full(self) -> bool:
        """Whether no more should be read: too much waits for the program."""
        return False

    def clear(self) -> int:
        """The end: drop what was handed over; returns how many messages that were."""
        return 0

    @property
    def dropped_count(self) -> int:
        """Messages that were handed over and not sent. Any thread."""
        return self.dropped

    def drop(self, number: int) -> None:
        """So many messages were dropped. Any thread."""
        self.dropped += number  # the interpreter changes threads at calls and loops only

    def condemn(self, peer: Peer, why: str) -> None:
        """Have a peer closed, and give it nothing more."""
        peer.is_condemned = True
        self.condemned.append((peer, why))

    def undelivered(self, peer: str, text: str) -> None:
        """One message was dropped. Any thread."""
        self.drop(1)
        self.problems.put(ProblemKind.UNDELIVERED, peer, text)

    def malformed(self, peer: Peer, text: str) -> None:
        """What came from a peer was dropped."""
        self.discarded += 1
        self.problems.put(ProblemKind.MALFORMED, peer.name, text)
