"""The greeting: which version the peer speaks, found out without hurting older ones.

    FIRST_BYTE   not FF ──────────► V1_IDENTITY (a short length)
    SIGNATURE    byte 9 even ─────► V1_IDENTITY (a long length)
    REVISION     1 ──► V2_TYPE      2 and more ──► V3_REST      0 ──► refused
    V1_IDENTITY, V2_TYPE, V3_REST ──► DONE

We send in stages, each only after the peer has shown that it will understand it (rule R1, as
libzmq does): the 10 signature bytes at once, our major version after its signature, the rest after
its major version. A whole greeting sent blindly makes ZMTP 2.0 peers close.
Sources: RFC 37 "Version Negotiation", RFC 23, RFC 15 (2.0), RFC 13 (1.0), libzmq 4.3.5.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from fanout.zmtp.errors import NoHandshakeError, Refusal, RemoteProtocolError
from fanout.zmtp.foreign import foreigner, is_undecided
from fanout.zmtp.frames import MORE
from fanout.zmtp.metadata import and_not

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

SIGNATURE = b"\xff\x00\x00\x00\x00\x00\x00\x00\x01\x7f"
MAJOR = b"\x03"
MINOR = b"\x01"  # rule R10: towards a 3.0 peer libzmq 4.3.3 and later corrupt a 255-byte topic
NULL = b"NULL"
_MECHANISMS = (NULL, b"PLAIN", b"CURVE", b"GSSAPI")  # that libzmq has
GREETING_BYTES = 64
V2_GREETING_BYTES = 12
VERSION_BYTES = len(SIGNATURE) + len(MAJOR)  # what libzmq says before it knows our mechanism
EMPTY_IDENTITY = b"\x00\x00"  # ZMTP 2.0: an empty frame follows the socket type

_MINOR_AT = 11
_MECHANISM_AT = slice(12, 32)
_MECHANISM_BYTES = 20
_FILLER = bytes(31)
_REST = MINOR + NULL.ljust(_MECHANISM_BYTES, b"\x00") + bytes(1) + _FILLER
_V1_IDENTITY_BYTES_MAX = 256  # with its flags byte; RFC 13: an identity has up to 255


@dataclass(frozen=True, slots=True)
class SocketType:
    """A socket type and what it may talk to; the numbers are those of ZMTP 2.0 (RFC 15)."""

    socket_type: bytes
    number: int
    peers: Mapping[int, bytes]

    @property
    def peer_types(self) -> frozenset[bytes]:
        """Names of the socket types that this one may talk to."""
        return frozenset(self.peers.values())


_SUBSCRIBERS = {2: b"SUB", 10: b"XSUB"}
_PUBLISHERS = {1: b"PUB", 9: b"XPUB"}
_REQ, _REP, _DEALER, _ROUTER = {3: b"REQ"}, {4: b"REP"}, {5: b"DEALER"}, {6: b"ROUTER"}
ROLES = {
    role.socket_type: role
    for role in (
        SocketType(b"PUB", 1, _SUBSCRIBERS),
        SocketType(b"XPUB", 9, _SUBSCRIBERS),
        SocketType(b"SUB", 2, _PUBLISHERS),
        SocketType(b"XSUB", 10, _PUBLISHERS),
        # RFC 28 (request and reply) and RFC 30 (pipeline).
        SocketType(b"REQ", 3, _REP | _ROUTER),
        SocketType(b"REP", 4, _REQ | _DEALER),
        SocketType(b"DEALER", 5, _REP | _DEALER | _ROUTER),
        SocketType(b"ROUTER", 6, _REQ | _DEALER | _ROUTER),
        SocketType(b"PULL", 7, {8: b"PUSH"}),
        SocketType(b"PUSH", 8, {7: b"PULL"}),
    )
}
_NAMES = {role.number: name.decode() for name, role in ROLES.items()}


class GreetingStage(Enum):
    """What the next bytes of the peer are."""

    FIRST_BYTE = "first byte"
    SIGNATURE = "signature"
    REVISION = "revision"
    V1_IDENTITY = "ZMTP 1.0 identity"
    V2_TYPE = "ZMTP 2.0 socket type"
    V3_REST = "rest of a ZMTP 3 greeting"
    DONE = "done"


class Greeting:
    """Reads the peer's greeting and queues ours; thrown away when both are through.

    Attributes:
        stage: what the next bytes of the peer are.
        version: of the peer, "3.1", "3.0", "2.0" or "1.0"; `None` until `stage` is `DONE`.
        peer_type: socket type of a ZMTP 2.0 peer; `None` for the others.
    """

    __slots__ = ("_allow_zmtp_1", "_as_server", "_mechanism", "_output", "_received",
                 "_role", "_wanted", "peer_type", "stage", "version")  # fmt: skip

    def __init__(
        self,
        role: SocketType,
        output: bytearray,
        *,
        allow_zmtp_1: bool = False,
        mechanism: bytes = NULL,
        as_server: bool = False,
    ) -> None:
        """Queue the signature on `output`, which stays the caller's.

        Args:
            allow_zmtp_1: take peers of ZMTP 1.0; not where there is a mechanism, as it has none.
            mechanism: the name of the one that both must have, up to 20 bytes.
            as_server: that of both which judges the other; what the peer says of that is ignored.
        """
        self._mechanism = mechanism
        self._as_server = as_server
        self._role = role
        self._output = output
        self._allow_zmtp_1 = allow_zmtp_1 and mechanism == NULL
        self._received = bytearray()
        self._wanted = 1  # bytes of the greeting that the stage needs, from the first on
        self.stage = GreetingStage.FIRST_BYTE
        self.version: str | None = None
        self.peer_type: bytes | None = None
        output += SIGNATURE

    @property
    def received_bytes(self) -> int:
        """How many of the peer's have come."""
        return len(self._received)

    def receive(self, data: bytes) -> int:
        """Take what belongs to the greeting and return how many bytes that was.

        Raises:
            RemoteProtocolError: the peer speaks nothing that we do; the greeting is of no more use.
        """
        taken = 0
        while self.stage is not GreetingStage.DONE:
            piece = data[taken : taken + self._wanted - len(self._received)]
            self._received += piece
            taken += len(piece)
            if len(self._received) < self._wanted:
                break
            _READ[self.stage](self)
        return taken

    def _expect(self, stage: GreetingStage, wanted: int) -> None:
        self.stage = stage
        self._wanted = wanted

    def _done(self, version: str) -> None:
        self.stage = GreetingStage.DONE
        self.version = version

    def _read_first_byte(self) -> None:
        head = bytes(self._received)
        if head == SIGNATURE[:1]:
            self._expect(GreetingStage.SIGNATURE, len(SIGNATURE))
        elif is_undecided(head, allow_zmtp_1=self._allow_zmtp_1):
            self._wanted += 1
        else:
            foreign = foreigner(head, allow_zmtp_1=self._allow_zmtp_1)
            if foreign is not None:
                raise foreign
            self._expect_v1_identity(1, head[0])

    def _read_signature(self) -> None:
        # Only bit 0 of byte 9 tells: in ZMTP 1.0 it is the flags byte of a final frame.
        if self._received[9] & 1:
            self._output += MAJOR
            self._expect(GreetingStage.REVISION, len(SIGNATURE) + 1)
        else:
            self._expect_v1_identity(9, int.from_bytes(self._received[1:9], "big"))

    def _read_revision(self) -> None:
        revision = self._received[10]
        if revision == 0:
            raise RemoteProtocolError("ZMTP revision 0 is not supported")
        if revision < MAJOR[0] and self._mechanism != NULL:
            text = f"the peer speaks ZMTP 2.0, which has NULL; {here(self._mechanism.decode())}"
            raise NoHandshakeError(text, Refusal.MECHANISM, NULL.decode())
        if revision == 1:
            self._output += bytes((self._role.number,)) + EMPTY_IDENTITY
            self._expect(GreetingStage.V2_TYPE, V2_GREETING_BYTES)
        else:  # RFC 37 calls revision 2 ZMTP 2.0, but libzmq reads it as 3.x, and so do we
            self._output += _REST if self._mechanism == NULL else self._rest()
            self._expect(GreetingStage.V3_REST, GREETING_BYTES)

    def _expect_v1_identity(self, header_bytes: int, length: int) -> None:
        """`length` counts the flags byte and the identity, not the header before them."""
        if not self._allow_zmtp_1:
            raise RemoteProtocolError("not a ZMTP greeting (or ZMTP 1.0, which is off)")
        if not 1 <= length <= _V1_IDENTITY_BYTES_MAX:
            raise RemoteProtocolError(f"a ZMTP 1.0 identity frame of length {length}")
        self._expect(GreetingStage.V1_IDENTITY, header_bytes + length)

    def _read_v1_identity(self) -> None:
        # An HTTP request ("GET") reads as a length (G), then flags with MORE among them (E).
        flags = self._received[9 if self._received[0] == SIGNATURE[0] else 1]
        if flags & MORE:
            raise RemoteProtocolError("a ZMTP 1.0 identity frame with the MORE bit")
        self._done("1.0")

    def _read_v2_type(self) -> None:
        number = self._received[11]
        self.peer_type = self._role.peers.get(number)
        if self.peer_type is None:
            text = f"the peer's ZMTP 2.0 socket type is {number}"
            name = _NAMES.get(number)
            if name is None:
                raise RemoteProtocolError(text)
            wanted = and_not(self._role.peer_types)
            raise NoHandshakeError(f"{text} ({name}), {wanted}", Refusal.SOCKET_TYPE, name)
        self._done("2.0")

    def _rest(self) -> bytes:
        mechanism = self._mechanism.ljust(_MECHANISM_BYTES, b"\x00")
        return MINOR + mechanism + bytes((self._as_server,)) + _FILLER

    def _read_v3_rest(self) -> None:
        mechanism = bytes(self._received[_MECHANISM_AT])
        if mechanism != self._mechanism.ljust(_MECHANISM_BYTES, b"\x00"):
            name = mechanism.rstrip(b"\x00")
            theirs = name.decode() if name in _MECHANISMS else "another mechanism"
            does = "speaks" if name == NULL else "wants"
            text = f"the peer {does} {theirs}; {here(self._mechanism.decode())}"
            raise NoHandshakeError(text, Refusal.MECHANISM, theirs)
        major, minor = self._received[10], self._received[_MINOR_AT]
        self._done("3.1" if major > MAJOR[0] or minor >= MINOR[0] else "3.0")


