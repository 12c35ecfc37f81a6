"""The protocol of one producer's connection, from the greeting on. Pure.

The handshake is that of `Half`: `receive_data`. In traffic the bytes go to a `Splitter`, by
`receive`, and what is left for `Half` are commands: PING and PONG.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fanout.ingress.admission import ForbiddenTopicError
from fanout.ingress.splitting import Splitter
from fanout.terms.introduction import PROPERTY, intake_of
from fanout.zmtp import RemoteProtocolError, SessionState, Violation
from fanout.zmtp.errors import CommandOverLimitError, OverLimitError
from fanout.zmtp.greeting import ROLES
from fanout.zmtp.half import Half

if TYPE_CHECKING:
    from fanout.ingress.admission import Admission
    from fanout.ingress.splitting import FoundMessages
    from fanout.zmtp import SessionEvent
    from fanout.zmtp.cutting import Mark


class ProducerHalf(Half):
    """The PULL half of one connection, without its socket. Owned by one thread.

    Args:
        admission: which topics may be published on.
        max_message_bytes: of one message on the wire; a larger one ends the connection.
        max_command_bytes: of one command.

    Attributes:
        violation: what ended it, if the producer has; None as long as it goes on.
        has_lost_message: that was a message, of which nothing need have come but its beginning.
        rest: what came in one read with the end of the handshake, and is yet to be received.
    """

    __slots__ = ("_splitter", "has_lost_message", "rest", "violation")

    def __init__(
        self, admission: Admission, max_message_bytes: int, max_command_bytes: int
    ) -> None:
        super().__init__(ROLES[b"PULL"], max_command_bytes)
        self.introduce = lambda: {PROPERTY: intake_of(max_message_bytes)}
        self._splitter = Splitter(admission, max_message_bytes, max_command_bytes)
        self.rest = b""
        self.violation: RemoteProtocolError | None = None
        self.has_lost_message = False

    @property
    def is_ready(self) -> bool:
        """Whether the handshake is done, and the connection not over."""
        return self.state is SessionState.TRAFFIC

    @property
    def part_bytes(self) -> int:
        """Bytes of a message that has begun and is not whole; 0 = there is none."""
        return self._splitter.part_bytes

    @property
    def has_commands(self) -> bool:
        """Whether it may send any: ZMTP 2.0 has none."""
        return self._splitter.has_commands

    @property
    def mark(self) -> Mark:
        """Where its stream of messages is."""
        return self._splitter.mark

    def receive(self, data: bytes, found: FoundMessages) -> list[SessionEvent]:
        """Take bytes of the producer after the handshake; adds its whole messages to `found`.

        Returns:
            What else happened. A `Violation` is the last, and the connection is over then; what was
            whole before it is found.
        """
        events: list[SessionEvent] = []
        splitter = self._splitter
        try:
            try:
                splitter.split(data, found)
            finally:
                for body in splitter.commands:
                    self._on_command(body, events)
                splitter.commands.clear()
        except RemoteProtocolError as error:
            is_of_command = isinstance(error, CommandOverLimitError)
            of_message = isinstance(error, ForbiddenTopicError | OverLimitError)
            self.has_lost_message = of_message and not is_of_command
            events.append(self._fail(error))
        return events

    def _on_ready(self, events: list[SessionEvent]) -> None:
        del events
        self._splitter.has_commands = self._speaks_commands
        self.rest = self._reader.take_rest()

    def _fail(self, error: RemoteProtocolError) -> Violation:
        self.violation = error
        return super()._fail(error)
