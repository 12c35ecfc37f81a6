"""CURVE, the side of the client: it knows the server's key, and shows its own. See `curve.py`."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

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
from fanout.zmtp.curve import COOKIE_BYTES, HELLO_PADDING, HELLO_SECRET, NAME, VERSION
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
    Encryption,
    Progress,
    Properties,
    split,
)
from fanout.zmtp.opener import Opener
from fanout.zmtp.sealer import Sealer

if TYPE_CHECKING:
    from fanout.zmtp.boxes import KeyPair, Primitives, Randomness

_WELCOME_BYTES = LONG_NONCE_BYTES + MAC_BYTES + KEY_BYTES + COOKIE_BYTES
_READY_BYTES_MIN = SHORT_NONCE_BYTES + MAC_BYTES
_HELLO_COUNT, _INITIATE_COUNT = 1, 2


class _Step(Enum):
    """What comes next."""

    WELCOME = "WELCOME"
    READY = "READY"
    NOTHING = "nothing"


class CurveClient:
    """The side that is judged. Its mutable state: what comes next, and the keys that this takes.

    Args:
        server: the server's long-term public key.
        keys: our long-term ones.
        randomness: is asked for c' (32 bytes), later for the nonce of the vouch (16).

    Raises:
        LocalProtocolError: the server's key is none.
    """

    name = NAME
    as_server = False

    def __init__(
        self, server: bytes, keys: KeyPair, primitives: Primitives, randomness: Randomness
    ) -> None:
        try:
            primitives.shared(server, keys.secret)
        except ForgedError:
            raise LocalProtocolError("the key of the server is no key") from None
        self._server = server
        self._keys = keys
        self._primitives = primitives
        self._randomness = randomness
        self._ours: Properties = bytes
        self._next = _Step.WELCOME
        self._counting = Counting()
        self._secret = b""  # c', up to INITIATE
        self._key = b""  # of HELLO and WELCOME, then of the connection

    def __repr__(self) -> str:
        return f"<CurveClient: next comes {self._next.value}>"

    @property
    def awaits_verdict(self) -> bool:
        """Whether INITIATE was said, and nothing was answered."""
        return self._next is _Step.READY

    @property
    def frame_bytes_max(self) -> int:
        """Of the body of the next frame."""
        return HANDSHAKE_FRAME_BYTES_MAX

    def begin(self, ours: Properties) -> bytes:
        """HELLO."""
        self._ours = ours
        self._secret = self._randomness(KEY_BYTES)
        public = self._primitives.public_of(self._secret)
        self._key = self._primitives.shared(self._server, self._secret)
        short, nonce = count_nonce(HELLO_TEXT, _HELLO_COUNT)
        box = self._primitives.seal(HELLO_SECRET, nonce, self._key)
        return commands.command(HELLO, VERSION + HELLO_PADDING + public + short + box)

    def receive(self, body: bytes) -> Progress:
        """WELCOME, then READY.

        Raises:
            RemoteProtocolError: it is anything else, or was not made with the right keys; or an
                ERROR, as when we are refused.
        """
        name, data = split(body)
        try:
            if self._next is _Step.WELCOME and name == WELCOME:
                return self._on_welcome(data)
            if self._next is _Step.READY and name == commands.READY:
                return self._on_ready(data)
        except ForgedError:
            text = f"CURVE: a box of {name.decode()} does not open"
            if name == WELCOME:
                raise NoHandshakeError(text, Refusal.KEY) from None
            raise RemoteProtocolError(text) from None
        raise RemoteProtocolError(f"CURVE: another frame in place of {self._next.value}")

    def allow(self) -> Progress:
        """Nobody is judged on this side.

        Raises:
            LocalProtocolError: always.
        """
        raise LocalProtocolError("a client judges nobody")

    def encryption(self, max_frame_bytes: int) -> Encryption | None:
        """Boxes from now on; the key is theirs alone."""
        key, self._key = self._key, b""
        return Encryption(
            Opener(self._primitives, key, SERVER_TEXT, self._counting, max_frame_bytes),
            Sealer(self._primitives, key, CLIENT_TEXT, _INITIATE_COUNT),
        )

    def _on_welcome(self, data: bytes) -> Progress:
        if len(data) != _WELCOME_BYTES:
            raise RemoteProtocolError(f"CURVE: WELCOME has {len(data)} bytes")
        tail, box = data[:LONG_NONCE_BYTES], data[LONG_NONCE_BYTES:]
        plain = self._primitives.open(box, WELCOME_TEXT + tail, self._key)
        server, cookie = plain[:KEY_BYTES], plain[KEY_BYTES:]
        secret, self._secret = self._secret, b""
        self._key = self._primitives.shared(server, secret)
        transient = self._primitives.public_of(secret)
        tail = self._randomness(LONG_NONCE_BYTES)
        with_server = self._primitives.shared(server, self._keys.secret)
        vouched = transient + self._server
        vouch = tail + self._primitives.seal(vouched, VOUCH_TEXT + tail, with_server)
        short, nonce = count_nonce(INITIATE_TEXT, _INITIATE_COUNT)
        box = self._primitives.seal(self._keys.public + vouch + self._ours(), nonce, self._key)
        self._next = _Step.READY
        return Progress(commands.command(INITIATE, cookie + short + box))

    def _on_ready(self, data: bytes) -> Progress:
        if len(data) < _READY_BYTES_MIN:
            raise RemoteProtocolError(f"CURVE: READY has only {len(data)} bytes")
        short, box = data[:SHORT_NONCE_BYTES], data[SHORT_NONCE_BYTES:]
        self._counting.next(short, "READY")
        metadata = self._primitives.open(box, READY_TEXT + short, self._key)
        self._next = _Step.NOTHING
        return Progress(metadata=metadata, is_done=True)
