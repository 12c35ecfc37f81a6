"""A stock XSUB/XPUB proxy between a publisher and its subscribers: it is one subscriber."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest
import zmq

from fanout import Publisher
from tests.helpers.waiting import DEADLINE_S, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.helpers.stock import Socket

INSIDE = "inproc://relayed"


@pytest.fixture
def publisher() -> Iterator[Publisher]:
    with Publisher("tcp://127.0.0.1:*", workers=1, log_bytes=1 << 20) as publisher:
        yield publisher


class Relay:
    """A proxy on a thread of its own, and subscribers behind it."""

    def __init__(self, *feeds: str) -> None:
        self._context: zmq.Context[Socket] = zmq.Context()
        self._sockets: list[Socket] = []
        self._feeds = feeds
        ready = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(ready,), daemon=True)
        self._thread.start()
        assert ready.wait(DEADLINE_S)

    def _run(self, ready: threading.Event) -> None:
        with self._context.socket(zmq.XSUB) as feeding, self._context.socket(zmq.XPUB) as serving:
            for feed in self._feeds:
                feeding.connect(feed)
            serving.bind(INSIDE)
            ready.set()
            try:
                zmq.proxy(feeding, serving)
            except zmq.ContextTerminated:
                return

    def subscriber(self, *topics: bytes) -> Socket:
        """A SUB behind the proxy."""
        sub = self._context.socket(zmq.SUB)
        sub.set(zmq.RCVTIMEO, int(DEADLINE_S * 1000))
        sub.set(zmq.LINGER, 0)
        sub.connect(INSIDE)
        for topic in topics:
            sub.subscribe(topic)
        self._sockets.append(sub)
        return sub

    def close(self) -> None:
        for sub in self._sockets:
            sub.close()
        self._context.term()
        self._thread.join(DEADLINE_S)


def test_what_those_behind_it_want_is_what_it_gets(publisher: Publisher) -> None:
    relay = Relay(publisher.endpoints[0])
    try:
        euro, pound = relay.subscriber(b"EUR"), relay.subscriber(b"GBP", b"EURUSD")
        for topic in (b"EURCHF", b"GBP", b"EURUSD"):
            publisher.wait_for_subscribers(1, topic=topic, timeout=DEADLINE_S)
        assert not publisher.has_subscribers(b"USD"), "nobody there wants that"

        for number in range(100):
            for topic in (b"EURUSD", b"USDJPY", b"GBPUSD"):
                publisher.publish(topic, b"%d" % number)
        expected = [[topic, b"%d" % n] for n in range(100) for topic in (b"EURUSD", b"GBPUSD")]
        assert [pound.recv_multipart() for _ in range(200)] == expected
        assert [euro.recv_multipart() for _ in range(100)] == expected[::2]
        [proxy] = publisher.subscribers()
        assert (proxy.matched, proxy.sent, proxy.dropped) == (200, 200, 0)
        # Of two prefixes for one topic the proxy needs one, but it forwards both.
        assert proxy.subscriptions == 3
    finally:
        relay.close()


def test_a_subscription_that_is_taken_back_is_taken_back_here(publisher: Publisher) -> None:
    relay = Relay(publisher.endpoints[0])
    try:
        sub = relay.subscriber(b"EUR", b"GBP")
        publisher.wait_for_subscribers(1, topic=b"GBP", timeout=DEADLINE_S)
        sub.unsubscribe(b"GBP")
        wait_until(lambda: not publisher.has_subscribers(b"GBP"), "the cancellation")
        assert publisher.has_subscribers(b"EUR")
    finally:
        relay.close()


def test_one_proxy_may_have_several_publishers(publisher: Publisher) -> None:
    with Publisher("tcp://127.0.0.1:*", workers=1, log_bytes=1 << 20) as other:
        relay = Relay(publisher.endpoints[0], other.endpoints[0])
        try:
            sub = relay.subscriber(b"")
            for one in (publisher, other):
                one.wait_for_subscribers(1, timeout=DEADLINE_S)
            publisher.publish(b"a", b"1")
            other.publish(b"b", b"2")
            assert sorted(sub.recv_multipart() for _ in range(2)) == [[b"a", b"1"], [b"b", b"2"]]
        finally:
            relay.close()
