"""JSON lines between the harness and its child processes, each wait with a deadline."""

from __future__ import annotations

import json
import os
import select
import socket
import time
from typing import Any

Message = dict[str, Any]
CHUNK = 1 << 16


class ChannelClosed(Exception):
    """The other side is gone."""


class Channel:
    """One end of a socket pair that carries JSON lines."""

    def __init__(self, end: socket.socket) -> None:
        self._socket = end
        self._received = bytearray()

    @classmethod
    def from_descriptor(cls, descriptor: int) -> Channel:
        """The child's end; the child's own children do not inherit it."""
        os.set_inheritable(descriptor, False)
        return cls(socket.socket(fileno=descriptor))

    def fileno(self) -> int:
        """For select and epoll."""
        return self._socket.fileno()

    def send(self, **message: Any) -> None:
        """Sends one message.

        Raises:
            ChannelClosed: the other side is gone.
        """
        try:
            self._socket.sendall(json.dumps(message).encode() + b"\n")
        except OSError as error:
            raise ChannelClosed(str(error)) from error

    def receive(self, timeout: float | None = None) -> Message:
        """Waits for the next message, `timeout` seconds at most, None = for ever.

        Raises:
            TimeoutError: no whole message came in time.
            ChannelClosed: the other side is gone.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        while (end := self._received.find(b"\n")) < 0:
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            if not select.select([self._socket], [], [], left)[0]:
                raise TimeoutError(f"no answer within {timeout:g} s")
            self._read()
        line = bytes(self._received[:end])
        del self._received[: end + 1]
        answer: Message = json.loads(line)
        return answer

    def _read(self) -> None:
        """Read to the end of a message: of what is left, who waits for the socket hears again."""
        try:
            there = self._socket.recv(CHUNK, socket.MSG_PEEK)
            chunk = self._socket.recv(there.find(b"\n") + 1 or len(there))
        except OSError as error:
            raise ChannelClosed(str(error)) from error
        if not chunk:
            raise ChannelClosed("the other process has ended")
        self._received += chunk

    def close(self) -> None:
        """Closes this end."""
        self._socket.close()
