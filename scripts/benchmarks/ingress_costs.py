"""What producers send to one feed: who takes and publishes it, and who sends, a process each.

A raw producer has made its messages before, and only sends; a stock one is a PUSH socket.
"""

from __future__ import annotations

import socket
import time
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING

from benchmarks.children import run_child
from benchmarks.peers import PEERS
from benchmarks.peers.base import BACKLOG, LOOPBACK, create_peer, port_of
from benchmarks.peers.broker import BrokerPeer
from benchmarks.traffic import Traffic, topic_name
from benchmarks.wire import ZMTP_GREETING
from fanout.zmtp import encode_message

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from benchmarks.channel import Channel
    from fanout import Publisher

TOPIC = topic_name(0)
BROKERS = ("redis", "nats", "jetstream")  # producers publish there themselves
READY = b"\x04\x1a\x05READY\x0bSocket-Type\x00\x00\x00\x04PUSH"
AT_ONCE = 500  # messages in one send() of a raw producer
MANY = 1000  # messages after which who relays by hand looks whether it is to end
CONNECT_SECONDS = 10.0
HANDSHAKE_BYTES = 4096
PATIENCE_SECONDS = 60.0
PACED = "paced"
PACE = 125_000  # messages a second of a paced producer: a quarter of what is promised for
BESIDE_SECONDS = 0.001  # between two calls of `publish()`, or two looks of a paced producer


class RawProducer:
    """A connection that says what a PUSH socket says, or what a broker is to be told.

    It sends bytes, and reads nothing but READY.
    """

    def __init__(self, port: int, hub: str) -> None:
        self._socket = socket.create_connection((LOOPBACK, port), CONNECT_SECONDS)
        self._broker = broker(hub) if hub in BROKERS else None
        if self._broker is not None:
            self._broker.introduce(self._socket)
        else:
            self._greet()
        self._socket.settimeout(PATIENCE_SECONDS)

    def _greet(self) -> None:
        self._socket.sendall(ZMTP_GREETING + READY)
        answer = b""
        while b"READY" not in answer:
            data = self._socket.recv(HANDSHAKE_BYTES)
            if not data:
                raise ConnectionError(f"the connection was closed after {answer!r}")
            answer += data

    def send(self, topic: bytes, payload: bytes, count: int = 1) -> None:
        """Send the same message so many times; waits while nobody reads."""
        if self._broker is not None:
            message = self._broker.publication(topic, payload)
        else:
            message = encode_message([topic, payload])
        chunk = message * min(count, AT_ONCE)
        for _ in range(count // AT_ONCE):
            self._socket.sendall(chunk)
        self._socket.sendall(message * (count % AT_ONCE))

    def close(self) -> None:
        """End the connection."""
        self._socket.close()
        if self._broker is not None:
            self._broker.close()


def broker(name: str) -> BrokerPeer:
    """One that is not started."""
    peer = create_peer(PEERS[name].location, Traffic(0, 0), {})
    assert isinstance(peer, BrokerPeer)
    return peer


def by_fanout(channel: Channel) -> None:
    """Publish what comes with `ingest()`, and lose nothing."""
    from fanout import Publisher

    with Publisher(f"tcp://{LOOPBACK}:*", slow_policy="block", heartbeat_interval=0) as publisher:
        intake = publisher.ingest(f"tcp://{LOOPBACK}:*")
        ports = [port_of(one) for one in (publisher.endpoints[0], intake)]
        channel.send(ports=ports)
        while True:  # until the harness is done
            request = channel.receive()
            payload = b"x" * request["size"]
            channel.send(costs=publish_beside(publisher, payload, request["publish"]))


def publish_beside(publisher: Publisher, payload: bytes, count: int) -> list[int]:
    """Publish now and then; returns the CPU time of this thread for each call, in nanoseconds."""
    costs = []
    for _ in range(count):
        began = time.thread_time_ns()
        publisher.publish(TOPIC, payload)
        costs.append(time.thread_time_ns() - began)
        time.sleep(BESIDE_SECONDS)
    return costs


def by_hand(channel: Channel) -> None:
    """Publish what comes with a PULL and a PUB socket, and lose nothing."""
    import zmq

    with zmq.Context() as context, context.socket(zmq.PULL) as pull, context.socket(zmq.PUB) as pub:
        pub.setsockopt(zmq.XPUB_NODROP, 1)
        pub.setsockopt(zmq.LINGER, 0)
        for one in (pub, pull):
            one.setsockopt(zmq.BACKLOG, BACKLOG)
        ports = [one.bind_to_random_port(f"tcp://{LOOPBACK}") for one in (pub, pull)]
        channel.send(ports=ports)
        poller = zmq.Poller()
        poller.register(pull, zmq.POLLIN)
        poller.register(channel, zmq.POLLIN)
        while channel.fileno() not in dict(poller.poll()):
            try:
                for _ in range(MANY):
                    pub.send_multipart(pull.recv_multipart(zmq.NOBLOCK))
            except zmq.Again:
                continue


def by_broker(channel: Channel, name: str) -> None:
    """Have a broker publish what comes."""
    with closing(broker(name)) as peer:
        port = port_of(peer.start()[0])
        channel.send(ports=[port, port])
        channel.receive()  # until the harness is done


def raw_producer(channel: Channel, hub: str, port: int, count: int, size: int) -> None:
    """Send from bytes that are ready."""
    producer = RawProducer(port, hub)
    channel.send(ready=True)
    channel.receive()
    producer.send(TOPIC, b"x" * size, count)
    channel.receive()  # what is under way would be lost with the connection


def paced_producer(channel: Channel, hub: str, port: int, count: int, size: int) -> None:
    """Send `PACE` messages a second, as evenly as a process is woken."""
    producer = RawProducer(port, hub)
    channel.send(ready=True)
    channel.receive()
    began, sent = time.monotonic(), 0
    while sent < count:
        due = min(count, int((time.monotonic() - began) * PACE))
        producer.send(TOPIC, b"x" * size, due - sent)
        sent = due
        time.sleep(BESIDE_SECONDS)
    channel.receive()


def stock_producer(channel: Channel, _hub: str, port: int, count: int, size: int) -> None:
    """Send with a PUSH socket."""
    import zmq

    with zmq.Context() as context, context.socket(zmq.PUSH) as push:
        push.setsockopt(zmq.LINGER, 0)
        push.setsockopt(zmq.SNDTIMEO, int(PATIENCE_SECONDS * 1000))
        push.connect(f"tcp://{LOOPBACK}:{port}")
        push.poll(int(PATIENCE_SECONDS * 1000), zmq.POLLOUT)  # it is connected
        channel.send(ready=True)
        channel.receive()
        payload, send, more = b"x" * size, push.send, zmq.SNDMORE
        for _ in range(count):
            send(TOPIC, more)
            send(payload)
        channel.receive()


HUBS: dict[str, Callable[[Channel], None]] = {
    "fanout": by_fanout,
    "PULL and PUB": by_hand,
    **{name: partial(by_broker, name=name) for name in BROKERS},
}
PRODUCERS: dict[str, Callable[[Channel, str, int, int, int], None]] = {
    "raw": raw_producer,
    "pyzmq": stock_producer,
    PACED: paced_producer,
}


def main(channel: Channel, arguments: Sequence[str]) -> None:
    """Be who is named: one of those who publish, or a producer."""
    name, *rest = arguments
    if name in HUBS:
        HUBS[name](channel)
    else:
        hub, *numbers = rest
        PRODUCERS[name](channel, hub, *map(int, numbers))


if __name__ == "__main__":
    run_child(main)
