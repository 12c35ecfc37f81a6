"""Stock SUB and XSUB sockets: what they subscribe to is what they get, from libzmq and from us."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import zmq

from tests.helpers.stock import MARK, publish_marker, received, synchronize, until
from tests.helpers.waiting import wait_until

if TYPE_CHECKING:
    from tests.helpers.adapters import PublishingSocket
    from tests.helpers.stock import Socket, Stock

MESSAGES = [
    [b"A"],
    [b""],
    [b"A", b"one"],
    [b"", b"A"],
    [b"A", b"", b"three", b""],
    [b"", b"", b""],
    [b"AB", b"x" * 255],
    [b"A" * 256, b"x" * 256],
    [b"B", b"A"],
    [b"\x00\x01", b"\xff" * 1000],
]


@pytest.fixture
def publisher(lasting_publisher: PublishingSocket) -> PublishingSocket:
    """No test of this file minds what others have published."""
    return lasting_publisher


@pytest.fixture
def endpoint(lasting_endpoint: str) -> str:
    return lasting_endpoint


def stop_receiving(publisher: PublishingSocket, subscriber: Socket, topic: bytes) -> None:
    """Wait until markers on a topic do not arrive any more, though others do.

    A SUB leaves out by itself what it does not want: with one it is over at once, whatever the
    publisher knows.
    """

    def is_over() -> bool:
        publish_marker(publisher, topic)
        last = publish_marker(publisher, b"control")
        return until(subscriber, last) == []

    wait_until(is_over, f"{topic!r} is unsubscribed")


def test_everything_arrives_as_it_was_sent(
    publisher: PublishingSocket, endpoint: str, stock: Stock
) -> None:
    subscriber = stock.connect(endpoint, b"")
    synchronize(publisher, subscriber)
    for message in MESSAGES:
        publisher.send_multipart(message)
    assert received(publisher, subscriber) == MESSAGES


@pytest.mark.parametrize("kind", [zmq.SUB, zmq.XSUB])
def test_a_prefix_is_looked_for_in_the_first_frame_only(
    publisher: PublishingSocket, endpoint: str, stock: Stock, kind: int
) -> None:
    subscriber = stock.connect(endpoint, b"A", kind=kind)
    synchronize(publisher, subscriber, b"A")
    for message in MESSAGES:
        publisher.send_multipart(message)
    expected = [message for message in MESSAGES if message[0].startswith(b"A")]
    assert received(publisher, subscriber, b"A") == expected


def test_subscribe_and_unsubscribe(
    publisher: PublishingSocket, endpoint: str, stock: Stock
) -> None:
    subscriber = stock.connect(endpoint, b"control")
    synchronize(publisher, subscriber, b"control")
    subscriber.subscribe(b"A")
    synchronize(publisher, subscriber, b"A")
    publisher.send_multipart([b"A", b"1"])
    publisher.send_multipart([b"B", b"2"])
    assert received(publisher, subscriber, b"control") == [[b"A", b"1"]]
    subscriber.unsubscribe(b"A")
    subscriber.subscribe(b"B")  # the publisher takes them in this order
    synchronize(publisher, subscriber, b"B")
    stop_receiving(publisher, subscriber, b"A")
    subscriber.subscribe(b"A")
    synchronize(publisher, subscriber, b"A")


@pytest.mark.parametrize("kind", [zmq.SUB, zmq.XSUB])
def test_a_duplicate_subscription_delivers_once_and_lasts_to_the_last_unsubscribe(
    publisher: PublishingSocket, endpoint: str, stock: Stock, kind: int
) -> None:
    subscriber = stock.connect(endpoint, b"control", b"A", b"A", kind=kind)
    synchronize(publisher, subscriber, b"A")
    publisher.send_multipart([b"A", b"once"])
    assert received(publisher, subscriber, b"A") == [[b"A", b"once"]]

    def unsubscribe() -> None:
        if kind == zmq.SUB:
            subscriber.unsubscribe(b"A")
        else:
            subscriber.send(b"\x00A")

    unsubscribe()
    # What came before the publisher has seen this one does not matter: it is still subscribed.
    subscriber.subscribe(b"B") if kind == zmq.SUB else subscriber.send(b"\x01B")
    synchronize(publisher, subscriber, b"B")
    publisher.send_multipart([b"A", b"still"])
    assert received(publisher, subscriber, b"control") == [[b"A", b"still"]]
    unsubscribe()
    stop_receiving(publisher, subscriber, b"A")


def test_what_an_xsub_sends_upstream_harms_nobody(
    publisher: PublishingSocket, endpoint: str, stock: Stock
) -> None:
    """A user's message goes to the publisher, where nobody reads it, however long it is."""
    subscriber = stock.connect(endpoint, b"A", kind=zmq.XSUB)
    synchronize(publisher, subscriber, b"A")
    monitor = stock.monitor(subscriber)
    subscriber.send(b"x" * 100_000)
    subscriber.send_multipart([b"topic", b"x" * 300, b"x" * 1_000_000, b""])
    subscriber.send(b"\x00" * 100_000)  # cancels nothing: no subscription is so long
    subscriber.send(b"\x01B")  # comes behind them, and is understood
    synchronize(publisher, subscriber, b"B")
    publisher.send_multipart([b"A", b"still"])
    assert received(publisher, subscriber, b"B") == [[b"A", b"still"]]
    assert zmq.EVENT_DISCONNECTED not in monitor.read_all()


