"""A raw subscriber that keeps everything it is sent, read by a thread of its own."""

from __future__ import annotations

import socket
from contextlib import suppress

from tests.helpers.raw import RawPeer
from tests.helpers.reading import ReadsBeside
from tests.helpers.waiting import wait_until

Message = list[bytes]

READ_AHEAD = 64 * 1024


class Collector(ReadsBeside):
    """Reads whole messages until the publisher closes; a torn byte would break its framing.

    Attributes:
        messages: what has arrived so far.
        failure: what went wrong with the stream, None if nothing.
    """

    def __init__(self, endpoint: str, *topics: bytes) -> None:
        super().__init__()
        self.messages: list[Message] = []
        self.failure: BaseException | None = None
        self._peer = RawPeer.version_3(endpoint, *topics, read_ahead=READ_AHEAD)
        self._peer.socket.settimeout(None)  # whoever waits for messages has the deadline

    def expect(self, messages: list[Message]) -> None:
        """Everything that arrives is exactly these messages, in their order."""
        assert self.wait_for(len(messages)) == messages

    def wait_for(self, count: int) -> list[Message]:
        """Wait for so many messages in all; returns all that have arrived."""
        wait_until(lambda: self.failure or len(self.messages) >= count, f"{count} messages")
        if self.failure is not None:
            raise AssertionError(f"{len(self.messages)} messages, then no more") from self.failure
        return self.messages

    def read(self) -> None:
        try:
            # The publisher may close, but not in the middle of a message.
            while self._peer.has_more():
                self.messages.append(self._peer.read_message())
        except BaseException as error:
            if not self.is_over:
                self.failure = error

    def stop(self) -> None:
        with suppress(OSError):  # the publisher has closed before
            self._peer.socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._peer.close()
