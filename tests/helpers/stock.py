"""Stock ZeroMQ subscribers (pyzmq), and how to know that a publisher has heard them.

A libzmq PUB cannot say who has subscribed, and nothing here waits for a fixed time. So a *marker*
is published again and again until it arrives; what was published before the last marker is then
done with, and the next message that arrives is the next that is published.
"""

from __future__ import annotations

import itertools
import time
from typing import TYPE_CHECKING, Self, TypeAlias

import zmq
from zmq.utils.monitor import recv_monitor_message

from tests.helpers.waiting import DEADLINE_S

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.helpers.adapters import PublishingSocket

Socket: TypeAlias = "zmq.Socket[bytes]"

MARK = b"\x00marker"
_RETRY_MS = 10
_RECONNECT_MS = 20
_numbers = itertools.count()


class Stock:
    """Stock sockets in one context; reads have a deadline."""

    def __init__(self) -> None:
        self.context = zmq.Context()
        self._sockets: list[Socket] = []  # a context does not keep them

    def connect(
        self,
        endpoint: str,
        *topics: bytes,
        kind: int = zmq.SUB,
        options: Mapping[zmq.SocketOption, int] | None = None,
    ) -> Socket:
        """A connected subscriber of these topics; none = it subscribes to nothing."""
        subscriber = self.socket(kind, options)
        for topic in topics:
            if kind == zmq.SUB:
                subscriber.subscribe(topic)
            else:
                subscriber.send(b"\x01" + topic)
        subscriber.connect(endpoint)
        return subscriber

    def socket(self, kind: int, options: Mapping[zmq.SocketOption, int] | None = None) -> Socket:
        """A socket that drops nothing and does not wait for ever."""
        subscriber = self.context.socket(kind)
        self._sockets.append(subscriber)
        subscriber.set(zmq.RCVTIMEO, int(DEADLINE_S * 1000))
        subscriber.set(zmq.RCVHWM, 0)
        for option, value in (options or {}).items():
            subscriber.set(option, value)
        return subscriber

    def monitor(self, monitored: Socket) -> Monitor:
        """What happens to a socket, from now on."""
        events = monitored.get_monitor_socket()
        self._sockets.append(events)
        return Monitor(events)

    def close(self) -> None:
        """Close all of them."""
        self.context.destroy(linger=0)


class Monitor:
    """The events of a socket, as `zmq.EVENT_...`, so far read."""

    def __init__(self, source: Socket) -> None:
        self._source = source
        self.events: list[int] = []

    def wait_for(self, event: int) -> None:
        """Read events until this one, which comes in time also if others keep coming."""
        deadline = time.monotonic() + DEADLINE_S
        while not self.events or self.events[-1] != event:
            left_s = deadline - time.monotonic()
            came = left_s > 0 and self._source.poll(int(left_s * 1000))
            assert came, f"no {event!r} within {DEADLINE_S} s, but {self.events}"
            self._read()

    def read_all(self) -> list[int]:
        """Read the events that are there; returns all."""
        while self._source.poll(0):
            self._read()
        return self.events

    def _read(self) -> None:
        self.events.append(recv_monitor_message(self._source)["event"])


class Seen:
    """A stock SUB that comes back soon, and what its monitor says. Its `Stock` closes both."""

    def __init__(
        self,
        stock: Stock,
        options: Mapping[zmq.SocketOption, int] | None = None,
        topic: bytes = b"",
    ) -> None:
        self.socket = stock.socket(zmq.SUB, {zmq.RECONNECT_IVL: _RECONNECT_MS, **(options or {})})
        self.socket.subscribe(topic)
        self._monitor = stock.monitor(self.socket)

    def connect(self, endpoint: str) -> Self:
        self.socket.connect(endpoint)
        return self

    def saw(self, *kinds: zmq.Event) -> int:
        """How often it has seen one of these by now."""
        return sum(event in kinds for event in self._monitor.read_all())


def publish_marker(publisher: PublishingSocket, topic: bytes) -> list[bytes]:
    """Publish a marker on a topic; returns it."""
    marker = [topic, MARK, b"%d" % next(_numbers)]
    publisher.send_multipart(marker)
    return marker


def synchronize(publisher: PublishingSocket, subscriber: Socket, topic: bytes = b"") -> None:
    """Wait until the publisher serves the subscriber on this topic, and all is quiet.

    Raises:
        AssertionError: no marker arrived in time.
    """
    deadline = time.monotonic() + DEADLINE_S
    markers: list[list[bytes]] = []
    arrived = False
    while not arrived:
        assert time.monotonic() < deadline, f"no marker on {topic[:20]!r} within {DEADLINE_S} s"
        markers.append(publish_marker(publisher, topic))
        while not arrived and subscriber.poll(_RETRY_MS):
            message = subscriber.recv_multipart()
            assert message[1:2] == [MARK], f"not a marker: {message}"
            arrived = message in markers  # not one of an earlier call, still on its way
    last = publish_marker(publisher, topic)
    assert [m for m in until(subscriber, last) if m[1:2] != [MARK]] == []


def until(subscriber: Socket, last: list[bytes]) -> list[list[bytes]]:
    """The messages that arrive before this one."""
    return list(iter(subscriber.recv_multipart, last))


def received(
    publisher: PublishingSocket, subscriber: Socket, topic: bytes = b""
) -> list[list[bytes]]:
    """What has arrived of all that was published, but for markers."""
    last = publish_marker(publisher, topic)
    return [message for message in until(subscriber, last) if message[1:2] != [MARK]]