_READ: dict[GreetingStage, Callable[[Greeting], None]] = {
    GreetingStage.FIRST_BYTE: Greeting._read_first_byte,
    GreetingStage.SIGNATURE: Greeting._read_signature,
    GreetingStage.REVISION: Greeting._read_revision,
    GreetingStage.V1_IDENTITY: Greeting._read_v1_identity,
    GreetingStage.V2_TYPE: Greeting._read_v2_type,
    GreetingStage.V3_REST: Greeting._read_v3_rest,
}


def here(ours: str) -> str:
    """What an endpoint has, for who is told why a peer is not served there.

    Args:
        ours: its mechanism.
    """
    return f"this endpoint {'serves' if ours == NULL.decode() else 'wants'} {ours}"


def hung_up(ours: str) -> str:
    """What became of a peer that has left as soon as it knew our mechanism, and told none."""
    text = f"hung up when it read that {here(ours)}"
    return f"{text}; it wants CURVE or PLAIN, most likely" if ours == NULL.decode() else text


def cut_short(count: int) -> str:
    """What became of a peer that has left after so many bytes of its greeting."""
    return f"ended during the handshake, after {count} bytes of the greeting"


def is_greeting(data: bytes) -> bool:
    """Whether this is how ZMTP 2.0 or later begins, as far as it has come."""
    return data[:1] == SIGNATURE[:1] and (len(data) < len(SIGNATURE) or bool(data[9] & 1))
