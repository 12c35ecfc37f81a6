"""What a session tells its shell, in the order in which it happened on the wire."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from fanout.zmtp.errors import Refusal
    from fanout.zmtp.mechanisms import Credentials


@dataclass(frozen=True, slots=True)
class Ready:
    """The handshake is over: from here on messages may be sent to the peer."""

    version: str
    """Of the peer: "3.1", "3.0", "2.0" or "1.0"."""

    metadata: dict[str, bytes]
    """Properties of the peer, names in lower case."""


@dataclass(frozen=True, slots=True)
class VerdictWanted:
    """Somebody has to say whether the peer may go on: `allow()`, `deny()`, or close it.

    What it says before that ends the connection.
    """

    credentials: Credentials


@dataclass(slots=True, unsafe_hash=True)  # lists are long: frozen, each takes twice as long
class Subscribed:
    """The peer wants messages whose topic starts with `prefix`, and did not before."""

    prefix: bytes


@dataclass(frozen=True, slots=True)
class SubscribedAll:
    """As so many `Subscribed`: the session makes one of what it found in a row, if it is long."""

    prefixes: tuple[bytes, ...]
    """Each once."""


@dataclass(slots=True, unsafe_hash=True)  # lists are long: frozen, each takes twice as long
class Cancelled:
    """The peer no longer wants messages because of `prefix`, and did before."""

    prefix: bytes


@dataclass(frozen=True, slots=True)
class ReservedSubscription:
    """The peer subscribes to, or cancels, what matches no message, see `SessionLimits`.

    The session keeps none of them: the same may come again and again, or be cancelled unheard.
    """

    prefix: bytes
    wanted: bool
    """False: it is cancelled."""


@dataclass(frozen=True, slots=True)
class MessageReceived:
    """A message for the application; a publisher's session never makes one."""

    frames: tuple[bytes, ...]


@dataclass(slots=True, unsafe_hash=True)  # some come by the thousand, as above
class PingReceived:
    """The peer asked for a sign of life; the PONG is queued already."""

    ttl_s: float
    """After so many seconds of silence the connection is to be closed; 0 = never."""

    context: bytes
    """What the PONG echoes, 0 to 16 bytes."""


@dataclass(frozen=True, slots=True)
class PongReceived:
    """The peer answered a PING; libzmq 4.2 leaves the context out."""

    context: bytes


@dataclass(frozen=True, slots=True)
class PassedOver:
    """A message is let go as it comes, since it is too large; whoever receives may do that."""

    reason: str
    """Which limit it is above."""

    has_too_many_frames: bool
    """That is the one of frames, which is the same for all."""


@dataclass(frozen=True, slots=True)
class Violation:
    """The last event ever: send what `data_to_send` still returns, then close the connection."""

    reason: str
    """For logs and counters, printable ASCII, bounded."""

    over_limit: bool = False
    """It wants more than it may have: it will ask for the same again when it is back."""

    refusal: Refusal | None = None
    """Why no handshake can succeed as both sides are set up; None: it is another kind of fault."""

    said: str = ""
    """What the peer has said of that: its mechanism, or its ERROR."""


SessionEvent: TypeAlias = (
    Ready
    | VerdictWanted
    | Subscribed
    | SubscribedAll
    | Cancelled
    | ReservedSubscription
    | MessageReceived
    | PingReceived
    | PongReceived
    | PassedOver
    | Violation
)
