"""The process of subscribers that do not keep up: each reads so many bytes a second, not one more.

What they read is counted and thrown away in the kernel. What a publisher sends to one that reads so
little is as much as it reads, once the buffers between the two are full.
"""

from __future__ import annotations

import json
import select
import socket
import time
from typing import TYPE_CHECKING

from benchmarks.children import require_descriptors, run_child
from benchmarks.traffic import Traffic
from benchmarks.wire import DIALECTS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.channel import Channel, Message

TICK_S = 0.05  # between two turns, in which each reads its share
BUFFER_BYTES = 16 * 1024  # of the system, for each; on the publisher's side it is as much
READ_BYTES = 1 << 20
CONNECT_SECONDS = 10.0


def speeds(subscribers: int, slowest: float, fastest: float) -> list[float]:
    """How fast each one is, between these, by equal factors; one alone is in the middle."""
    if subscribers == 1:
        return [(slowest * fastest) ** 0.5]
    factor = (fastest / slowest) ** (1 / (subscribers - 1))
    return [slowest * factor**place for place in range(subscribers)]


class Readers:
    """All of them.

    Args:
        per_second: bytes that each may read.

    Attributes:
        began: when the last of them had come, monotonic seconds.
    """

    def __init__(self, traffic: Traffic, per_second: Sequence[float]) -> None:
        self._traffic = traffic
        self._per_second = per_second
        self._sockets: list[socket.socket] = []
        self._read = [0] * len(per_second)  # since the count began
        self._owed = [0.0] * len(per_second)
        self.began = self._at = time.monotonic()
        self._buffer = bytearray(READ_BYTES)
        self._closed: set[int] = set()

    def connect(self, endpoints: Sequence[str], dialect: str) -> None:
        """Connects and subscribes everyone."""
        spoken = DIALECTS[dialect]
        require_descriptors(self._traffic.subscribers)
        for place, topics in enumerate(self._traffic.subscriptions):
            host, _, port = endpoints[place % len(endpoints)].rpartition(":")
            one = socket.socket()
            one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
            one.settimeout(CONNECT_SECONDS)
            one.connect((host, int(port)))
            one.sendall(spoken.hello)
            answer = b""
            while spoken.welcome not in answer:
                data = one.recv(BUFFER_BYTES)
                if not data:
                    raise ConnectionError(f"the publisher closed a connection after {answer!r}")
                answer += data
            one.sendall(spoken.subscribe(topics))
            one.setblocking(False)
            self._sockets.append(one)
        self.began = self._at = time.monotonic()

    def turn(self, now: float) -> None:
        """Each reads what it may have read by now."""
        passed, self._at = now - self._at, now
        buffer, truncate = self._buffer, socket.MSG_TRUNC
        for place, one in enumerate(self._sockets):
            # What it could not read when there was nothing is not made up for later.
            most = self._per_second[place] * 2 * TICK_S
            owed = min(self._owed[place] + passed * self._per_second[place], max(most, 1))
            if owed >= 1:
                try:
                    size = one.recv_into(buffer, int(owed), truncate)
                except BlockingIOError:
                    size = 0
                else:
                    if not size:
                        self._closed.add(place)
                self._read[place] += size
                owed -= size
            self._owed[place] = owed

    def count(self) -> Message:
        """What was read since the last call."""
        read, self._read = self._read, [0] * len(self._read)
        return {"bytes": sum(read), "without": read.count(0), "closed": len(self._closed)}

    def close(self) -> None:
        """All leave."""
        for one in self._sockets:
            one.close()


def main(channel: Channel, arguments: Sequence[str]) -> None:
    """Reads until the harness closes the channel."""
    settings = json.loads(arguments[0])
    readers = Readers(Traffic(**settings["traffic"]), settings["per_second"])
    readers.connect(settings["endpoints"], settings["dialect"])
    channel.send(ready=True)
    due = time.monotonic() + TICK_S
    while True:
        if select.select([channel], [], [], max(0.0, due - time.monotonic()))[0]:
            channel.receive()
            channel.send(**readers.count())
        if (now := time.monotonic()) >= due:
            due = now + TICK_S
            readers.turn(now)


if __name__ == "__main__":
    run_child(main)
