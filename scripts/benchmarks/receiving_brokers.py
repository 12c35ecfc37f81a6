"""What brokers send to programs in Python: redis by redis-py, JetStream by nats-py.

The broker has all messages, or gets them as fast as they can be written, while a program receives.
"""

from __future__ import annotations

import importlib
import socket
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any

from benchmarks.peers.base import LOOPBACK, port_of
from benchmarks.peers.broker import FEED_SECONDS
from benchmarks.peers.jetstream import JetStreamPeer
from benchmarks.peers.redis import RedisPeer, ask
from benchmarks.traffic import Traffic, topic_name
from benchmarks.wire import JETSTREAM_SUBJECTS

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterator

    from benchmarks.channel import Channel

TOPIC = topic_name(0)
PATIENCE_S = 60.0
QUEUED_BYTES = 1 << 30  # of a program that falls behind: more than all messages


def feed_by_redis(channel: Channel, count: int, size: int) -> None:
    """Publish so many as soon as somebody has subscribed; redis keeps what he has not read."""
    with closing(RedisPeer(Traffic(1, size))) as peer:
        port = port_of(peer.start()[0])
        channel.send(port=port)
        with socket.create_connection((LOOPBACK, port), PATIENCE_S) as asking:
            deadline = time.monotonic() + FEED_SECONDS
            while not ask(asking, b"PUBSUB", b"NUMSUB", TOPIC).endswith(b":1\r\n"):
                if time.monotonic() > deadline:
                    raise TimeoutError("nobody has subscribed")
        peer.publish(count)
        channel.receive()  # it ends when nobody needs it any more


def feed_by_jetstream(channel: Channel, count: int, size: int) -> None:
    """Have so many in a stream."""
    with closing(JetStreamPeer(Traffic(1, size), kept_bytes=QUEUED_BYTES)) as peer:
        port = port_of(peer.start()[0])
        peer.publish(count)
        peer.await_kept(count)
        channel.send(port=port)
        channel.receive()


def listen_to_redis(endpoint: str) -> Iterator[dict[str, Any]]:
    """What redis-py returns, message by message."""
    redis: Any = importlib.import_module("redis")  # of an extra, which need not be there
    client = redis.Redis(host=LOOPBACK, port=port_of(endpoint), socket_timeout=PATIENCE_S)
    with client, client.pubsub(ignore_subscribe_messages=True) as listening:
        listening.subscribe(TOPIC.decode())
        for message in listening.listen():
            if message is not None:
                yield message


async def consume(endpoint: str, count: int) -> AsyncGenerator[bytes, None]:
    """Payloads that nats-py returns, by a consumer that orders anew what it has missed."""
    nats: Any = importlib.import_module("nats")
    client = await nats.connect(f"nats://{LOOPBACK}:{port_of(endpoint)}")
    try:
        subscription = await client.jetstream().subscribe(
            JETSTREAM_SUBJECTS,
            ordered_consumer=True,
            pending_msgs_limit=count,
            pending_bytes_limit=QUEUED_BYTES,
        )
        for _ in range(count):
            yield (await subscription.next_msg(PATIENCE_S)).data
    finally:
        await client.close()


FEEDERS: dict[str, Callable[[Channel, int, int], None]] = {
    "redis": feed_by_redis,
    "jetstream": feed_by_jetstream,
}
