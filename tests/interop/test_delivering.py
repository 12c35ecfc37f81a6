"""Stock SUB sockets: order, size, numbers, restarts and heartbeats, from libzmq and from us."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import zmq

from tests.helpers.stock import received, synchronize

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.helpers.adapters import PublishingSocket
    from tests.helpers.stock import Stock

MIB = 1024 * 1024


def test_order(publisher: PublishingSocket, endpoint: str, stock: Stock) -> None:
    everything, some = stock.connect(endpoint, b""), stock.connect(endpoint, b"t1", b"t7")
    synchronize(publisher, everything)
    synchronize(publisher, some, b"t7")
    assert received(publisher, everything) == []
    messages = [[b"t%d" % (n % 10), b"%d" % n] for n in range(20_000)]
    for message in messages:
        publisher.send_multipart(message)
    assert received(publisher, everything) == messages
    expected = [message for message in messages if message[0] in (b"t1", b"t7")]
    assert received(publisher, some, b"t1") == expected


def test_large_messages(publisher: PublishingSocket, endpoint: str, stock: Stock) -> None:
    subscribers = [stock.connect(endpoint, b""), stock.connect(endpoint, b"L")]
    for subscriber in subscribers:
        synchronize(publisher, subscriber, b"L")
    sizes = (MIB, 65_535, MIB - 1, 65_536, MIB + 1, 100, MIB)
    messages = [[b"L%d" % n, bytes((n,)) * size] for n, size in enumerate(sizes)]
    for message in messages:
        publisher.send_multipart(message)
    for subscriber in subscribers:
        assert received(publisher, subscriber, b"L") == messages


def test_many_subscribers(publisher: PublishingSocket, endpoint: str, stock: Stock) -> None:
    subscribers = {
        b"t%02d" % number: stock.connect(endpoint, b"t%02d" % number, b"all")
        for number in range(50)
    }
    for topic, subscriber in subscribers.items():
        synchronize(publisher, subscriber, topic)
    messages = [[b"all", b"%d" % n] for n in range(100)]
    for message in messages:
        publisher.send_multipart(message)
    for topic in subscribers:
        publisher.send_multipart([topic, b"own"])
    for topic, subscriber in subscribers.items():
        assert received(publisher, subscriber, topic) == [*messages, [topic, b"own"]]


def test_a_subscriber_that_leaves_disturbs_nobody(
    publisher: PublishingSocket, endpoint: str, stock: Stock
) -> None:
    stays = stock.connect(endpoint, b"A")
    leaves = stock.connect(endpoint, b"A")
    synchronize(publisher, stays, b"A")
    synchronize(publisher, leaves, b"A")
    assert received(publisher, stays, b"A") == []
    expected = [[b"A", b"%d" % number] for number in range(2000)]
    for message in expected[:1000]:
        publisher.send_multipart(message)
    leaves.close()
    for message in expected[1000:]:
        publisher.send_multipart(message)
    assert received(publisher, stays, b"A") == expected


def test_reconnect_after_a_restart_of_the_publisher(
    start: Callable[..., PublishingSocket], unbound: str, stock: Stock
) -> None:
    first = start()
    endpoint = first.bind(unbound)
    subscribers = [stock.connect(endpoint, b"A", b"B"), stock.connect(endpoint, b"")]
    for subscriber in subscribers:
        synchronize(first, subscriber, b"A")
    subscribers[0].unsubscribe(b"B")
    first.close()
    second = start()
    assert second.bind(endpoint) == endpoint
    synchronize(second, subscribers[0], b"A")
    synchronize(second, subscribers[1], b"A")
    expected = [[b"A", b"again"], [b"B", b"cancelled before"]]
    for message in expected:
        second.send_multipart(message)
    assert received(second, subscribers[0], b"A") == expected[:1]
    assert received(second, subscribers[1]) == expected


def test_the_monitor_sees_a_connection_come_and_go(
    start: Callable[..., PublishingSocket], unbound: str, stock: Stock
) -> None:
    first = start()
    endpoint = first.bind(unbound)
    subscriber = stock.socket(zmq.SUB)
    monitor = stock.monitor(subscriber)
    subscriber.subscribe(b"")
    subscriber.connect(endpoint)
    synchronize(first, subscriber)
    monitor.wait_for(zmq.EVENT_HANDSHAKE_SUCCEEDED)
    connected = [e for e in monitor.events if e != zmq.EVENT_CONNECT_DELAYED]
    assert connected == [zmq.EVENT_CONNECTED, zmq.EVENT_HANDSHAKE_SUCCEEDED]
    monitor.events.clear()
    first.close()
    monitor.wait_for(zmq.EVENT_DISCONNECTED)
    assert monitor.events == [zmq.EVENT_DISCONNECTED]
    second = start()
    second.bind(endpoint)
    monitor.wait_for(zmq.EVENT_HANDSHAKE_SUCCEEDED)
    synchronize(second, subscriber)
    assert zmq.EVENT_DISCONNECTED not in monitor.read_all()[1:]


@pytest.mark.parametrize("options", [
    {zmq.HEARTBEAT_IVL: 20, zmq.HEARTBEAT_TIMEOUT: 20_000, zmq.HEARTBEAT_TTL: 40_000},
    {zmq.HEARTBEAT_IVL: 0},
])  # fmt: skip
def test_heartbeats_of_both_sides_keep_the_connection(
    start: Callable[..., PublishingSocket],
    unbound: str,
    stock: Stock,
    options: dict[zmq.SocketOption, int],
) -> None:
    publisher = start(heartbeat_ms=30)
    subscriber = stock.socket(zmq.SUB, options)
    monitor = stock.monitor(subscriber)
    subscriber.subscribe(b"A")
    subscriber.connect(publisher.bind(unbound))
    for _ in range(50):  # while PINGs and PONGs travel
        synchronize(publisher, subscriber, b"A")
        publisher.send_multipart([b"A", b"x" * 1000])
        assert received(publisher, subscriber, b"A") == [[b"A", b"x" * 1000]]
    assert zmq.EVENT_DISCONNECTED not in monitor.read_all()


def test_pongs_alone_keep_a_subscriber_that_sends_heartbeats(
    publisher: PublishingSocket, endpoint: str, stock: Stock
) -> None:
    timeout_ms = 2000
    options = {zmq.HEARTBEAT_IVL: 50, zmq.HEARTBEAT_TIMEOUT: timeout_ms, zmq.HEARTBEAT_TTL: 6000}
    subscriber = stock.socket(zmq.SUB, options)
    monitor = stock.monitor(subscriber)
    subscriber.subscribe(b"A")
    subscriber.connect(endpoint)
    synchronize(publisher, subscriber, b"A")
    assert subscriber.poll(timeout_ms * 3 // 2) == 0  # nothing but PINGs and PONGs meanwhile
    assert zmq.EVENT_DISCONNECTED not in monitor.read_all()
