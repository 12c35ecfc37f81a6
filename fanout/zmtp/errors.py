"""What the codec raises, and whose fault it is.

    ProtocolError
    ├── LocalProtocolError     ours: a call that the state or the protocol does not allow
    └── RemoteProtocolError    the peer's: bytes that end this one connection
        ├── OverLimitError     the same: what it wants is valid, and more than it may have
        │   └── CommandOverLimitError   it was a command, and no message
        └── NoHandshakeError   nobody's: both sides are not set up for each other

A session turns every `RemoteProtocolError` into a `Violation` event, so that its shell never sees
one; only the parts below it (frame reader, greeting, metadata) raise it.
"""

from __future__ import annotations

from enum import Enum


class Refusal(Enum):
    """Why a handshake cannot succeed before one of both sides is set up in another way."""

    MECHANISM = "mechanism"
    """The peer has another one."""

    KEY = "key"
    """The peer has not proven a key, or one of both sides knows another key of the other."""

    DENIED = "denied"
    """The peer has said ERROR."""

    TLS = "TLS"
    """The peer speaks TLS, and we do not."""

    SOCKET_TYPE = "socket type"
    """The peer is a socket that has nothing to say to ours, as PUSH to PUSH."""

    HTTP = "HTTP"
    """The peer speaks HTTP."""


class ProtocolError(Exception):
    """Base of both; never raised itself."""


class LocalProtocolError(ProtocolError):
    """A call broke the rules; nothing was queued and no state changed."""


class RemoteProtocolError(ProtocolError):
    """The peer broke the rules; its connection must be closed.

    Attributes:
        refusal: why no handshake can succeed, if that is it.
    """

    refusal: Refusal | None = None


class OverLimitError(RemoteProtocolError):
    """The peer broke a limit of ours; it will ask for the same again when it is back.

    Attributes:
        before: plain frames that had come by then, of what was opened at once.
    """

    before: bytes = b""


class CommandOverLimitError(OverLimitError):
    """The limit is that of a command: no message is lost."""


class NoHandshakeError(RemoteProtocolError):
    """Both sides do not go together, and will not, however often they try.

    Attributes:
        said: the mechanism or the socket type of the peer, or what its ERROR says.
    """

    def __init__(self, text: str, refusal: Refusal, said: str = "") -> None:
        super().__init__(text)
        self.refusal = refusal
        self.said = said
