"""CURVE, the side of the server: who comes proves a key, and all that follows is in boxes.

    client  HELLO     a transient key C', and a box that shows that it has its secret
    server  WELCOME   a transient key S', in a box that only who has our long-term secret can make
    client  INITIATE  its long-term key C, and a vouch that C' is C's; its properties
    server  READY     once somebody has judged C; our properties. Or ERROR, in clear

RFC 25 (CurveZMQ) and 26. What differs: the cookie that INITIATE must bring back is random bytes,
which are kept here: a TCP server has a state for each connection in any case, and the client cannot
look into it. On any failure the connection ends without a word.

Whose box it is follows from the key that opens it, but X25519 ignores the top bit of a public key:
so the vouch must also name C' and our S byte by byte.
"""

from __future__ import annotations

import hmac
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

from fanout.zmtp import commands
from fanout.zmtp.boxes import (
    CLIENT_TEXT,
    HELLO_TEXT,
    INITIATE_TEXT,
    KEY_BYTES,
    LONG_NONCE_BYTES,
    MAC_BYTES,
    READY_TEXT,
    SERVER_TEXT,
    SHORT_NONCE_BYTES,
    VOUCH_TEXT,
    WELCOME_TEXT,
    Counting,
    ForgedError,
    count_nonce,
)
from fanout.zmtp.errors import (
    LocalProtocolError,
    NoHandshakeError,
    Refusal,
    RemoteProtocolError,
)
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
from fanout.zmtp.opener import Opener
from fanout.zmtp.sealer import Sealer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fanout.zmtp.boxes import KeyPair, Primitives, Randomness

NAME = b"CURVE"
VERSION = b"\x01\x00"
HELLO_PADDING = bytes(72)
HELLO_SECRET = bytes(64)  # what is sealed in HELLO
COOKIE_BYTES = 96
VOUCH_BYTES = LONG_NONCE_BYTES + MAC_BYTES + 2 * KEY_BYTES
FIRST_COUNT = 1  # of READY, the first nonce of ours with the key of the connection

_HELLO_BYTES = 194  # behind the name: version, padding, C', counter, box
_INITIATE_BYTES_MIN = COOKIE_BYTES + SHORT_NONCE_BYTES + MAC_BYTES + KEY_BYTES + VOUCH_BYTES


class _Step(Enum):
    """What comes next."""

    HELLO = "HELLO"
    INITIATE = "INITIATE"
    VERDICT = "a verdict"
    NOTHING = "nothing"


class _Transient(NamedTuple):
    """What is kept from WELCOME to INITIATE, and then dropped."""

    client: bytes  # C'
    secret: bytes  # s'
    server: bytes  # S, the one of our keys that opened HELLO
    cookie: bytes


