"""Subscribers in one process, which read all that comes and compare it: a child process."""

from __future__ import annotations

import json
import select
import socket
import time
from collections import Counter
from typing import TYPE_CHECKING

from benchmarks.children import run_child
from soaking.crowds.wire import GREETING, READY, subscribe
from soaking.rebalance.feeds import HEAVY, LIGHT, Stream

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.channel import Channel, Message

ARRIVAL_S = 60.0
CATCH_UP_S = 60.0
POLL_S = 0.1
READ_BYTES = 1 << 18
WIRES_MAX = 20_000  # that are remembered of a feed: more than anybody is behind


class Member:
    """One raw connection."""

    def __init__(self, host: str, port: int, feed: str) -> None:
        self.feed = feed
        self.stream = Stream(feed)
        self.is_gone = False
        self.socket = socket.create_connection((host, port), ARRIVAL_S)
        self.port: int = self.socket.getsockname()[1]

    def arrive(self) -> None:
        """The handshake; and it says what it wants."""
        self.socket.sendall(GREETING + READY + subscribe((self.feed.encode(),)))
        self._expect(len(GREETING))
        head = self._expect(2)
        self._expect(head[1])
        self.socket.setblocking(False)

    def _expect(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            more = self.socket.recv(count - len(data))
            if not more:
                raise ConnectionError("closed in its handshake")
            data += more
        return data

    def read(self, wires: dict[int, bytes]) -> None:
        """What is there."""
        try:
            data = self.socket.recv(READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        self.is_gone = not data
        self.stream.take(data, wires)


class Audience:
    """All of one process."""

    def __init__(self, host: str, port: int, heavy: int, light: int) -> None:
        self._poll = select.epoll()
        feeds = [HEAVY] * heavy + [LIGHT] * light
        self.members = [Member(host, port, feed) for feed in feeds]
        self._by_descriptor = {one.socket.fileno(): one for one in self.members}
        self._wires: dict[str, dict[int, bytes]] = {HEAVY: {}, LIGHT: {}}
        for one in self.members:
            one.arrive()
            self._poll.register(one.socket, select.EPOLLIN)

    def watch(self, channel: Channel) -> None:
        """Wake up for this channel as well."""
        self._poll.register(channel.fileno(), select.EPOLLIN)

    def turn(self) -> bool:
        """Reads what has come; whether the harness has said something."""
        is_asked = False
        for descriptor, _events in self._poll.poll(POLL_S):
            one = self._by_descriptor.get(descriptor)
            if one is None:
                is_asked = True
                continue
            wires = self._wires[one.feed]
            one.read(wires)
            if one.is_gone:
                self._poll.unregister(descriptor)
            if len(wires) > WIRES_MAX:
                wires.clear()
        return is_asked

    def finish(self, published: dict[str, int]) -> list[str]:
        """Reads what is still to come; returns what is not as it must be."""
        deadline = time.monotonic() + CATCH_UP_S
        while self._complaints(published) and time.monotonic() < deadline:
            self.turn()
        found = Counter(self._complaints(published))
        return [f"{count} subscribers: {text}" for text, count in found.items()]

    def _complaints(self, published: dict[str, int]) -> list[str]:
        found = [one.stream.complaint(published[one.feed]) for one in self.members]
        gone = ["its connection was closed" for one in self.members if one.is_gone]
        return [text for text in found if text] + gone


def main(channel: Channel, arguments: Sequence[str]) -> None:
    """Reads until the harness closes the channel."""
    audience = Audience(**json.loads(arguments[0]))
    audience.watch(channel)
    channel.send(heavy=[one.port for one in audience.members if one.feed == HEAVY])
    while True:
        if audience.turn():
            channel.send(**_serve(audience, channel.receive()))


def _serve(audience: Audience, request: Message) -> Message:
    return {"wrong": audience.finish(request["published"])}


if __name__ == "__main__":
    run_child(main)
