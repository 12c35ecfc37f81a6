"""The process of stock SUB sockets with CURVE, which come again by themselves, as libzmq has it.

All that comes is opened by one thread of libzmq.
"""

from __future__ import annotations

import json
import os
import socket
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import zmq
from zmq.utils.monitor import recv_monitor_message

from benchmarks.children import require_descriptors, run_child
from benchmarks.pausing.feed import STAMP
from benchmarks.pausing.listeners import Heard, answer, pauses
from benchmarks.traffic import PROBE_TOPIC, Traffic
from benchmarks.wire import CLIENT_SECRET, SERVER_PUBLIC

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.channel import Channel, Message

TURN_MS = 10
READ_AT_ONCE = 100  # messages of one socket, before the next one has its turn
EACH_DESCRIPTORS = 8  # a socket, its connection, its monitor, and what libzmq has for these


@dataclass(eq=False)
class StockListener(Heard):
    """One subscriber.

    Attributes:
        names: the addresses that it has had, as the publisher sees them.
    """

    names: set[str] = field(default_factory=set)


class StockListeners:
    """All of them; see `Asked`."""

    def __init__(self, traffic: Traffic, endpoint: str) -> None:
        require_descriptors(EACH_DESCRIPTORS * traffic.subscribers)
        context = zmq.Context()
        context.set(zmq.MAX_SOCKETS, 3 * traffic.subscribers + 10)
        self._poller = zmq.Poller()
        self._subscribers: dict[zmq.Socket[bytes], StockListener] = {}
        self._monitors: dict[zmq.Socket[bytes], StockListener] = {}
        for _ in range(traffic.subscribers):
            self._connect(context, f"tcp://{endpoint}")

    def _connect(self, context: zmq.Context[zmq.Socket[bytes]], endpoint: str) -> None:
        one, subscriber = StockListener(), context.socket(zmq.SUB)
        secret = CLIENT_SECRET.encode()
        subscriber.curve_secretkey, subscriber.curve_publickey = secret, zmq.curve_public(secret)
        subscriber.curve_serverkey = SERVER_PUBLIC.encode()
        subscriber.set(zmq.RCVHWM, 0)
        subscriber.subscribe(PROBE_TOPIC)
        monitor = subscriber.get_monitor_socket(zmq.EVENT_CONNECTED)
        subscriber.connect(endpoint)
        self._subscribers[subscriber] = self._monitors[monitor] = one
        self._poller.register(subscriber, zmq.POLLIN)
        self._poller.register(monitor, zmq.POLLIN)

    def turn(self) -> None:
        """Read what has come, for a moment at most."""
        for ready, _ in self._poller.poll(TURN_MS):
            if ready in self._monitors:
                self._note(self._monitors[ready], recv_monitor_message(ready)["value"])
            else:
                self._read(ready, self._subscribers[ready])

    @staticmethod
    def _note(one: StockListener, descriptor: int) -> None:
        with (
            suppress(OSError),  # it has ended already
            socket.socket(fileno=os.dup(descriptor)) as connection,
        ):
            one.names.add("{}:{}".format(*connection.getsockname()))

    @staticmethod
    def _read(subscriber: zmq.Socket[bytes], one: StockListener) -> None:
        with suppress(zmq.Again):
            for _ in range(READ_AT_ONCE):
                _, payload = subscriber.recv_multipart(zmq.NOBLOCK)
                number, sent_ns = STAMP.unpack_from(payload)
                one.heard.append((sent_ns, time.monotonic_ns(), number))

    def served_since(self, moment_ns: int, whom: Sequence[str] | None) -> Message | None:
        """Of each of these its pause, in ns, and how many messages it lacks; None = not yet."""
        everybody = self._subscribers.values()
        asked = [one for one in everybody if whom is None or not one.names.isdisjoint(whom)]
        return pauses([one.since(moment_ns) for one in asked], moment_ns)

    def slowest(self, begin_ns: int, end_ns: int) -> Message | None:
        """Nobody is moved here."""
        raise NotImplementedError


def main(channel: Channel, arguments: Sequence[str]) -> None:
    """Listens until the harness closes the channel."""
    answer(StockListeners(Traffic(**json.loads(arguments[0])), arguments[1]), channel)


if __name__ == "__main__":
    run_child(main)