class CurveServer:
    """The side that judges. Its mutable state: what comes next, and the keys that this takes.

    Args:
        keys: our long-term ones; the first that opens a HELLO is used, so that an old one may go
            on to be served beside a new one.
        randomness: is asked for s' and the cookie (32 and 96 bytes), then for a nonce (16).
    """

    name = NAME
    as_server = True
    awaits_verdict = False

    def __init__(
        self, keys: Sequence[KeyPair], primitives: Primitives, randomness: Randomness
    ) -> None:
        self._keys = keys
        self._primitives = primitives
        self._randomness = randomness
        self._ours: Properties = bytes
        self._next = _Step.HELLO
        self._counting = Counting()
        self._transient: _Transient | None = None
        self._key = b""  # of the connection

    def __repr__(self) -> str:
        return f"<CurveServer: next comes {self._next.value}>"

    @property
    def frame_bytes_max(self) -> int:
        """Of the body of the next frame."""
        is_first = self._next is _Step.HELLO
        return 1 + len(HELLO) + _HELLO_BYTES if is_first else HANDSHAKE_FRAME_BYTES_MAX

    def begin(self, ours: Properties) -> bytes:
        """Wait for the client's HELLO."""
        self._ours = ours
        return b""

    def receive(self, body: bytes) -> Progress:
        """HELLO, then INITIATE; after that comes the verdict.

        Raises:
            RemoteProtocolError: it is anything else. NoHandshakeError: it was not made with the
                right keys; a stock client comes back at once, and has us multiply again.
        """
        name, data = split(body)
        try:
            if self._next is _Step.HELLO and name == HELLO:
                return self._on_hello(data)
            if self._transient is not None and name == INITIATE:
                return self._on_initiate(data, self._transient)
        except ForgedError:
            raise _unproven(f"a box of {name.decode()} does not open") from None
        raise RemoteProtocolError(f"CURVE: another frame in place of {self._next.value}")

    def allow(self) -> Progress:
        """READY.

        Raises:
            LocalProtocolError: there is nobody to be judged.
        """
        if self._next is not _Step.VERDICT:
            raise LocalProtocolError(f"a verdict, where {self._next.value} comes next")
        self._next = _Step.NOTHING
        short, nonce = count_nonce(READY_TEXT, FIRST_COUNT)
        box = self._primitives.seal(self._ours(), nonce, self._key)
        return Progress(commands.command(commands.READY, short + box), is_done=True)

    def encryption(self, max_frame_bytes: int) -> Encryption | None:
        """Boxes from now on; the key is theirs alone."""
        key, self._key = self._key, b""
        return Encryption(
            Opener(self._primitives, key, CLIENT_TEXT, self._counting, max_frame_bytes),
            Sealer(self._primitives, key, SERVER_TEXT, FIRST_COUNT),
        )

    def _on_hello(self, data: bytes) -> Progress:
        if len(data) != _HELLO_BYTES:
            raise RemoteProtocolError(f"CURVE: HELLO has {len(data)} bytes, not {_HELLO_BYTES}")
        if not data.startswith(VERSION):
            raise RemoteProtocolError("CURVE: HELLO is of another version")
        at = len(VERSION) + len(HELLO_PADDING)
        client, at = data[at : at + KEY_BYTES], at + KEY_BYTES
        short, box = data[at : at + SHORT_NONCE_BYTES], data[at + SHORT_NONCE_BYTES :]
        self._counting.next(short, "HELLO")
        ours, key = self._opened(client, HELLO_TEXT + short, box)
        secret, cookie = self._randomness(KEY_BYTES), self._randomness(COOKIE_BYTES)
        public = self._primitives.public_of(secret)
        tail = self._randomness(LONG_NONCE_BYTES)
        sealed = self._primitives.seal(public + cookie, WELCOME_TEXT + tail, key)
        self._transient = _Transient(client, secret, ours, cookie)
        self._key = self._primitives.shared(client, secret)
        self._next = _Step.INITIATE
        return Progress(commands.command(WELCOME, tail + sealed))

    def _opened(self, client: bytes, nonce: bytes, box: bytes) -> tuple[bytes, bytes]:
        """Return which of our public keys a HELLO is for, and what it has in common with C'."""
        for pair in self._keys:
            key = self._primitives.shared(client, pair.secret)
            try:
                opened = self._primitives.open(box, nonce, key)
            except ForgedError:
                continue
            if hmac.compare_digest(opened, HELLO_SECRET):
                return pair.public, key
        raise ForgedError

    def _on_initiate(self, data: bytes, transient: _Transient) -> Progress:
        if len(data) < _INITIATE_BYTES_MIN:
            raise RemoteProtocolError(f"CURVE: INITIATE has only {len(data)} bytes")
        cookie, data = data[:COOKIE_BYTES], data[COOKIE_BYTES:]
        short, box = data[:SHORT_NONCE_BYTES], data[SHORT_NONCE_BYTES:]
        if not hmac.compare_digest(cookie, transient.cookie):
            raise _unproven("INITIATE has another cookie")
        self._counting.next(short, "INITIATE")
        plain = self._primitives.open(box, INITIATE_TEXT + short, self._key)
        client, plain = plain[:KEY_BYTES], plain[KEY_BYTES:]
        vouch, metadata = plain[:VOUCH_BYTES], plain[VOUCH_BYTES:]
        tail, sealed = vouch[:LONG_NONCE_BYTES], vouch[LONG_NONCE_BYTES:]
        key = self._primitives.shared(client, transient.secret)
        vouched = self._primitives.open(sealed, VOUCH_TEXT + tail, key)
        if not hmac.compare_digest(vouched, transient.client + transient.server):
            raise _unproven("INITIATE vouches for another connection")
        self._transient = None
        self._next = _Step.VERDICT
        return Progress(credentials=Credentials("CURVE", public_key=client), metadata=metadata)


def _unproven(what: str) -> NoHandshakeError:
    return NoHandshakeError(f"CURVE: {what}", Refusal.KEY)
