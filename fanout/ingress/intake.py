"""The protocol of one producer's connection, from the greeting on. Pure.

The handshake is that of `Half`. In traffic the bytes go to a `Splitter`, and what is left for
`Half` are commands: PING and PONG.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fanout.ingress.splitting import Splitter
from fanout.zmtp import RemoteProtocolError, SessionState, Violation
from fanout.zmtp.greeting import ROLES
from fanout.zmtp.half import Half

if TYPE_CHECKING:
    from fanout.ingress.admission import Admission
    from fanout.ingress.splitting import Found
    from fanout.zmtp import SessionEvent


class Intake(Half):
    """The PULL half of one connection, without its socket. Owned by one thread.

    Args:
        admission: which topics may be published on.
        max_message_bytes: of one message on the wire; a larger one ends the connection.
        max_command_bytes: of one command.

    Attributes:
        violation: what ended it, if the producer has; None as long as it goes on.
    """

    __slots__ = ("_rest", "_splitter", "violation")

    def __init__(
        self, admission: Admission, max_message_bytes: int, max_command_bytes: int
    ) -> None:
        super().__init__(ROLES[b"PULL"], max_command_bytes)
        self._splitter = Splitter(admission, max_message_bytes, max_command_bytes)
        self._rest = b""  # what came with the end of the handshake
        self.violation: RemoteProtocolError | None = None

    @property
    def is_ready(self) -> bool:
        """Whether the handshake is done, and the connection not over."""
        return self.state is SessionState.TRAFFIC

    @property
    def part_bytes(self) -> int:
        """Bytes of a message that has begun and is not whole; 0 = there is none."""
        return self._splitter.part_bytes

    def receive(self, data: bytes, found: Found) -> list[SessionEvent]:
        """Take bytes of the producer, cut anywhere; adds its whole messages to `found`.

        Returns:
            What else happened. A `Violation` is the last, and the connection is over then; what was
            whole before it is found.
        """
        events: list[SessionEvent] = []
        if not self.is_ready:
            events = self.receive_data(data)
            data, self._rest = self._rest, b""  # nothing, unless it is ready now
            if not data:
                return events
        splitter = self._splitter
        try:
            try:
                splitter.split(data, found)
            finally:
                for body in splitter.commands:
                    self._on_command(body, events)
                splitter.commands.clear()
        except RemoteProtocolError as error:
            events.append(self._fail(error))
        return events

    def _on_ready(self, events: list[SessionEvent]) -> None:
        del events
        self._splitter.has_commands = self._speaks_commands
        self._rest = self._reader.take_rest()

    def _fail(self, error: RemoteProtocolError) -> Violation:
        self.violation = error
        return super()._fail(error)
