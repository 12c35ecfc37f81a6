"""Which last values are still to come is known, whatever comes first and whatever is denied."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgpack
import pytest
import zmq

from fanout import LastValues, Publisher, Subscriber, auth
from tests.helpers.waiting import DEADLINE_S, wait_until

if TYPE_CHECKING:
    from tests.helpers.stock import Stock

OPTIONS: dict[str, Any] = {
    "workers": 1,
    "log_bytes": 1 << 22,
    "sequence_frame": True,
    "last_values": LastValues(max_bytes="16M"),
}
S = DEADLINE_S
LARGE = bytes(20_000)


def check(request: auth.Request) -> auth.Verdict:
    return auth.Allow(subscribe=["A", "B", "md.eu."] if request.username == "desk7" else None)


def opened() -> Publisher:
    return Publisher("tcp://127.0.0.1:*", security=auth.Plain(check), **OPTIONS)


def connected(publisher: Publisher, topics: Any) -> Subscriber:
    user = auth.PlainClient("desk7", "x")
    return Subscriber(publisher.endpoints[0], topics, security=user)


def test_those_that_wait_come_though_what_is_asked_for_from_further_back_comes_first() -> None:
    """Its last values are so many that its socket does not take them at once."""
    with Publisher("tcp://127.0.0.1:*", **OPTIONS) as publisher:
        for number in range(200):
            publisher.publish(b"A%d" % number, LARGE)
        publisher.publish("C", b"c")
        with Subscriber(publisher.endpoints[0], "B", queue_bytes="64K") as subscriber:
            publisher.wait_for_subscribers(1, "B", timeout=S)
            publisher.publish("B", b"b")
            epoch = subscriber.recv(S).epoch or 0
            subscriber.subscribe("A")
            publisher.wait_for_subscribers(1, "A", timeout=S)
            got = [subscriber.recv(S)]
            subscriber.subscribe("C", since=(epoch, 198))
            got += [subscriber.recv(S) for _ in range(50)]
            publisher.disconnect(publisher.subscribers()[0].id)
            while len({one.topic for one in got}) < 201:
                got.append(subscriber.recv(S))
    topics = [one.topic for one in got]
    assert sorted(topics) == sorted([b"C", *(b"A%d" % number for number in range(200))])
    assert {one.gap for one in got} == {None}


@pytest.mark.parametrize("lines", [1, 2])
def test_what_is_denied_is_waited_for_by_nobody(lines: int) -> None:
    with opened() as publisher:
        for topic in ("A", "B", "X"):
            publisher.publish(topic, b"old")
        endpoints = publisher.endpoints[0] if lines == 1 else [publisher.endpoints[0]] * lines
        user = auth.PlainClient("desk7", "x")
        with Subscriber(endpoints, ["A", "X"], security=user) as subscriber:
            assert subscriber.recv(S).payload == b"old"
            publisher.wait_for_subscribers(lines, "A", timeout=S)
            streams = subscriber._reading._core.streams
            wait_until(lambda: not any(one.is_showing for one in streams), "all have come")
            subscriber.subscribe("Y")
            subscriber.subscribe("B")
            assert subscriber.recv(S).topic == b"B"
            wait_until(lambda: not any(one.is_showing for one in streams), "all have come")
            publisher.permit("desk7", [""])
            assert subscriber.recv(S).topic == b"X", "which it may have now"
            wait_until(lambda: not any(one._due.asked for one in streams), "it has come")


def test_who_is_denied_what_it_asks_for_from_further_back_can_ask_for_more() -> None:
    with opened() as publisher:
        for topic in ("A", "X", "B"):
            publisher.publish(topic, b"old")
        with connected(publisher, "A") as subscriber:
            subscriber.recv(S)
            subscriber.subscribe("X", since="-3")
            subscriber.subscribe("B", since="-3")
            assert subscriber.recv(S).topic == b"B"


def test_marks_name_what_a_stock_subscriber_has_said(stock: Stock) -> None:
    with opened() as publisher:
        publisher.publish("md.eu.dax", b"1")
        subscriber = stock.socket(zmq.SUB)
        subscriber.plain_username, subscriber.plain_password = b"desk7", b"x"
        for topic in (b"\0fanout.snapshot", b"md.", b"secret"):
            subscriber.subscribe(topic)
        subscriber.connect(publisher.endpoints[0])
        _, begin = subscriber.recv_multipart()
        assert subscriber.recv_multipart()[:2] == [b"md.eu.dax", b"1"]
        _, end = subscriber.recv_multipart()
        said = [msgpack.unpackb(one) for one in (begin, end)]
        assert {(one["subscriptions"], one["denied"], *one["prefixes"]) for one in said} == {
            (2, 1, b"secret", b"md.")
        }
        subscriber.subscribe(b"md.eu.")  # of which it has all
        marks = [msgpack.unpackb(subscriber.recv_multipart()[1]) for _ in range(2)]
        assert [(one["prefixes"], one["count"]) for one in marks] == [([b"md.eu."], 0)] * 2
        publisher.permit("desk7", [""])
        granted = [msgpack.unpackb(subscriber.recv_multipart()[1]) for _ in range(2)]
        assert [one["subscriptions"] for one in granted] == [0, 0]
        assert {*granted[1]["prefixes"]} >= {b"secret"}
