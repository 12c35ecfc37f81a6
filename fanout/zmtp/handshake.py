"""From the first byte to traffic: greeting, then NULL or another mechanism, and how it fails.

NULL is here, since it is one READY from each side and nothing else; so is what ZMTP 2.0 has in its
place. Other mechanisms are objects, see `mechanisms.py`: they are asked for the bytes, and all that
is decided here is which state follows. ZMTP before 3.0 has no mechanisms: a peer that speaks it is
refused where there is one, by the greeting.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fanout.zmtp import commands
from fanout.zmtp.errors import (
    LocalProtocolError,
    NoHandshakeError,
    OverLimitError,
    RemoteProtocolError,
)
from fanout.zmtp.events import Ready, SessionEvent, VerdictWanted, Violation
from fanout.zmtp.frames import MORE, SHORT_BODY_MAX, FrameReader
from fanout.zmtp.greeting import NULL, VERSION_BYTES, Greeting, GreetingStage, cut_short
from fanout.zmtp.mechanisms import DENIED, HANDSHAKE_FRAME_BYTES_MAX, refused_by
from fanout.zmtp.metadata import IDENTITY, SOCKET_TYPE, parse_metadata, properties, ready
from fanout.zmtp.states import SessionState, SessionStep, advance

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from fanout.zmtp.greeting import SocketType
    from fanout.zmtp.mechanisms import Mechanism, Progress
    from fanout.zmtp.opener import Opener
    from fanout.zmtp.sealer import Sealer


class Handshake:
    """The beginning of a connection, and its state; private, see `Half`."""

    __slots__ = ("_greeting", "_max_frame_bytes", "_mechanism", "_output", "_reader", "_role",
                 "introduce", "metadata", "opener", "sealer", "state", "version")  # fmt: skip

    def __init__(
        self,
        role: SocketType,
        max_frame_bytes: int,
        *,
        allow_zmtp_1: bool = False,
        mechanism: Mechanism | None = None,
    ) -> None:
        self._role = role
        # Returns properties that our READY has besides the socket type; asked when that is made.
        self.introduce: Callable[[], Mapping[bytes, bytes]] = dict
        self._max_frame_bytes = max_frame_bytes
        self._mechanism = mechanism  # None: NULL, or the handshake is over
        self._output = bytearray()  # shared with the greeting: emptied, never replaced
        # None when both greetings are through.
        self._greeting: Greeting | None = Greeting(
            *(role, self._output),
            allow_zmtp_1=allow_zmtp_1 and mechanism is None,
            mechanism=NULL if mechanism is None else mechanism.name,
            as_server=mechanism is not None and mechanism.as_server,
        )
        self._reader = FrameReader(
            min(max_frame_bytes, HANDSHAKE_FRAME_BYTES_MAX)
            if mechanism is None
            else mechanism.frame_bytes_max
        )
        self.opener: Opener | None = None  # of what comes, once it is boxes
        # Of what goes out from then on; the output is not sealed yet, whoever sends it does that.
        self.sealer: Sealer | None = None
        self.state = SessionState.GREETING
        # Of the peer: "3.1", "3.0", "2.0", "1.0"; None until its greeting is through.
        self.version: str | None = None
        # The peer's properties, names in lower case; empty until it is ready.
        self.metadata: dict[str, bytes] = {}

    @property
    def has_heard_nothing(self) -> bool:
        """Whether the peer has not said anything yet."""
        return self._greeting is not None and not self._greeting.received_bytes

    @property
    def cut_short(self) -> str:
        """What to tell of a peer that ends its side now, within its greeting; "" = it is not."""
        begun = 0 if self._greeting is None else self._greeting.received_bytes
        return cut_short(begun) if begun else ""

    def allow(self) -> list[SessionEvent]:
        """The peer that was to be judged may go on; see `VerdictWanted`.

        Raises:
            LocalProtocolError: nobody is to be judged; nothing has changed.
        """
        mechanism = self._judged()
        if self._reader.kept_bytes:
            return [self._fail(RemoteProtocolError("a frame before the peer was judged"))]
        events: list[SessionEvent] = []
        self.state = advance(self.state, SessionStep.ALLOWED)
        self._on_progress(mechanism, mechanism.allow(), events)
        return events

    def deny(self) -> Violation:
        """The peer that was to be judged is told that it may not, and will not come back.

        Raises:
            LocalProtocolError: nobody is to be judged; nothing has changed.
        """
        self._judged()
        self._output += commands.error(DENIED)
        return self._fail(RemoteProtocolError("refused"))

    @property
    def knows_our_mechanism_only(self) -> bool:
        """Whether the peer has told its version, was told our mechanism, and has said no more.

        libzmq hangs up there, without a word, if the two differ.
        """
        greeting = self._greeting
        if greeting is None or greeting.stage is not GreetingStage.V3_REST:
            return False
        return greeting.received_bytes == VERSION_BYTES

    @property
    def our_mechanism(self) -> str:
        """The mechanism of this side, as long as the handshake is not done."""
        return (NULL if self._mechanism is None else self._mechanism.name).decode()

    @property
    def awaits_verdict(self) -> bool:
        """Whether the peer has all that it wants to know of us, and has not said what it thinks."""
        return self._mechanism is not None and self._mechanism.awaits_verdict

    @property
    def _speaks_commands(self) -> bool:
        return self.version in ("3.1", "3.0")

    def _judged(self) -> Mechanism:
        if self.state is not SessionState.AUTHENTICATING or self._mechanism is None:
            raise LocalProtocolError(f"nobody is to be judged in {self.state}")
        return self._mechanism

    def _on_greeted(self, greeting: Greeting, events: list[SessionEvent]) -> None:
        self._greeting = None
        self.version = greeting.version
        if self.version == "1.0":
            self._on_traffic(SessionStep.UNFRAMED, events)
            return
        self.state = advance(self.state, SessionStep.GREETED)
        if self._mechanism is not None:
            if not self._speaks_commands:
                raise RemoteProtocolError("ZMTP 2.0, which has no mechanisms: one is needed here")
            self._output += self._mechanism.begin(self._properties)
        elif greeting.peer_type is None:
            self._output += ready(self._role.socket_type, self.introduce())
        else:  # ZMTP 2.0 has no READY
            self.metadata[SOCKET_TYPE] = greeting.peer_type

    def _properties(self) -> bytes:
        return properties(self._role.socket_type, self.introduce())

    def _on_handshake(self, flags: int, body: bytes, events: list[SessionEvent]) -> bytes:
        """Read one frame of the handshake, whatever its flags: libzmq takes any READY.

        Returns:
            What has come behind the last one, if that is not to be read as frames.
        """
        if self._mechanism is not None:
            return self._on_secured(self._mechanism, body, events)
        if not self._speaks_commands:
            if flags & MORE or len(body) > SHORT_BODY_MAX:
                raise RemoteProtocolError("a malformed ZMTP 2.0 identity frame")
            if body:
                self.metadata[IDENTITY] = body
        else:
            name, data = commands.split_command(body)
            if name == commands.ERROR:
                raise refused_by(data)
            if name != commands.READY:
                raise RemoteProtocolError("a frame before READY")
            self.metadata = parse_metadata(data, self._role.peer_types)
        self._on_traffic(SessionStep.PEER_READY, events)
        return b""

    def _on_secured(self, mechanism: Mechanism, body: bytes, events: list[SessionEvent]) -> bytes:
        self._on_progress(mechanism, mechanism.receive(body), events)
        return b"" if self.opener is None else self._take_rest()

    def _take_rest(self) -> bytes:
        """From now on frames are in boxes: what was read too far is for who opens them."""
        before, self._reader = self._reader, FrameReader(self._max_frame_bytes)
        self._reader.repair, self._reader.skip_but = before.repair, before.skip_but
        return before.take_rest()

    def _on_progress(
        self, mechanism: Mechanism, progress: Progress, events: list[SessionEvent]
    ) -> None:
        if progress.metadata is not None:
            self.metadata = parse_metadata(progress.metadata, self._role.peer_types)
        self._output += progress.output
        self._reader.max_frame_bytes = mechanism.frame_bytes_max
        if progress.credentials is not None:
            self.state = advance(self.state, SessionStep.ASKED)
            events.append(VerdictWanted(progress.credentials))
        elif progress.is_done:
            encryption = mechanism.encryption(self._max_frame_bytes)
            if encryption is not None:
                self.opener, self.sealer = encryption
            self._mechanism = None
            self._on_traffic(SessionStep.PEER_READY, events)

    def _on_traffic(self, step: SessionStep, events: list[SessionEvent]) -> None:
        self.state = advance(self.state, step)
        assert self.version is not None  # it is known since the greeting
        self._reader.max_frame_bytes = self._max_frame_bytes
        self._reader.repair = self._speaks_commands
        events.append(Ready(self.version, self.metadata))
        self._on_ready(events)

    def _go_on(self, version: str) -> None:
        """Be in traffic with a peer of this version, with whom the handshake was done before."""
        self._greeting = None
        self._mechanism = None
        self._output.clear()
        self.version = version
        if version == "1.0":
            self._on_traffic(SessionStep.UNFRAMED, [])
            return
        self.state = advance(self.state, SessionStep.GREETED)
        self._on_traffic(SessionStep.PEER_READY, [])

    def _on_ready(self, events: list[SessionEvent]) -> None:
        """Do what the half does first."""

    def _fail(self, error: RemoteProtocolError) -> Violation:
        self.state = advance(self.state, SessionStep.FAILED)
        self._greeting = None
        self._mechanism = self.opener = self.sealer = None
        self._reader = FrameReader(0)  # lets go of what was kept
        if isinstance(error, NoHandshakeError):
            return Violation(str(error), refusal=error.refusal, said=error.said)
        return Violation(str(error), isinstance(error, OverLimitError))
