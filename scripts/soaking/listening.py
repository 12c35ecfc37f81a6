"""The process of a part of the healthy audience: stock SUB sockets of libzmq, by pyzmq."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import zmq

from benchmarks.children import run_child
from soaking.feeds import HEALTHY_TOPIC, read_stamp
from soaking.figures import Histogram, Numbers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.channel import Channel, Message

TURN_MESSAGES = 200  # of one socket, before the next one has its turn
POLL_MS = 100
QUIET_S = 3.0  # without a message: what has not come by then does not come


class Listener:
    """One SUB socket, and what it got of each feed."""

    def __init__(
        self, context: zmq.Context[zmq.Socket[bytes]], endpoint: str, topic: bytes
    ) -> None:
        self.topic = topic
        self.socket = context.socket(zmq.SUB)
        self.socket.set(zmq.RCVHWM, 0)  # what is missing was not lost here
        self.socket.subscribe(topic)
        self.socket.connect(endpoint)
        self.times = Histogram()
        self.feeds: dict[int, Numbers] = {}

    def read(self) -> int:
        """Takes what is there, not too much at once; returns how many."""
        for count in range(TURN_MESSAGES):
            try:
                frames = self.socket.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return count
            feed, number, sent_ns = read_stamp(frames[-1])
            self.times.add(time.monotonic_ns() - sent_ns)
            self.feeds.setdefault(feed, Numbers()).add(number)
        return TURN_MESSAGES

    def has(self, published: Sequence[int]) -> bool:
        """Whether the last message of each feed that it wants is there."""
        wanted = published if not self.topic else published[:1]
        numbers = [self.feeds.get(feed) or Numbers() for feed in range(len(wanted))]
        return all(n.last >= count - 1 for n, count in zip(numbers, wanted, strict=True))

    def figures(self, published: Sequence[int]) -> Message:
        """What it got, and what not."""
        wanted = published if not self.topic else published[:1]
        numbers = [self.feeds.get(feed) or Numbers() for feed in range(len(wanted))]
        lost = [n.lost(count) for n, count in zip(numbers, wanted, strict=True)]
        return {
            "everything": not self.topic,
            "times": self.times.as_pairs(),
            "wanted": sum(wanted),
            "lost": sum(lost),
            "disorder": sum(n.disorder for n in self.feeds.values()),
        }


class Audience:
    """Some listeners in one process."""

    def __init__(self, endpoint: str, own: int, everything: int) -> None:
        self._context = zmq.Context()
        topics = [HEALTHY_TOPIC] * own + [b""] * everything
        self._listeners = [Listener(self._context, endpoint, topic) for topic in topics]
        self._poller = zmq.Poller()
        for listener in self._listeners:
            self._poller.register(listener.socket, zmq.POLLIN)

    def watch(self, channel: Channel) -> None:
        """Wake up for this channel as well."""
        self._poller.register(channel.fileno(), zmq.POLLIN)

    def turn(self, timeout_ms: int = POLL_MS) -> int:
        """Waits for something to read, and reads it; returns how many messages."""
        self._poller.poll(timeout_ms)
        return sum(listener.read() for listener in self._listeners)

    def begin(self) -> None:
        """Times count from now on."""
        for listener in self._listeners:
            listener.times.clear()

    def finish(self, published: Sequence[int]) -> list[Message]:
        """Reads what is still to come."""
        quiet_since = time.monotonic()
        while time.monotonic() - quiet_since < QUIET_S:
            if self.turn():
                quiet_since = time.monotonic()
            if all(listener.has(published) for listener in self._listeners):
                break
        return [listener.figures(published) for listener in self._listeners]

    def close(self) -> None:
        """Closes the sockets."""
        self._context.destroy(linger=0)


def main(channel: Channel, arguments: Sequence[str]) -> None:
    """Listens until the harness closes the channel."""
    settings = json.loads(arguments[0])
    audience = Audience(settings["endpoint"], settings["own"], settings["everything"])
    audience.watch(channel)
    try:
        channel.send(ready=True)
        while True:
            audience.turn()
            if _is_asked(channel):
                channel.send(**_serve(audience, channel.receive()))
    finally:
        audience.close()


def _is_asked(channel: Channel) -> bool:
    """Whether the harness has said something."""
    return bool(zmq.select([channel.fileno()], [], [], 0)[0])


def _serve(audience: Audience, request: Message) -> Message:
    match request["do"]:
        case "begin":
            audience.begin()
            return {}
        case "finish":
            return {"listeners": audience.finish(request["published"])}
        case other:
            raise ValueError(f"no request {other!r}")


if __name__ == "__main__":
    run_child(main)
