"""What a message costs a subscriber in Python, by each way to receive: a child process of its own.

Messages come over a socket from a process that has made all of them before; they have a topic of 11
bytes, a payload, and the number that `sequence_frame` appends. The time is from the first to the
last that the program has looked at, and the CPU time that of the whole process, its threads too.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import time
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from benchmarks.children import run_child
from benchmarks.receiving_brokers import FEEDERS, consume, listen_to_redis
from fanout.terms.introduction import PROPERTY, Introduction
from fanout.terms.reserved import RESERVED
from fanout.zmtp import Session, SessionLimits, Subscribed, encode_message

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from benchmarks.channel import Channel, Message

TOPIC = b"quotes.BTC/"
EPOCH = 7
NUMBER = struct.Struct(">QQ")
MANY = 1000
PATIENCE_S = 60.0
HANDSHAKE_BYTES = 4096
LIMITS = SessionLimits(
    max_frame_bytes=HANDSHAKE_BYTES,
    max_subscriptions=16,
    max_subscription_bytes=HANDSHAKE_BYTES,
    max_subscriptions_bytes=HANDSHAKE_BYTES,
    allow_zmtp_1=False,
    reserved=RESERVED,
)

Figures = tuple[float, float]  # seconds by the clock, and of CPU time


def feed(channel: Channel, arguments: Sequence[str]) -> None:
    """Be the publisher: send so many messages of so many bytes to who connects and subscribes."""
    count, size = map(int, arguments[1:])
    if arguments[0] in FEEDERS:
        FEEDERS[arguments[0]](channel, count, size)
        return
    head = encode_message([TOPIC, b"x" * size, bytes(NUMBER.size)])[: -NUMBER.size]
    wire = b"".join([head + NUMBER.pack(EPOCH, number) for number in range(count)])
    with socket.create_server(("127.0.0.1", 0)) as listener:
        channel.send(port=listener.getsockname()[1])
        connection, _ = listener.accept()
        with connection:
            session = Session(LIMITS)
            said = Introduction(EPOCH, 0, sequence=True)
            session.introduce = lambda: {PROPERTY: said.to_bytes()}
            is_wanted = False
            while not is_wanted:
                connection.sendall(session.data_to_send())
                events = session.receive_data(connection.recv(HANDSHAKE_BYTES))
                is_wanted = any(isinstance(event, Subscribed) for event in events)
            connection.sendall(wire)
            channel.receive()  # it ends when nobody needs it any more


def by_recv(endpoint: str, count: int) -> Figures:
    from fanout import Subscriber

    with Subscriber(endpoint) as subscriber:
        subscriber.recv(PATIENCE_S)
        began = _now()
        for _ in range(count - 1):
            len(subscriber.recv().payload)
        return _since(began)


def by_recv_many(endpoint: str, count: int) -> Figures:
    from fanout import Subscriber

    with Subscriber(endpoint) as subscriber:
        subscriber.recv(PATIENCE_S)
        began, got = _now(), 1
        while got < count:
            messages = subscriber.recv_many(MANY)
            for message in messages:
                len(message.payload)
            got += len(messages)
        return _since(began)


async def awaited_recv(endpoint: str, count: int) -> Figures:
    from fanout.asyncio import Subscriber

    async with Subscriber(endpoint) as subscriber:
        await subscriber.recv(PATIENCE_S)
        began = _now()
        for _ in range(count - 1):
            len((await subscriber.recv()).payload)
        return _since(began)


async def awaited_recv_many(endpoint: str, count: int) -> Figures:
    from fanout.asyncio import Subscriber

    async with Subscriber(endpoint) as subscriber:
        await subscriber.recv(PATIENCE_S)
        began, got = _now(), 1
        while got < count:
            messages = await subscriber.recv_many(MANY)
            for message in messages:
                len(message.payload)
            got += len(messages)
        return _since(began)


def by_pyzmq(endpoint: str, count: int) -> Figures:
    import zmq

    with zmq.Context() as context, context.socket(zmq.SUB) as socket:
        socket.subscribe(b"")
        socket.connect(endpoint)
        socket.recv_multipart()
        began = _now()
        for _ in range(count - 1):
            len(socket.recv_multipart()[1])
        return _since(began)


async def by_awaited_pyzmq(endpoint: str, count: int) -> Figures:
    import zmq
    import zmq.asyncio

    with zmq.asyncio.Context() as context, context.socket(zmq.SUB) as socket:
        socket.subscribe(b"")
        socket.connect(endpoint)
        await socket.recv_multipart()
        began = _now()
        for _ in range(count - 1):
            len((await socket.recv_multipart())[1])
        return _since(began)


def by_redis(endpoint: str, count: int) -> Figures:
    messages = listen_to_redis(endpoint)
    next(messages)
    began = _now()
    for _ in range(count - 1):
        len(next(messages)["data"])
    return _since(began)


async def by_jetstream(endpoint: str, count: int) -> Figures:
    async with aclosing(consume(endpoint, count)) as payloads:
        await anext(payloads)
        began = _now()
        async for payload in payloads:
            len(payload)
        return _since(began)


WAYS: dict[str, Callable[[str, int], Any]] = {
    "Subscriber.recv_many": by_recv_many,
    "Subscriber.recv": by_recv,
    "asyncio recv_many": awaited_recv_many,
    "asyncio recv": awaited_recv,
    "pyzmq recv_multipart": by_pyzmq,
    "pyzmq asyncio recv_multipart": by_awaited_pyzmq,
    "redis-py listen": by_redis,
    "nats-py ordered consumer": by_jetstream,
}


def _now() -> Figures:
    return time.perf_counter(), time.process_time()


def _since(began: Figures) -> Figures:
    return time.perf_counter() - began[0], time.process_time() - began[1]


def measured(way: str, endpoint: str, count: int) -> Message:
    """Receive so many messages in this way; returns seconds and CPU seconds for each."""
    figures = WAYS[way](endpoint, count)
    seconds, cpu_seconds = asyncio.run(figures) if asyncio.iscoroutine(figures) else figures
    return {"seconds": seconds / (count - 1), "cpu_seconds": cpu_seconds / (count - 1)}


def main(channel: Channel, arguments: Sequence[str]) -> None:
    """Feeds, or receives in the way that is named."""
    if arguments[0] == "feed":
        feed(channel, arguments[1:])
        return
    way, endpoint, count = arguments
    channel.send(**measured(way, endpoint, int(count)))


if __name__ == "__main__":
    run_child(main)
