"""Who has much to say is served, and who says too much hurts nobody and is named."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest
import zmq

from fanout import Event, EventKind, Publisher, Reason
from tests.helpers.raw import RawPeer, command
from tests.helpers.waiting import DEADLINE_S, wait_until

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from tests.helpers.stock import Stock

TOPICS = 10_000


def publishing(events: list[Event]) -> AbstractContextManager[Publisher]:
    return Publisher("tcp://127.0.0.1:*", workers=1, log_bytes=1 << 22, on_event=events.append)


def of_kind(events: list[Event], kind: EventKind) -> list[Event]:
    return [event for event in events if event.kind is kind]


@pytest.mark.unmeasured
def test_a_list_of_ten_thousand_topics_is_in_force_without_being_put_off(stock: Stock) -> None:
    """It was put off after each part, for as long as what it had already: 7.5 s in all."""
    events: list[Event] = []
    with publishing(events) as publisher:
        subscriber = stock.connect(publisher.endpoints[0], options={zmq.SNDHWM: 0})
        for index in range(TOPICS):
            subscriber.setsockopt(zmq.SUBSCRIBE, b"topic.%05d" % index)
        last = b"topic.%05d" % (TOPICS - 1)
        publisher.wait_for_subscribers(1, last, timeout=DEADLINE_S)
        publisher.send_multipart([last, b"here"])
        assert subscriber.recv_multipart() == [last, b"here"]
        (row,) = publisher.subscribers()
        assert row.subscriptions == TOPICS
        assert publisher.statistics().throttled == 0
        again = stock.connect(publisher.endpoints[0], options={zmq.SNDHWM: 0})
        subscriber.close()
        for index in range(TOPICS):  # the same list, while the old one is being taken out
            again.setsockopt(zmq.SUBSCRIBE, b"topic.%05d" % index)
        wait_until(lambda: all_are_of_another(publisher, row.id), "all")
        publisher.send_multipart([last, b"again"])
        assert again.recv_multipart() == [last, b"again"]
        interest = publisher._engine.interest
        wait_until(lambda: not interest.has_leaving, "the old list is taken out")
        assert interest.count(last) == 1


def all_are_of_another(publisher: Publisher, subscriber: int) -> bool:
    """Whether somebody else has subscribed to everything, and this one has left."""
    found = {row.id: row.subscriptions for row in publisher.subscribers()}
    return subscriber not in found and [*found.values()] == [TOPICS]


class Talker:
    """Says the same again and again, as fast as it is read."""

    def __init__(self, publisher: Publisher, words: bytes) -> None:
        self._peer = RawPeer.version_3(publisher.endpoints[0])
        self._peer.socket.setblocking(False)
        self._words = words
        self._rest = b""

    def talk(self) -> None:
        with contextlib.suppress(BlockingIOError):
            for _ in range(10):
                self._rest = self._rest or self._words
                self._rest = self._rest[self._peer.socket.send(self._rest) :]
        with contextlib.suppress(BlockingIOError):
            self._peer.socket.recv(1 << 20)

    def close(self) -> None:
        self._peer.close()


@pytest.mark.unmeasured
@pytest.mark.parametrize(
    "words",
    [
        command(b"SUBSCRIBE", b"healthy/x") + command(b"CANCEL", b"healthy/x"),
        command(b"PING", b"\x00\x00context"),
    ],
    ids=["changes", "pings"],
)
def test_who_talks_without_end_is_named_and_who_listens_gets_everything(
    words: bytes, stock: Stock
) -> None:
    events: list[Event] = []
    with publishing(events) as publisher:
        healthy = stock.connect(publisher.endpoints[0], b"healthy")
        publisher.wait_for_subscribers(1, b"healthy", timeout=DEADLINE_S)
        (listening,) = publisher.subscribers()
        talker = Talker(publisher, words * 500)

        def is_counted() -> bool:
            talker.talk()
            publisher.publish(b"healthy/1", b"x")
            assert healthy.recv_multipart() == [b"healthy/1", b"x"]
            return publisher.statistics().throttled >= 1

        wait_until(is_counted, "it is counted", deadline_s=60)
        wait_until(lambda: of_kind(events, EventKind.SUBSCRIBER_THROTTLED), "it is told")
        named = of_kind(events, EventKind.SUBSCRIBER_THROTTLED)[0]
        assert named.cause is Reason.BUSY
        (other,) = (row.id for row in publisher.subscribers() if row.id != listening.id)
        assert named.subscriber == other
        talker.close()
