"""The limit of the machine: a sender without protocol, matching or messages.

One process for each core, one epoll loop over its share of the sockets, `send` of spans of one
shared buffer, nothing else. What fanout reaches of this is its efficiency.
"""

from __future__ import annotations

import os
import select
import socket
from typing import TYPE_CHECKING

from benchmarks.children import Child, run_child
from benchmarks.peers.base import BACKLOG, LOOPBACK, Peer
from benchmarks.wire import DIALECTS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.channel import Channel
    from benchmarks.traffic import Traffic

KIB = 1024
# As measured by the workload "limits": offer plenty, `send` takes what fits.
SPAN_BYTES = 1024 * KIB
SNDBUF_BYTES = 256 * KIB  # the kernel doubles it; keeps what is under way in the cache: +50 %
RUN_SECONDS = 600.0  # longer than any run: the harness gives up before
EVENTS_AT_ONCE = 16_384


class LimitPeer(Peer):
    """The reference senders, 0 = one for each core; 0 leaves a socket option as it is."""

    def __init__(
        self,
        traffic: Traffic,
        span: int = SPAN_BYTES,
        lowat: int = 0,
        sndbuf: int = SNDBUF_BYTES,
        senders: int = 0,
    ) -> None:
        super().__init__(traffic)
        senders = senders or len(os.sched_getaffinity(0))
        options = tuple(map(str, (span, lowat, sndbuf)))
        self._senders = [Child("benchmarks.peers.limit", *options) for _ in range(senders)]
        topic = len(traffic.schedule[0])
        self._message_bytes = DIALECTS["plain"].message_bytes(topic, traffic.payload_bytes)

    def start(self) -> list[str]:
        return [str(sender.answer(RUN_SECONDS)["endpoint"]) for sender in self._senders]

    def send(self, topic: bytes, payload: bytes) -> None:
        # There are no messages: it sends as many bytes, and who has just connected sees the mark.
        size = DIALECTS["plain"].message_bytes(len(topic), len(payload))
        self._all(do="mark", size=size, mark=payload.decode())

    def publish(self, count: int) -> None:
        self._all(do="send", size=count * self._message_bytes)

    def _all(self, **request: str | int) -> None:
        for sender in self._senders:
            sender.tell(**request)
        for sender in self._senders:
            sender.answer(RUN_SECONDS)

    def close(self) -> None:
        for sender in self._senders:
            sender.close()


class Sender:
    """One sender process: its listener and its share of the subscribers."""

    def __init__(self, span: int, lowat: int, sndbuf: int) -> None:
        self._buffer = memoryview(bytes(span))
        self._lowat, self._sndbuf = lowat, sndbuf
        self._subscribers: dict[int, socket.socket] = {}
        self._listener = socket.create_server((LOOPBACK, 0), backlog=BACKLOG)
        self._listener.setblocking(False)

    @property
    def endpoint(self) -> str:
        """Where it listens."""
        return f"{LOOPBACK}:{self._listener.getsockname()[1]}"

    def mark(self, size: int, mark: bytes) -> None:
        """Accepts who has connected, and sends them all so many bytes that begin with the mark."""
        while True:
            try:
                subscriber, _ = self._listener.accept()
            except BlockingIOError:
                break
            subscriber.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._lowat:
                subscriber.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, self._lowat)
            if self._sndbuf:
                subscriber.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, self._sndbuf)
            subscriber.setblocking(False)
            self._subscribers[subscriber.fileno()] = subscriber
        for subscriber in self._subscribers.values():
            subscriber.send(mark.ljust(size))

    def send(self, size: int) -> None:
        """Sends so many bytes to each subscriber."""
        buffer, span, poller = self._buffer, len(self._buffer), select.epoll()
        left = dict.fromkeys(self._subscribers, size)
        send = {descriptor: peer.send for descriptor, peer in self._subscribers.items()}
        for descriptor in left:
            poller.register(descriptor, select.EPOLLOUT)
        while left:
            for descriptor, _ in poller.poll(-1, EVENTS_AT_ONCE):
                missing = left[descriptor]
                missing -= send[descriptor](buffer if missing >= span else buffer[:missing])
                if missing:
                    left[descriptor] = missing
                else:
                    poller.unregister(descriptor)
                    del left[descriptor]
        poller.close()


def main(channel: Channel, arguments: Sequence[str]) -> None:
    """Serves the adapter until it closes the channel."""
    sender = Sender(*map(int, arguments))
    channel.send(endpoint=sender.endpoint)
    while True:
        request = channel.receive()
        if request["do"] == "mark":
            sender.mark(request["size"], request["mark"].encode())
        else:
            sender.send(request["size"])
        channel.send(done=True)


if __name__ == "__main__":
    run_child(main)
