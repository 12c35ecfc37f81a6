"""What the codec raises, and whose fault it is.

    ProtocolError
    ├── LocalProtocolError     ours: a call that the state or the protocol does not allow
    └── RemoteProtocolError    the peer's: bytes that end this one connection
        └── OverLimitError     the same: what it wants is valid, and more than it may have
            └── CommandOverLimitError   it was a command, and no message

A session turns every `RemoteProtocolError` into a `Violation` event, so that its shell never sees
one; only the parts below it (frame reader, greeting, metadata) raise it.
"""

from __future__ import annotations


class ProtocolError(Exception):
    """Base of both; never raised itself."""


class LocalProtocolError(ProtocolError):
    """A call broke the rules; nothing was queued and no state changed."""


class RemoteProtocolError(ProtocolError):
    """The peer broke the rules; its connection must be closed."""


class OverLimitError(RemoteProtocolError):
    """The peer broke a limit of ours; it will ask for the same again when it is back."""


class CommandOverLimitError(OverLimitError):
    """The limit is that of a command: no message is lost."""
