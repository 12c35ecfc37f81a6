"""The subscriber's half of a connection, for tests, demonstrations and `fanout sub`.

It behaves towards the wire as libzmq's SUB does: subscriptions go out after the handshake, as
commands to a 3.1 publisher and as 01/00 messages to older ones; what arrives is filtered once more,
so that a message still in flight after a CANCEL is not seen. Unlike libzmq it sends a subscription
once, however often it is asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fanout.zmtp import commands
from fanout.zmtp.errors import LocalProtocolError, RemoteProtocolError
from fanout.zmtp.events import MessageReceived, SessionEvent
from fanout.zmtp.frames import MORE
from fanout.zmtp.greeting import ROLES
from fanout.zmtp.half import Half
from fanout.zmtp.states import SessionState

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fanout.zmtp.mechanisms import Mechanism

MESSAGE_BYTES_MAX = (
    64 * 1024 * 1024
)  # a quarter of a log of 256 MiB; a peer with more is taken for faulty
FRAME_COST_BYTES = 64  # counted for each frame: empty ones take memory too, about so much


class SubscriberSession(Half):
    """The subscriber's half of a connection, without its socket.

    Owned by one thread. Call `data_to_send` right after construction and after every other call.

    Attributes:
        state: see `states.py`.
        version: of the publisher, "3.1", "3.0" or "2.0"; `None` until known.
        metadata: properties of the publisher, names in lower case.
        subscriptions: prefixes asked for; only to be read.
    """

    __slots__ = ("_collected", "_collected_bytes", "_in_message", "_max_message_bytes",
                 "_prefixes", "subscriptions")  # fmt: skip

    def __init__(
        self,
        topics: Iterable[bytes] = (),
        *,
        max_message_bytes: int = MESSAGE_BYTES_MAX,
        mechanism: Mechanism | None = None,
    ) -> None:
        """Start a connection that subscribes to `topics` as soon as the handshake is over.

        Args:
            topics: prefixes; the empty one matches everything.
            max_message_bytes: bytes of one message in memory, 64 added for each frame; a larger
                one ends the connection.
            mechanism: its side of the handshake, for this connection alone; None = NULL.
        """
        super().__init__(ROLES[b"SUB"], max_message_bytes, mechanism=mechanism)
        self._max_message_bytes = max_message_bytes
        self._in_message = False  # the first frame of a message was read, the last was not
        self._collected: list[bytes] | None = None  # its frames; None if nobody wants them
        self._collected_bytes = 0
        self.subscriptions: set[bytes] = set(topics)
        self._prefixes = tuple(self.subscriptions)  # the same, in the form startswith() takes

    def subscribe(self, prefix: bytes) -> None:
        """Ask for messages whose topic starts with `prefix`; no effect if it was asked for.

        Raises:
            LocalProtocolError: the connection is closed; nothing changed.
        """
        self._check_open()
        if prefix not in self.subscriptions:
            self.subscriptions.add(prefix)
            self._prefixes = tuple(self.subscriptions)
            if self.state is SessionState.TRAFFIC:
                self._output += commands.subscription(prefix, as_command=self.version == "3.1")

    def cancel(self, prefix: bytes) -> None:
        """Take a subscription back; no effect if there is none.

        Raises:
            LocalProtocolError: the connection is closed; nothing changed.
        """
        self._check_open()
        if prefix in self.subscriptions:
            self.subscriptions.remove(prefix)
            self._prefixes = tuple(self.subscriptions)
            if self.state is SessionState.TRAFFIC:
                self._output += commands.cancellation(prefix, as_command=self.version == "3.1")

    def matches(self, topic: bytes) -> bool:
        """Tell whether a message on `topic` was asked for."""
        return topic.startswith(self._prefixes)

    def _check_open(self) -> None:
        if self.state is SessionState.CLOSED:
            raise LocalProtocolError("the connection is closed")

    def _on_ready(self, events: list[SessionEvent]) -> None:
        del events
        as_command = self.version == "3.1"
        for prefix in sorted(self.subscriptions):
            self._output += commands.subscription(prefix, as_command=as_command)

    def _on_message(self, flags: int, body: bytes, events: list[SessionEvent]) -> None:
        if not self._in_message:
            self._collected = [] if self.matches(body) else None
            self._collected_bytes = 0
        self._in_message = bool(flags & MORE)
        if self._collected is None:
            return
        self._collected_bytes += len(body) + FRAME_COST_BYTES
        if self._collected_bytes > self._max_message_bytes:
            self._collected = None
            raise RemoteProtocolError(
                f"a message of more than {self._max_message_bytes} bytes (64 for each frame)"
            )
        self._collected.append(body)
        if not self._in_message:
            events.append(MessageReceived(tuple(self._collected)))
            self._collected = None
