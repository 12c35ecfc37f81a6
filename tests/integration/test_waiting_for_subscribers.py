"""Who is there: wait_for_subscribers, has_subscribers, subscribers, statistics."""

from __future__ import annotations

import socket
import threading
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from fanout import ClosedError, EventKind, Publisher
from tests.helpers.happenings import Happenings
from tests.helpers.raw import RawPeer
from tests.helpers.waiting import DEADLINE_S, wait_until

if TYPE_CHECKING:
    from tests.helpers.stock import Stock


def test_it_counts_subscribers_that_a_message_would_reach(
    publisher: Publisher, stock: Stock
) -> None:
    endpoint = publisher.endpoints[0]
    assert not publisher.has_subscribers()
    publisher.wait_for_subscribers(0, timeout=0)
    stock.connect(endpoint, b"EUR", b"EURUSD", b"E")  # one subscriber, however it matches
    stock.connect(endpoint, b"GBP")
    stock.connect(endpoint, b"")
    stock.connect(endpoint)  # subscribes to nothing
    publisher.wait_for_subscribers(3, timeout=DEADLINE_S)
    publisher.wait_for_subscribers(2, topic=b"EURUSD", timeout=DEADLINE_S)
    for topic, count in ((None, 3), (b"EURUSD", 2), ("GBP", 2), (b"GB", 1), (b"", 1)):
        publisher.wait_for_subscribers(count, topic=topic, timeout=0)
        with pytest.raises(TimeoutError, match=rf"\b{count} of {count + 1} subscribers"):
            publisher.wait_for_subscribers(count + 1, topic=topic, timeout=0.01)
    assert publisher.has_subscribers()
    assert publisher.has_subscribers(b"anything")


def test_the_timeout_names_topic_and_time(publisher: Publisher) -> None:
    with pytest.raises(TimeoutError, match=r"0 of 1 subscribers .*b'EURUSD'.* after 0\.01 s"):
        publisher.wait_for_subscribers(1, topic=b"EURUSD", timeout=0.01)


def test_who_has_connected_and_wants_nothing_is_not_waited_for(publisher: Publisher) -> None:
    with RawPeer.version_3(publisher.endpoints[0]):
        expected = "0 of 1 subscribers with any subscription after 0.01 s"
        with pytest.raises(TimeoutError, match=f"^{expected}$"):
            publisher.wait_for_subscribers(1, timeout=0.01)


def test_what_is_published_after_it_reaches_them_all(publisher: Publisher, stock: Stock) -> None:
    for number in range(30):
        topic = b"t%d" % number
        subscriber = stock.connect(publisher.endpoints[0], topic)
        publisher.wait_for_subscribers(1, topic=topic, timeout=DEADLINE_S)
        publisher.publish(topic, b"at once")
        assert subscriber.recv_multipart() == [topic, b"at once"]
        subscriber.close()


def test_they_are_not_counted_any_more_when_they_leave(publisher: Publisher) -> None:
    with RawPeer.version_3(publisher.endpoints[0], b"A") as peer:
        publisher.wait_for_subscribers(1, topic=b"A", timeout=DEADLINE_S)
        peer.send(b"\x04\x08\x06CANCELA")
        wait_until(lambda: not publisher.has_subscribers(), "the cancellation is seen")
        assert [one.subscriptions for one in publisher.subscribers()] == [0]
        peer.send(b"\x04\x0b\x09SUBSCRIBEA")
        publisher.wait_for_subscribers(1, topic=b"A", timeout=DEADLINE_S)
    wait_until(lambda: not publisher.has_subscribers(), "the end is seen")
    wait_until(lambda: publisher.subscribers() == (), "it is gone")


def test_the_last_unsubscribe_of_a_stock_socket_ends_a_duplicate_subscription(
    publisher: Publisher, stock: Stock
) -> None:
    subscriber = stock.connect(publisher.endpoints[0], b"A", b"A", b"A", b"B")
    publisher.wait_for_subscribers(1, topic=b"B", timeout=DEADLINE_S)
    subscriber.unsubscribe(b"A")
    subscriber.unsubscribe(b"A")
    subscriber.subscribe(b"C")  # the others were before it
    publisher.wait_for_subscribers(1, topic=b"C", timeout=DEADLINE_S)
    assert publisher.has_subscribers(b"A")
    subscriber.unsubscribe(b"A")  # for this one only libzmq sends a CANCEL
    wait_until(lambda: not publisher.has_subscribers(b"A"), "the cancellation is seen")
    assert [one.subscriptions for one in publisher.subscribers()] == [2]


def test_closing_ends_a_wait(publisher: Publisher) -> None:
    caught: list[BaseException] = []

    def wait() -> None:
        try:
            publisher.wait_for_subscribers(1)
        except BaseException as error:
            caught.append(error)

    waiting = threading.Thread(target=wait)
    waiting.start()
    publisher.stop()
    waiting.join(DEADLINE_S)
    assert [type(error) for error in caught] == [ClosedError]


