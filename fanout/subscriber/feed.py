"""The protocol of one connection to a publisher, from the greeting on. Pure.

The handshake is that of `Half`. In traffic the bytes go to a `MessageParser`, and what is left for
`Half` are commands: PING and PONG.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fanout.subscriber.parsing import MESSAGE_BYTES_MAX, MessageParser
from fanout.terms.introduction import PROPERTY, Introduction, introduction_of
from fanout.zmtp import RemoteProtocolError, SessionState, commands
from fanout.zmtp.errors import OverLimitError
from fanout.zmtp.frames import SHORT_HEADER_BYTES
from fanout.zmtp.greeting import ROLES, SocketType
from fanout.zmtp.half import Half

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fanout.subscriber.parsing import Frames
    from fanout.zmtp import SessionEvent
    from fanout.zmtp.mechanisms import Mechanism

_PROPERTY = PROPERTY.decode().lower()


class Feed(Half):
    """The subscriber's half of one connection, without its socket. Owned by one thread.

    As with `SubscriberSession`, but it keeps no subscriptions and filters nothing.

    Args:
        max_message_bytes: of one message, 64 added for each frame; a larger one ends the
            connection, unless it is passed over.
        role: of whom this is the half: any that receives messages.
        mechanism: its side of the handshake, for this connection alone; None = NULL.
        passes_over: a message that is too large is let go as it comes, and found as `TooLarge`.
    """

    __slots__ = ("_parser", "_passes_over", "_rest")

    def __init__(
        self,
        max_message_bytes: int = MESSAGE_BYTES_MAX,
        role: SocketType = ROLES[b"SUB"],
        mechanism: Mechanism | None = None,
        *,
        passes_over: bool = False,
    ) -> None:
        super().__init__(role, max_message_bytes, mechanism=mechanism)
        self._parser = MessageParser(max_message_bytes=max_message_bytes, passes_over=passes_over)
        self._passes_over = passes_over
        self._rest = b""  # what came with the end of the handshake

    @property
    def is_ready(self) -> bool:
        """Whether the handshake is done, and the connection not over."""
        return self.state is SessionState.TRAFFIC

    @property
    def has_part(self) -> bool:
        return super().has_part or self._parser.has_part

    @property
    def introduction(self) -> Introduction | None:
        """What the publisher has said of itself; None if it is not one of fanout's."""
        value = self.metadata.get(_PROPERTY)
        return None if value is None else introduction_of(value)

    def receive(self, data: bytes, found: list[Frames]) -> list[SessionEvent]:
        """Take bytes of the publisher, cut anywhere; adds its messages to `found`.

        Returns:
            What else happened. A `Violation` is the last, and the connection is over then.
        """
        events: list[SessionEvent] = []
        if not self.is_ready:
            events = self.receive_data(data)
            data, self._rest = self._rest, b""  # nothing, unless it is ready now
        parser, problem = self._parser, None
        try:
            if self.opener is not None and data:
                try:
                    data = self.opener.open(data)
                except OverLimitError as error:
                    data, problem = error.before, error
            parser.split(data, found)
            if parser.commands:
                for body in parser.commands:
                    self._on_command(body, events)
                parser.commands.clear()
            if parser.passed_over:
                events += parser.passed_over
                parser.passed_over.clear()
            if problem is not None:
                raise problem
        except RemoteProtocolError as error:
            events.append(self._fail(error))
        return events

    def subscribe(self, prefixes: Iterable[bytes]) -> None:
        """Queue subscriptions; in traffic only."""
        as_command = self.version == "3.1"
        for prefix in prefixes:
            self._output += commands.subscription(prefix, as_command=as_command)

    def subscribe_to(self, prefix: bytes) -> None:
        """Queue one subscription; in traffic only."""
        self.subscribe((prefix,))

    def cancel(self, prefix: bytes) -> None:
        """Queue a cancellation; in traffic only."""
        self._output += commands.cancellation(prefix, as_command=self.version == "3.1")

    def ping_here(self, context: bytes) -> None:
        """As `ping`; among the messages `HERE` is found where that is answered."""
        self.ping(context)
        self._parser.awaited = commands.pong(context)[SHORT_HEADER_BYTES:]

    def _on_ready(self, events: list[SessionEvent]) -> None:
        del events
        if self.opener is not None and self._output:
            raise RemoteProtocolError("READY before our part of the handshake was out")
        self._parser.has_commands = self._speaks_commands
        self._rest = self._reader.take_rest()
        if self.opener is not None and self._passes_over:
            # Of a box nobody knows before all of it has come whether its message goes on behind it;
            # in messages that end in their number it does.
            said = self.introduction
            self.opener.skims = said is not None and said.sequence
