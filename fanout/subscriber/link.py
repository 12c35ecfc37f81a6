"""What `fanout sub` reads from: the connections of a subscriber, in the thread that prints."""

from __future__ import annotations

import select
import time
from typing import TYPE_CHECKING

from fanout.subscriber.core import Core
from fanout.subscriber.events import ReceiverEventKind
from fanout.subscriber.polling import Polling

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from fanout.security.records import TlsRecords
    from fanout.subscriber.backoff import BackOff
    from fanout.subscriber.events import ReceiverEvent
    from fanout.subscriber.message import Message
    from fanout.subscriber.since import Position
    from fanout.transport.endpoints import Endpoint
    from fanout.zmtp.mechanisms import Mechanism

_OVER = (ReceiverEventKind.LOST, ReceiverEventKind.FAILED, ReceiverEventKind.REFUSED)
UNASKED_TEXT = (
    "the publisher does not number its messages (sequence_frame), so it cannot be asked for what "
    "was published before"
)


class Link:
    """Connects, subscribes, and connects again after a loss. Owned by one thread.

    There is no queue: what is not printed is not read, and the publisher's policy decides.

    Args:
        target: where the publisher is.
        topics: prefixes; b"" is everything.
        back_off: waits between attempts.
        output_fd: ends the link when it has no reader any more (only pipes and sockets can tell).
        wake_fd: ends the link when it becomes readable.
        deadline: monotonic time at which the link ends; None = never.
        on_note: told, once for each change, why there is no connection, or that `since` is
            of no use to a publisher without numbers.
        since, last: what to begin with: see `Core`.
        mechanism: makes our side of the handshake of one connection; None = NULL.
        wrapping: makes TLS for one connection; None = it has none.
        once: end when a connection that was ready is lost, instead of connecting again.

    Attributes:
        wake_at: when `batches` is to yield although nothing came; monotonic time, None = never.
    """

    def __init__(
        self,
        target: Endpoint,
        topics: Sequence[bytes],
        *,
        back_off: BackOff,
        output_fd: int,
        wake_fd: int,
        deadline: float | None,
        on_note: Callable[[str], None],
        since: bytes | Position = b"",
        last: bool = False,
        once: bool = False,
        mechanism: Callable[[], Mechanism] | None = None,
        wrapping: Callable[[], TlsRecords] | None = None,
    ) -> None:
        self._core = Core([back_off], topics, since=since, last=last, mechanisms=[mechanism])
        self._polling = Polling(
            *(self._core, [target]), on_event=self._on_event, once=once, wrappings=[wrapping]
        )
        self._polling.listen_to(output_fd, 0)  # 0 = no event but errors: the reader has left
        self._polling.listen_to(wake_fd, select.POLLIN)
        self._once = once
        self._deadline = deadline
        self.wake_at: float | None = None
        self._on_note = on_note
        self._asks = bool(since)
        self._noted = ""  # the last note, so that a refused connection is told once

    @property
    def connections(self) -> int:
        """How often the handshake was completed."""
        return self._core.connections

    @property
    def violation(self) -> str:
        """Why the last connection could not be understood; "" if it could."""
        return self._polling.connections.violation

    def batches(self) -> Iterator[list[Message]]:
        """Yields the messages of each read, until nothing more is wanted; none at `wake_at`.

        Raises:
            RefusedError: the system does not let us connect at all.
        """
        try:
            yield from self._batches()
        finally:
            self._polling.close()

    def _batches(self) -> Iterator[list[Message]]:
        polling, deadline = self._polling, self._deadline
        while deadline is None or time.monotonic() < deadline:
            wake_at = self.wake_at
            times = [one for one in (deadline, wake_at) if one is not None]
            messages = polling.turn(min(times, default=None))
            if messages or (wake_at is not None and time.monotonic() >= wake_at):
                yield messages
            if polling.woken or polling.connections.is_over:
                return

    def _on_event(self, event: ReceiverEvent) -> None:
        if event.kind is ReceiverEventKind.CONNECTED:
            if self._noted:
                self._note("connected")
            self._noted = ""
        elif event.kind in _OVER:
            is_end = self._once and self.connections
            self._note(event.text if is_end else f"{event.text}; trying again")
        elif event.kind is ReceiverEventKind.TOO_LARGE:
            self._on_note(event.text)
        elif event.kind is ReceiverEventKind.UNNUMBERED and self._asks:
            self._on_note(UNASKED_TEXT)

    def _note(self, text: str) -> None:
        if text != self._noted:
            self._noted = text
            self._on_note(text)
