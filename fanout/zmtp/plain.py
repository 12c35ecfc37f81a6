"""PLAIN: user and password in clear text (RFC 24).

    client  HELLO     name-len(1) name password-len(1) password
    server  WELCOME   once somebody has judged these; or ERROR
    client  INITIATE  its properties
    server  READY     ours

Nothing is hidden and nobody proves who the server is: for loopback, or inside of TLS.
"""

from __future__ import annotations

from enum import Enum

from fanout.zmtp import commands
from fanout.zmtp.errors import LocalProtocolError, RemoteProtocolError
from fanout.zmtp.mechanisms import (
    HANDSHAKE_FRAME_BYTES_MAX,
    HELLO,
    INITIATE,
    WELCOME,
    Credentials,
    Encryption,
    Progress,
    Properties,
    split,
)

NAME = b"PLAIN"
FIELD_BYTES_MAX = 255  # of user and password: their lengths have one byte each
# libzmq 4.3.0 and 4.3.1 say WELCOME for HELLO, with the length of the latter. Read by that length:
# What a HELLO may have, with that name: another length before each field.
_HELLO_BYTES_MAX = 1 + len(WELCOME) + 2 * (1 + FIELD_BYTES_MAX)
_OLD_HELLO, _OLD_HELLO_REST = WELCOME[: len(HELLO)], WELCOME[len(HELLO) :]


class _Step(Enum):
    """What comes next."""

    HELLO = "HELLO"
    VERDICT = "a verdict"
    WELCOME = "WELCOME"
    INITIATE = "INITIATE"
    READY = "READY"
    NOTHING = "nothing"


class PlainServer:
    """The side that judges. Its mutable state: what comes next."""

    name = NAME
    as_server = True
    awaits_verdict = False

    def __init__(self) -> None:
        self._next = _Step.HELLO
        self._ours: Properties = bytes

    @property
    def frame_bytes_max(self) -> int:
        """Of the body of the next frame."""
        return _HELLO_BYTES_MAX if self._next is _Step.HELLO else HANDSHAKE_FRAME_BYTES_MAX

    def begin(self, ours: Properties) -> bytes:
        """Wait for the client's HELLO."""
        self._ours = ours
        return b""

    def receive(self, body: bytes) -> Progress:
        """HELLO, and after the verdict INITIATE.

        Raises:
            RemoteProtocolError: it is anything else.
        """
        name, data = split(body)
        if self._next is _Step.HELLO:
            credentials = _credentials(name, data)
            self._next = _Step.VERDICT
            return Progress(credentials=credentials)
        if self._next is _Step.INITIATE and name == INITIATE:
            self._next = _Step.NOTHING
            ready = commands.command(commands.READY, self._ours())
            return Progress(ready, metadata=data, is_done=True)
        raise RemoteProtocolError(f"PLAIN: another frame in place of {self._next.value}")

    def allow(self) -> Progress:
        """WELCOME.

        Raises:
            LocalProtocolError: there is nobody to be judged.
        """
        if self._next is not _Step.VERDICT:
            raise LocalProtocolError(f"a verdict, where {self._next.value} comes next")
        self._next = _Step.INITIATE
        return Progress(commands.command(WELCOME))

    def encryption(self, max_frame_bytes: int) -> Encryption | None:
        """Nothing is hidden."""
        del max_frame_bytes
        return None


class PlainClient:
    """The side that is judged. Its mutable state: what comes next, and the password up to HELLO.

    Args:
        username, password: 0 to 255 bytes each.

    Raises:
        LocalProtocolError: one of both is longer.
    """

    name = NAME
    as_server = False

    def __init__(self, username: bytes, password: bytes) -> None:
        if max(len(username), len(password)) > FIELD_BYTES_MAX:
            raise LocalProtocolError(f"user and password have up to {FIELD_BYTES_MAX} bytes each")
        self._hello = b"".join(bytes((len(one),)) + one for one in (username, password))
        self._next = _Step.WELCOME
        self._ours: Properties = bytes

    @property
    def awaits_verdict(self) -> bool:
        """Whether HELLO was said, and nothing was answered."""
        return self._next is _Step.WELCOME

    @property
    def frame_bytes_max(self) -> int:
        """Of the body of the next frame."""
        return HANDSHAKE_FRAME_BYTES_MAX

    def begin(self, ours: Properties) -> bytes:
        """HELLO."""
        self._ours = ours
        hello, self._hello = commands.command(HELLO, self._hello), b""
        return hello

    def receive(self, body: bytes) -> Progress:
        """WELCOME, then READY.

        Raises:
            RemoteProtocolError: it is anything else; or an ERROR, as when we are refused.
        """
        name, data = split(body)
        if self._next is _Step.WELCOME and name == WELCOME and not data:
            self._next = _Step.READY
            return Progress(commands.command(INITIATE, self._ours()))
        if self._next is _Step.READY and name == commands.READY:
            self._next = _Step.NOTHING
            return Progress(metadata=data, is_done=True)
        raise RemoteProtocolError(f"PLAIN: another frame in place of {self._next.value}")

    def allow(self) -> Progress:
        """Nobody is judged on this side.

        Raises:
            LocalProtocolError: always.
        """
        raise LocalProtocolError("a client judges nobody")

    def encryption(self, max_frame_bytes: int) -> Encryption | None:
        """Nothing is hidden."""
        del max_frame_bytes
        return None


def _credentials(name: bytes, data: bytes) -> Credentials:
    if name == _OLD_HELLO and data.startswith(_OLD_HELLO_REST):
        data = data.removeprefix(_OLD_HELLO_REST)
    elif name != HELLO:
        raise RemoteProtocolError("PLAIN: another frame in place of HELLO")
    username, rest = _field(data)
    password, rest = _field(rest)
    if rest:
        raise RemoteProtocolError("PLAIN: HELLO goes on behind the password")
    return Credentials("PLAIN", username, password)


def _field(data: bytes) -> tuple[bytes, bytes]:
    """Return a field with its length before it, and what follows it."""
    end = 1 + data[0] if data else 1
    if end > len(data):
        raise RemoteProtocolError("PLAIN: HELLO ends inside a field")
    return data[1:end], data[end:]
