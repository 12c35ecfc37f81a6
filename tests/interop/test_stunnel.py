"""Stock subscribers of a `tls://` endpoint, by stunnel with the recipe of the documentation."""

from __future__ import annotations

import os
import re
import signal
from typing import TYPE_CHECKING

import zmq

from fanout import EventKind, Publisher, Reason
from tests.helpers.happenings import Happenings
from tests.helpers.stock import Seen
from tests.helpers.stunnel import Stunnel
from tests.helpers.tls import server_tls
from tests.helpers.waiting import DEADLINE_S, wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.helpers.stock import Stock

ENDPOINT = "tls://127.0.0.1:*"
LOG_BYTES = 1 << 20
COUNT = 2_000
ELSEWHERE = "elsewhere.example"


def numbered(first: int) -> list[list[bytes]]:
    """Messages that fill several records of TLS."""
    return [[b"A", b"%d" % number, b"x" * 60] for number in range(first, first + COUNT)]


def has_asked(publisher: Publisher, seen: Seen) -> bool:
    """Whether the one subscriber has; libzmq asks again when its program wants something of it."""
    seen.socket.poll(0)
    return [one.subscriptions for one in publisher.subscribers()] == [1]


def test_all_comes_in_order_and_subscriptions_go_the_other_way(
    tmp_path: Path, stock: Stock
) -> None:
    with (
        Publisher(ENDPOINT, workers=1, log_bytes=LOG_BYTES, tls=server_tls()) as publisher,
        Stunnel(publisher.endpoints[0], tmp_path) as stunnel,
    ):
        beating = {zmq.HEARTBEAT_IVL: 20, zmq.HEARTBEAT_TIMEOUT: 60_000}
        subscriber = stock.connect(stunnel.endpoint, b"A", options=beating)
        publisher.wait_for_subscribers(1, b"A", timeout=DEADLINE_S)
        for message in numbered(0):
            publisher.send_multipart(message)
        assert [subscriber.recv_multipart() for _ in range(COUNT)] == numbered(0)
        subscriber.unsubscribe(b"A")
        subscriber.subscribe(b"B")
        publisher.wait_for_subscribers(1, b"B", timeout=DEADLINE_S)
        publisher.publish(b"A", b"no")
        publisher.publish(b"B", b"yes")
        assert subscriber.recv_multipart() == [b"B", b"yes"]


def test_by_the_name_of_another_host_nobody_gets_anything(tmp_path: Path, stock: Stock) -> None:
    happenings = Happenings()
    with (
        Publisher(
            ENDPOINT, workers=1, log_bytes=LOG_BYTES, tls=server_tls(), on_event=happenings
        ) as publisher,
        Stunnel(publisher.endpoints[0], tmp_path, ELSEWHERE) as wrong,
    ):
        seen = Seen(stock).connect(wrong.endpoint)
        [event] = happenings.wait_for(EventKind.HANDSHAKE_FAILED)
        assert "TLS: " in event.reason
        wait_until(lambda: seen.saw(zmq.EVENT_CONNECTED) >= 2, "it has come back")
        wrong.wait_for(re.compile("CERT: Subject checks failed"))
        publisher.publish(b"A", b"no")
        assert seen.saw(zmq.EVENT_HANDSHAKE_SUCCEEDED) == 0
        assert not any(one.subscriptions for one in publisher.subscribers())
        assert seen.socket.poll(0) == 0


def test_a_worker_that_dies_meanwhile_costs_the_connection_alone(
    tmp_path: Path, stock: Stock
) -> None:
    happenings = Happenings()
    with (
        Publisher(
            ENDPOINT, workers=2, log_bytes=LOG_BYTES, tls=server_tls(), on_event=happenings
        ) as publisher,
        Stunnel(publisher.endpoints[0], tmp_path) as stunnel,
    ):
        seen = Seen(stock).connect(stunnel.endpoint)
        publisher.wait_for_subscribers(1, timeout=DEADLINE_S)
        publisher.publish(b"before", b"")
        assert seen.socket.recv_multipart() == [b"before", b""]
        [one] = publisher.subscribers()
        os.kill(publisher.statistics().workers[one.worker].pid, signal.SIGKILL)
        [event] = happenings.wait_for(EventKind.SUBSCRIBER_EVICTED)
        assert event.cause is Reason.WORKER_LOST
        # stunnel passes the end on, and the socket comes back by itself.
        wait_until(lambda: seen.saw(zmq.EVENT_HANDSHAKE_SUCCEEDED) == 2, "it is back")
        wait_until(lambda: has_asked(publisher, seen), "it has asked again")
        for message in numbered(COUNT):
            publisher.send_multipart(message)
        assert [seen.socket.recv_multipart() for _ in range(COUNT)] == numbered(COUNT)
        assert [other.id for other in publisher.subscribers()] != [one.id]