def test_overlapping_prefixes_deliver_once(
    publisher: PublishingSocket, endpoint: str, stock: Stock
) -> None:
    subscriber = stock.connect(endpoint, b"control", b"A", b"AB", b"ABC", b"", kind=zmq.XSUB)
    synchronize(publisher, subscriber, b"control")
    expected = [[b"ABCD"], [b"AB"], [b"A"], [b"C"]]
    for message in expected:
        publisher.send_multipart(message)
    assert received(publisher, subscriber, b"control") == expected
    subscriber.send(b"\x00")
    stop_receiving(publisher, subscriber, b"C")
    subscriber.send(b"\x00A")
    stop_receiving(publisher, subscriber, b"A")
    for message in expected:
        publisher.send_multipart(message)
    assert received(publisher, subscriber, b"control") == [[b"ABCD"], [b"AB"]]


def test_a_thousand_topics_on_one_socket(
    publisher: PublishingSocket, endpoint: str, stock: Stock
) -> None:
    topics = [b"topic.%d." % number for number in range(1000)]
    subscriber = stock.connect(endpoint, *topics)
    synchronize(publisher, subscriber, topics[-1])
    expected = []
    for number, topic in enumerate(topics):
        publisher.send_multipart([topic + b"tail", b"%d" % number])
        publisher.send_multipart([topic[:-1], b"one byte too short"])
        expected.append([topic + b"tail", b"%d" % number])
    assert received(publisher, subscriber, topics[0]) == expected
    for topic in topics[1:]:
        subscriber.unsubscribe(topic)
    synchronize(publisher, subscriber, topics[0])
    publisher.send_multipart([topics[0]])
    publisher.send_multipart([topics[1]])
    assert received(publisher, subscriber, topics[0]) == [[topics[0]]]


def test_topics_around_the_limit_of_a_short_frame(
    publisher: PublishingSocket, endpoint: str, stock: Stock
) -> None:
    subscriber = stock.connect(endpoint, b"control")
    topics = [b"%03d" % size + b"t" * (size - 3) for size in range(240, 261)]
    for topic in topics:
        subscriber.subscribe(topic)
    synchronize(publisher, subscriber, topics[-1])
    expected = []
    for topic in topics:
        publisher.send_multipart([topic + b"+", b"matches"])
        publisher.send_multipart([topic[:-1], b"does not"])
        expected.append([topic + b"+", b"matches"])
    assert received(publisher, subscriber, b"control") == expected
    for topic in topics:
        subscriber.unsubscribe(topic)
    for topic in topics:
        stop_receiving(publisher, subscriber, topic)


def test_a_late_subscription_gets_nothing_old(
    publisher: PublishingSocket, endpoint: str, stock: Stock
) -> None:
    early = stock.connect(endpoint, b"")
    synchronize(publisher, early)
    for number in range(100):
        publisher.send_multipart([b"A", b"old %d" % number])
    assert len(received(publisher, early)) == 100
    late = stock.connect(endpoint, b"A")
    synchronize(publisher, late, b"A")  # fails if anything else than a marker comes
    publisher.send_multipart([b"A", b"new"])
    assert received(publisher, late, b"A") == [[b"A", b"new"]]
    assert [m for m in until(early, [b"A", b"new"]) if m[1] != MARK] == []
