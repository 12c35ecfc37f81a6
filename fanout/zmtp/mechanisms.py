"""Security mechanisms: what stands between the greetings and traffic, where that is more than NULL.

    NULL    each side says READY; that is in `handshake.py`, and has no object of its own, but
            for who is judged by what is known from below: judged_null.py
    PLAIN   user and password in clear text                      plain.py       RFC 24
    CURVE   keys, and everything after the handshake in boxes    curve.py       RFC 25, 26

A mechanism is a state machine of one connection without I/O: it is given the bodies of the frames
that come, and says what is to be answered. On the side of the server it also says when somebody has
to judge the peer: then nothing is read until `allow` is called, or the connection is refused.

ZMTP cannot negotiate: both sides name their mechanism in the greeting, and it is the same or the
connection ends. So one endpoint has one mechanism, and nothing here guesses.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeAlias

from fanout.zmtp import commands
from fanout.zmtp.errors import NoHandshakeError, Refusal

if TYPE_CHECKING:
    from fanout.zmtp.opener import Opener
    from fanout.zmtp.sealer import Sealer

TLS = "TLS"  # of who is known by the certificate that he has shown below: NULL on the wire
HELLO = b"HELLO"
WELCOME = b"WELCOME"
INITIATE = b"INITIATE"

HANDSHAKE_FRAME_BYTES_MAX = 64 * 1024  # a READY has some 30 bytes; a stranger gets no more
DENIED = b"400"  # as ZAP has it (RFC 27); libzmq's subscribers stop for good
# libzmq has a bug: its PLAIN server sends E as the length of the name, and the rest as the name.
_LIBZMQ_ERROR = b"\x5e" + b"RROR"

Properties: TypeAlias = Callable[[], bytes]
"""The properties of our own READY, as they go over the wire; asked when it is made."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """Who a peer says, or has proven, that it is. What is secret of it is not in its repr."""

    mechanism: str
    """ "PLAIN", "CURVE", or "TLS" for who has shown a certificate below it all."""

    username: bytes = b""
    """PLAIN, and TLS, where the certificate has it: 0 to 255 bytes."""

    password: bytes = field(default=b"", repr=False)
    """PLAIN: 0 to 255 bytes."""

    public_key: bytes = b""
    """CURVE: the peer's long-term key, 32 bytes; it has proven that it has the secret one."""

    certificate: bytes = field(default=b"", repr=False)
    """TLS: the peer's, in DER; it has proven that it has the private key."""

    @property
    def fields(self) -> list[bytes]:
        """Those that the mechanism has."""
        if self.public_key:
            return [self.public_key]
        return [self.username, self.certificate or self.password]


class Progress(NamedTuple):
    """What one frame has led to."""

    output: bytes = b""
    """To be sent, as it is."""

    credentials: Credentials | None = None
    """To be judged by somebody."""

    metadata: bytes | None = None
    """Properties of the peer, as they came; None: they have not come, or before."""

    is_done: bool = False
    """The handshake is over when the output is out."""


class Encryption(NamedTuple):
    """What opens and seals the frames of a connection after its handshake."""

    opener: Opener
    sealer: Sealer


class Mechanism(Protocol):
    """One side of the handshake of one connection; mutable state: where it stands."""

    name: bytes
    """As in the greeting: up to 20 bytes."""

    as_server: bool
    """As in the greeting, where CURVE needs it: the one side judges the other."""

    @property
    def awaits_verdict(self) -> bool:
        """Whether the peer has all that it judges us by, and has not said what it thinks."""

    @property
    def frame_bytes_max(self) -> int:
        """Of the body of the next frame: a larger one is refused before it has come."""

    def begin(self, ours: Properties) -> bytes:
        """Both greetings are through: the first words, if there are any."""

    def receive(self, body: bytes) -> Progress:
        """Take the body of the next frame of the peer.

        Raises:
            RemoteProtocolError: that is no way to go on; its text has nothing of the frame.
        """

    def allow(self) -> Progress:
        """The peer whose credentials were returned last may go on."""

    def encryption(self, max_frame_bytes: int) -> Encryption | None:
        """Once it is done: what comes and goes from now on is boxes; None: plain frames."""


def split(body: bytes) -> tuple[bytes, bytes]:
    """Return name and data of a frame of a handshake; the name is empty if it is no command.

    Raises:
        NoHandshakeError: an ERROR; its reason is in the text.
    """
    if body.startswith(_LIBZMQ_ERROR):
        name, data = commands.ERROR, body[len(_LIBZMQ_ERROR) :]
    else:
        name, data = commands.split_command(body)
    if name == commands.ERROR:
        raise refused_by(data)
    return name, data


def refused_by(error: bytes) -> NoHandshakeError:
    """What an ERROR of the peer, of which this is the data, comes to."""
    reason = commands.error_reason(error)
    return NoHandshakeError(f"the peer refused us: {reason}", Refusal.DENIED, reason)