def test_statistics_are_exact(stock: Stock) -> None:
    happenings = Happenings()
    with Publisher("tcp://127.0.0.1:*", workers=2, on_event=happenings) as publisher:
        endpoint = publisher.endpoints[0]
        with (
            RawPeer.version_3(endpoint, b"") as everything,
            RawPeer.version_3(endpoint, b"a", b"a1", b"b7", minor=0) as some,
        ):
            publisher.wait_for_subscribers(2, timeout=DEADLINE_S)
            publisher.wait_for_subscribers(2, topic=b"b7", timeout=DEADLINE_S)
            for number in range(1000):
                publisher.publish(b"%c%d" % (b"abcd"[number % 4], number % 10), b"x")
            wanted = [n for n in range(1000) if n % 4 == 0 or (n % 4 == 1 and n % 10 == 7)]
            for number in range(1000):
                assert everything.read_message()[0][1:] == b"%d" % (number % 10)
            for number in wanted:
                assert some.read_message()[0][1:] == b"%d" % (number % 10)
            first, second = publisher.subscribers()
            assert (first.matched, first.sent, first.queued) == (1000, 1000, 0)
            assert (second.matched, second.sent) == (len(wanted), len(wanted))
            assert (first.sent_bytes, second.sent_bytes) == (1000 * 7, len(wanted) * 7)
            assert (first.subscriptions, second.subscriptions) == (1, 3)
            assert (first.version, second.version) == ("3.1", "3.0")
            assert {first.endpoint, second.endpoint} == {endpoint}
            assert first.peer == f"127.0.0.1:{everything.socket.getsockname()[1]}"
            assert (first.dropped, first.discarded, first.lag_bytes) == (0, 0, 0)
            assert first.blocked_s == 0.0
            assert first.id < second.id
            total = publisher.statistics()
            assert (total.published, total.published_bytes) == (1000, 7000)
            assert (total.subscribers, total.accepted, total.refused) == (2, 2, 0)
            assert (total.sent, total.dropped) == (1000 + len(wanted), 0)
            assert sum(worker.subscribers for worker in total.workers) == 2
        happenings.wait_for(EventKind.SUBSCRIBER_DISCONNECTED, 2)
        with RawPeer(endpoint) as stranger:
            stranger.send(b"GET / HTTP/1.1\r\n\r\n")
            stranger.read_to_end()
        wait_until(lambda: publisher.statistics().failed_handshakes == 1, "it is counted")
        total = publisher.statistics()
        assert (total.subscribers, total.accepted, total.disconnected) == (0, 3, 2)
        assert (total.evicted, total.discarded) == (0, 0)
        assert total.sent == 1000 + len(wanted)
    connected = happenings.of(EventKind.SUBSCRIBER_CONNECTED)
    # Two workers told, and whose report is read first is open.
    assert sorted(event.subscriber or 0 for event in connected) == [first.id, second.id]


@pytest.mark.unmeasured
def test_statistics_include_all_that_was_published_before_they_were_asked_for(
    publisher: Publisher,
) -> None:
    with RawPeer.version_3(publisher.endpoints[0], b"a"):
        publisher.wait_for_subscribers(1, timeout=DEADLINE_S)
        for number in range(1, 200):
            with publisher.batch() as batch:
                for _ in range(20):
                    batch.publish(b"a", b"")
            assert [one.matched for one in publisher.subscribers()] == [number * 20]
            assert publisher.statistics().sent <= number * 20


def test_more_than_the_limits_allow_are_refused_and_counted() -> None:
    happenings = Happenings()
    with Publisher(
        "tcp://127.0.0.1:*", workers=1, log_bytes=1 << 20, max_subscribers=2, on_event=happenings
    ) as publisher:
        endpoint = publisher.endpoints[0]
        with RawPeer.version_3(endpoint, b"A") as one, RawPeer.version_3(endpoint, b"A"):
            publisher.wait_for_subscribers(2, timeout=DEADLINE_S)
            with RawPeer(endpoint) as third:
                assert third.read_to_end() == b""
            refused = happenings.wait_for(EventKind.CONNECTION_REFUSED)[0]
            assert "max_subscribers" in refused.reason
            assert publisher.statistics().refused == 1
            one.close()
            wait_until(lambda: len(publisher.subscribers()) == 1, "one has left")
            with RawPeer.version_3(endpoint, b"A"):
                publisher.wait_for_subscribers(2, timeout=DEADLINE_S)


@pytest.mark.unmeasured
def test_it_keeps_its_promise_in_a_flood(publisher: Publisher) -> None:
    """Workers that are busy, and behind the head, promise nothing that they do not keep."""
    endpoint = publisher.endpoints[0]
    stopped = threading.Event()

    def flood() -> None:
        number = 0
        while not stopped.is_set():
            with publisher.batch() as batch:
                for _ in range(100):
                    batch.publish(b"flood%d" % (number % 50), bytes(200))
                    number += 1

    def read(peer: RawPeer) -> None:
        try:
            while peer.socket.recv(1 << 20):
                pass
        except ConnectionResetError:
            # Its half is shut at the end, and the publisher may answer that with a reset.
            assert stopped.is_set()

    with ExitStack() as stack:
        readers = []
        for prefix in (b"flood", b"flood1", b"flood", b"flood2"):
            peer = stack.enter_context(RawPeer.version_3(endpoint, prefix))
            readers.append((peer, threading.Thread(target=read, args=(peer,))))
        publisher.wait_for_subscribers(4, timeout=DEADLINE_S)
        threads = [threading.Thread(target=flood), *(thread for _, thread in readers)]
        for thread in threads:
            thread.start()
        try:
            for number in range(20):
                topic = b"marker%d" % number
                with ExitStack() as newcomers:
                    peers = [
                        newcomers.enter_context(RawPeer.version_3(endpoint, topic, minor=minor))
                        for minor in (0, 1, 1, 1)
                    ]
                    publisher.wait_for_subscribers(4, topic=topic, timeout=DEADLINE_S)
                    publisher.publish(topic, b"at once")
                    assert [peer.read_message() for peer in peers] == [[topic, b"at once"]] * 4
        finally:
            stopped.set()
            for peer, _ in readers:
                peer.socket.shutdown(socket.SHUT_RDWR)
            for thread in threads:
                thread.join(DEADLINE_S)
