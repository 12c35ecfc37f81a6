"""The process of all subscribers: raw connections that note when which message came.

Who is closed comes again after as long as libzmq waits by default (ZMQ_RECONNECT_IVL).
"""

from __future__ import annotations

import json
import random
import select
import socket
import time
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from benchmarks.children import require_descriptors, run_child
from benchmarks.pausing.feed import FEW, NO_NUMBER, STAMP
from benchmarks.traffic import PROBE_TOPIC, Traffic
from benchmarks.wire import DIALECTS, zmtp_subscribe

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.channel import Channel, Message

READ_BYTES = 1 << 16
TURN_S = 0.01
RECONNECT_S = 0.1
CONNECT_AT_ONCE = 500
FEW_COUNT = 20  # who want one topic more
KEPT = 5_000  # messages of each of which it is known when they came
SPOKEN = DIALECTS["zmtp"]


class Asked(Protocol):
    """Subscribers who are asked what they have felt."""

    def turn(self) -> None:
        """Read what has come, for a moment at most."""

    def served_since(self, moment_ns: int, whom: Sequence[str] | None) -> Message | None:
        """Of each of these its pause, in ns, and how many messages it lacks; None = not yet."""

    def slowest(self, begin_ns: int, end_ns: int) -> Message | None:
        """Of each of the few what the slowest message of a time took, in ns; None = not yet."""


@dataclass(eq=False)
class Heard:
    """What one subscriber has heard.

    Attributes:
        heard: of each message when it was published and when it came, monotonic ns, and its number.
    """

    heard: deque[tuple[int, int, int]] = field(default_factory=lambda: deque(maxlen=KEPT))

    def since(self, moment_ns: int) -> tuple[int, int] | None:
        """When the first message came that was published then or later, and how many it lacks.

        Returns:
            None if none has come. What it lacks is counted from the last message before.
        """
        before = None
        for sent_ns, came_ns, number in self.heard:
            if number == NO_NUMBER:
                continue
            if sent_ns >= moment_ns:
                return came_ns, 0 if before is None else number - before - 1
            before = number
        return None

    def slowest(self, begin_ns: int, end_ns: int) -> int | None:
        """What the slowest message of a time took; None = the first one after it has not come."""
        took = [came - sent for sent, came, _ in self.heard if begin_ns <= sent <= end_ns]
        is_over = bool(self.heard) and self.heard[-1][0] > end_ns
        return max(took, default=0) if is_over else None


@dataclass(eq=False)
class Listener(Heard):
    """One raw subscriber.

    Attributes:
        name: its address, as the publisher sees it.
    """

    socket: socket.socket = field(kw_only=True)
    name: str = ""
    rest: bytes = b""
    greeted: bool = False
    comes_at: float = 0.0


def pauses(found: Sequence[tuple[int, int] | None], moment_ns: int) -> Message | None:
    """What `Heard.since()` has said of some; None = not of all yet."""
    known = [one for one in found if one is not None]
    if len(known) < len(found):
        return None
    return {
        "pauses_ns": [came_ns - moment_ns for came_ns, _ in known],
        "lacking": [lacking for _, lacking in known],
    }


class Listeners:
    """All of them."""

    def __init__(self, traffic: Traffic, endpoint: str) -> None:
        host, _, port = endpoint.rpartition(":")
        self._address = host, int(port)
        self._size = SPOKEN.message_bytes(len(PROBE_TOPIC), traffic.payload_bytes)
        self._stamp_at = self._size - traffic.payload_bytes
        self._epoll = select.epoll()
        self._by_descriptor: dict[int, Listener] = {}
        self._away: list[Listener] = []
        self._rng = random.Random(traffic.seed)
        require_descriptors(traffic.subscribers)
        self.all: list[Listener] = []
        for _ in range(traffic.subscribers):
            self.all.append(one := Listener(socket=socket.socket()))
            self._connect(one)
            if len(self.all) % CONNECT_AT_ONCE == 0:
                self.turn()

    def _connect(self, one: Listener) -> None:
        one.socket = socket.socket()
        try:
            one.socket.connect(self._address)
            one.socket.sendall(SPOKEN.hello)
        except OSError:
            self._leave(one)
            return
        one.socket.setblocking(False)
        one.rest, one.greeted = b"", False
        one.name = "{}:{}".format(*one.socket.getsockname())
        self._by_descriptor[one.socket.fileno()] = one
        self._epoll.register(one.socket, select.EPOLLIN)

    def _leave(self, one: Listener) -> None:
        one.socket.close()
        one.comes_at = time.monotonic() + RECONNECT_S * self._rng.uniform(1, 1.1)
        self._away.append(one)

    def turn(self) -> None:
        """Read what has come, for a moment at most; who was closed comes again."""
        for descriptor, _ in self._epoll.poll(TURN_S):
            one = self._by_descriptor[descriptor]
            try:
                data = one.socket.recv(READ_BYTES)
            except OSError:
                data = b""
            if data:
                self._take(one, data)
            else:
                self._leave(one)
        now = time.monotonic()
        due = [one for one in self._away if one.comes_at <= now]
        self._away = [one for one in self._away if one.comes_at > now]
        for one in due:
            self._connect(one)

    def _take(self, one: Listener, data: bytes) -> None:
        now = time.monotonic_ns()
        data = one.rest + data
        if not one.greeted:
            place = data.find(SPOKEN.welcome)
            end = place + len(SPOKEN.welcome)
            # What is left of READY: a property, its name and a value, as long as it says.
            if place < 0 or len(data) < place - 1 + data[place - 2]:
                one.rest = data
                return
            end = place - 1 + data[place - 2]
            one.greeted = True
            one.socket.sendall(zmtp_subscribe(PROBE_TOPIC))
            if one in self.all[:FEW_COUNT]:
                one.socket.sendall(zmtp_subscribe(FEW))
            data = data[end:]
        size, begin = self._size, self._stamp_at
        whole = len(data) - len(data) % size
        for at in range(begin, whole, size):
            number, sent_ns = STAMP.unpack_from(data, at)
            one.heard.append((sent_ns, now, number))
        one.rest = data[whole:]

    def served_since(self, moment_ns: int, whom: Sequence[str] | None) -> Message | None:
        """Of each of these its pause, in ns, and how many messages it lacks; None = not yet."""
        names = None if whom is None else set(whom)
        found = [one.since(moment_ns) for one in self.all if names is None or one.name in names]
        return pauses(found, moment_ns)

    def slowest(self, begin_ns: int, end_ns: int) -> Message | None:
        """Of each of the few what the slowest message of a time took, in ns; None = not yet."""
        found = [one.slowest(begin_ns, end_ns) for one in self.all[:FEW_COUNT]]
        if None in found:
            return None
        return {"pauses_ns": found, "lacking": [0] * len(found)}


def main(channel: Channel, arguments: Sequence[str]) -> None:
    """Listens until the harness closes the channel."""
    answer(Listeners(Traffic(**json.loads(arguments[0])), arguments[1]), channel)


def answer(listeners: Asked, channel: Channel) -> None:
    """Listen, and say what is asked for, until the harness closes the channel."""
    channel.send(connected=True)
    while True:
        listeners.turn()
        try:
            request = channel.receive(0)
        except TimeoutError:
            continue
        match request.pop("do"):
            case "since":
                channel.send(served=listeners.served_since(**request))
            case "slowest":
                channel.send(served=listeners.slowest(**request))
            case other:
                raise ValueError(f"no request {other!r}")


if __name__ == "__main__":
    run_child(main)
