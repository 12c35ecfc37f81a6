"""What users may have, from a check to what a stock subscriber gets, and gets no more."""

from __future__ import annotations

import asyncio
import socket
import time
from typing import TYPE_CHECKING, Any

import psutil
import pytest
import zmq

import fanout.asyncio
from fanout import EventKind, LastValues, Publisher, Reason, auth
from tests.helpers.happenings import Happenings
from tests.helpers.waiting import DEADLINE_S, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.helpers.stock import Stock

SMALL: dict[str, Any] = {"workers": 1, "log_bytes": 1 << 20}
RULES: dict[str, list[str] | None] = {
    "desk7": ["md.eu.", "news"],
    "boss": None,
    "nobody": [],
}


def check(request: auth.Request) -> auth.Verdict:
    """Whoever is known is let in, with what he may have."""
    if request.username not in RULES:
        return auth.Deny("unknown")
    return auth.Allow(subscribe=RULES[request.username])


@pytest.fixture
def connect(stock: Stock) -> Callable[..., Any]:
    def one(publisher: Publisher | str, user: str, *topics: bytes) -> Any:
        subscriber = stock.socket(zmq.SUB)
        subscriber.plain_username, subscriber.plain_password = user.encode(), b"x"
        subscriber.set(zmq.RECONNECT_IVL, 20)
        for topic in topics or (b"",):
            subscriber.subscribe(topic)
        endpoint = publisher if isinstance(publisher, str) else publisher.endpoints[0]
        subscriber.connect(endpoint)
        return subscriber

    return one


def opened(security: auth.Security | None = None, **options: Any) -> tuple[Publisher, Happenings]:
    happenings = Happenings()
    made = Publisher(
        "tcp://127.0.0.1:*",
        on_event=happenings,
        security=security or auth.Plain(check),
        **{**SMALL, **options},
    )
    return made, happenings


def topics_of(subscriber: Any, last: bytes) -> list[bytes]:
    """What it gets, up to this."""
    found: list[bytes] = []
    while True:
        topic = subscriber.recv_multipart()[0]
        if topic == last:
            return found
        found.append(topic)


def received_of(peer: socket.socket) -> bytes | None:
    """What comes next; None = a reset."""
    try:
        return peer.recv(65_536)
    except ConnectionResetError:
        return None


def subscribed(publisher: Publisher, *counts: int) -> None:
    wait_until(
        lambda: [one.subscriptions for one in publisher.subscribers()] == list(counts),
        "they have subscribed",
    )


ALL = [b"md.eu.1", b"md.us.1", b"news", b"newsletter", b"md", b"secret"]


def test_each_gets_what_he_may_have_of_what_he_asks_for(connect: Callable[..., Any]) -> None:
    publisher, happenings = opened()
    with publisher:
        broad = connect(publisher, "desk7")
        subscribed(publisher, 2)
        exact = connect(publisher, "desk7", b"md.eu.1", b"secret", b"n")
        subscribed(publisher, 2, 2)
        boss = connect(publisher, "boss")
        subscribed(publisher, 2, 2, 1)
        for topic in ALL:
            publisher.publish(topic, b"x")
        publisher.publish(b"news.end", b"x")
        assert topics_of(broad, b"news.end") == [b"md.eu.1", b"news", b"newsletter"]
        assert topics_of(exact, b"news.end") == [b"md.eu.1", b"news", b"newsletter"]
        assert topics_of(boss, b"news.end") == ALL
        [event] = happenings.wait_for(EventKind.SUBSCRIPTION_REFUSED)
        assert event.user == "desk7"
        assert (event.reason, event.cause) == ("may not have b'secret'", Reason.NOT_PERMITTED)
        assert publisher.statistics().subscriptions_refused == 1
        boss.unsubscribe(b"")
        subscribed(publisher, 2, 2, 0)
        assert publisher.has_subscribers(b"md.eu.1")
        assert not publisher.has_subscribers(b"md.us.1"), "nobody would get it"


def test_who_may_have_nothing_wants_nothing(connect: Callable[..., Any]) -> None:
    publisher, happenings = opened()
    with publisher:
        connect(publisher, "nobody", b"a", b"b", b"c")
        [event] = happenings.wait_for(EventKind.SUBSCRIPTION_REFUSED)
        assert event.reason == "may not have b'a', and 2 more"
        assert not publisher.has_subscribers()
        assert publisher.statistics().subscriptions_refused == 3


def test_rights_change_while_it_is_connected(connect: Callable[..., Any]) -> None:
    publisher, _ = opened()
    with publisher:
        subscriber = connect(publisher, "desk7", b"md.", b"news")
        subscribed(publisher, 2)
        publisher.publish(b"md.eu.1", b"before")
        publisher.permit("desk7", ["md.us.", b"md.eu.1"])
        for topic in (b"md.eu.2", b"news", b"md.us.1", b"md.eu.1"):
            publisher.publish(topic, b"narrowed")
        publisher.permit("desk7", None)
        for topic in (b"md.us.2", b"md.eu.2", b"news"):
            publisher.publish(topic, b"as before")
        publisher.permit("desk7", [""])
        publisher.publish(b"md.fr", b"all")
        publisher.publish(b"other", b"not asked for")
        publisher.publish(b"md.end", b"")
        assert topics_of(subscriber, b"md.end") == [
            *(b"md.eu.1", b"md.us.1", b"md.eu.1"),
            *(b"md.eu.2", b"news", b"md.fr"),
        ]
        subscriber.unsubscribe(b"md.")
        subscribed(publisher, 1)


def test_nothing_comes_after_rights_were_taken(connect: Callable[..., Any]) -> None:
    """Again and again, while it is published as fast as it goes: exact from a message on."""
    publisher, _ = opened(auth.Plain(check), workers=2)
    with publisher:
        subscribers = [connect(publisher, "boss", b"") for _ in range(3)]
        subscribed(publisher, 1, 1, 1)
        expected = []
        for number in range(60):
            allowed = number % 3
            publisher.permit("boss", [b"%d" % allowed, b"end"])
            for topic in (0, 1, 2):
                publisher.publish(b"%d" % topic, b"%d" % number)
            expected.append([b"%d" % allowed, b"%d" % number])
        publisher.publish(b"end", b"")
        for subscriber in subscribers:
            assert [subscriber.recv_multipart() for _ in range(60)] == expected
            assert subscriber.recv_multipart() == [b"end", b""]


def test_rights_said_before_he_comes_and_after_he_comes_again(
    connect: Callable[..., Any],
) -> None:
    publisher, _ = opened()
    with publisher:
        publisher.permit("boss", ["news"])
        first = connect(publisher, "boss")
        subscribed(publisher, 1)
        publisher.disconnect(publisher.subscribers()[0].id)
        wait_until(lambda: len(publisher.closed_subscribers()) == 1, "it is gone")
        wait_until(lambda: first.poll(0) or publisher.has_subscribers(), "it is back")
        publisher.publish(b"md.eu.1", b"")
        publisher.publish(b"news", b"")
        assert first.recv_multipart()[0] == b"news"


@pytest.mark.parametrize("during", ["quiet", "behind"])
def test_who_is_taken_over_keeps_user_and_rights(connect: Callable[..., Any], during: str) -> None:
    publisher, _ = opened(workers=2, log_bytes=1 << 22)
    with publisher:
        subscriber = connect(publisher, "desk7", b"", b"secret")
        subscribed(publisher, 2)
        [before] = publisher.subscribers()
        sent = [b"news%d" % number for number in range(200 if during == "behind" else 1)]
        for topic in sent:
            publisher.publish(topic, b"x" * 10_000)
        psutil.Process(publisher.statistics().workers[before.worker].pid).kill()
        publisher.publish(b"secret", b"after")
        publisher.publish(b"md.eu.1", b"after")
        wait_until(lambda: publisher.statistics().resumed == 1, "it goes on")
        assert topics_of(subscriber, b"md.eu.1") == sent
        [after] = publisher.subscribers()
        assert (after.id, after.user) == (before.id, "desk7")
        # What it had asked for in vain is known to the worker that goes on with it.
        publisher.permit("desk7", ["secret", "md.us."])
        for topic in (b"news", b"md.eu.1", b"secret", b"md.us.1"):
            publisher.publish(topic, b"")
        publisher.publish(b"md.us.end", b"")
        assert topics_of(subscriber, b"md.us.end") == [b"secret", b"md.us.1"]
        subscriber.unsubscribe(b"")
        subscribed(publisher, 1)
        publisher.publish(b"md.us.1", b"")
        publisher.publish(b"secret", b"last")
        assert subscriber.recv_multipart() == [b"secret", b"last"]
        assert publisher.statistics().not_resumed == 0


def test_who_is_moved_keeps_its_rights(connect: Callable[..., Any]) -> None:
    publisher, _ = opened(workers=2)
    with publisher:
        subscriber = connect(publisher, "desk7", b"", b"secret")
        subscribed(publisher, 2)
        for number in range(6):
            [one] = publisher.subscribers()
            publisher.move(one.id, 1 - one.worker)
            publisher.permit("desk7", ["secret"] if number % 2 else ["md."])
            for topic in (b"secret", b"md.1"):
                publisher.publish(topic, b"%d" % number)
            expected = b"secret" if number % 2 else b"md.1"
            assert subscriber.recv_multipart() == [expected, b"%d" % number]
        publisher.restart_workers()
        publisher.wait_for_workers(DEADLINE_S)
        publisher.permit("desk7", ["news"])
        publisher.publish(b"secret", b"")
        publisher.publish(b"news", b"")
        assert subscriber.recv_multipart()[0] == b"news"


def test_a_worker_that_is_lost_while_rights_change(connect: Callable[..., Any]) -> None:
    publisher, _ = opened(workers=2)
    with publisher:
        subscribers = [connect(publisher, "boss") for _ in range(8)]
        subscribed(publisher, *[1] * 8)
        for number in range(4):
            worker = publisher.statistics().workers[number % 2].pid
            psutil.Process(worker).kill()
            allowed = b"%d" % (number % 2)
            publisher.permit("boss", [allowed])
            for topic in (b"0", b"1"):
                publisher.publish(topic, b"%d" % number)
            for subscriber in subscribers:
                assert subscriber.recv_multipart() == [allowed, b"%d" % number]
            publisher.wait_for_workers(DEADLINE_S)


def test_last_values_and_what_was_missed_are_within_the_rights(
    connect: Callable[..., Any],
) -> None:
    publisher, _ = opened(last_values=LastValues())
    with publisher:
        for topic in (*ALL, b"md.eu.2"):
            publisher.publish(topic, b"last")
        subscriber = connect(publisher, "desk7")
        subscribed(publisher, 2)
        publisher.publish(b"news.end", b"")
        assert sorted(topics_of(subscriber, b"news.end")) == sorted(
            [b"md.eu.1", b"news", b"newsletter", b"md.eu.2"]
        )
        again = connect(publisher, "desk7", b"\x00fanout.since=-1000", b"")
        publisher.wait_for_subscribers(2, timeout=DEADLINE_S)
        publisher.publish(b"news.last", b"")
        assert set(topics_of(again, b"news.last")) <= {
            *(b"md.eu.1", b"news", b"newsletter", b"md.eu.2", b"news.end")
        }
        publisher.permit("desk7", ["secret"])
        publisher.publish(b"secret", b"now")
        assert subscriber.recv_multipart()[0] == b"news.last"
        shown = [subscriber.recv_multipart()]
        if shown == [[b"secret", b"last"]]:  # else it was newer already when that was looked up
            shown = [subscriber.recv_multipart()]
        assert shown == [[b"secret", b"now"]]


def test_who_wants_to_know_is_told_what_it_may_not_have(connect: Callable[..., Any]) -> None:
    publisher, _ = opened()
    with publisher:
        subscriber = connect(publisher, "desk7", b"\x00fanout.denied", b"news", b"secret")
        assert subscriber.recv_multipart() == [b"\x00fanout.denied", b"secret"]
        subscribed(publisher, 1)
        publisher.permit("desk7", ["secret"])
        assert subscriber.recv_multipart() == [b"\x00fanout.denied", b"news"]
        publisher.publish(b"secret", b"x")
        assert subscriber.recv_multipart() == [b"secret", b"x"]


class TestSendingAway:
    def test_all_of_a_user_and_for_good(self, connect: Callable[..., Any]) -> None:
        publisher, happenings = opened(workers=2)
        with publisher:
            gone = [connect(publisher, "desk7") for _ in range(4)]
            boss = connect(publisher, "boss")
            publisher.wait_for_subscribers(5, timeout=DEADLINE_S)
            assert publisher.disconnect(user="desk7", reason="left the firm")
            events = happenings.wait_for(EventKind.SUBSCRIBER_EVICTED, 4)
            assert {one.cause for one in events} == {Reason.DISCONNECTED_BY_CALL}
            assert {one.user for one in events} == {"desk7"}
            assert all(one.reason.endswith("left the firm") for one in events)
            publisher.publish(b"news", b"after")
            assert boss.recv_multipart() == [b"news", b"after"]
            wait_until(lambda: not any(one.poll(10) for one in gone), "nothing comes")
            denied = happenings.wait_for(EventKind.HANDSHAKE_FAILED)[0]
            assert denied.cause is Reason.DENIED
            assert not publisher.disconnect(user="desk7")
            assert [one.user for one in publisher.subscribers()] == ["boss"]
            publisher.permit("desk7", None)
            back = connect(publisher, "desk7")
            publisher.wait_for_subscribers(2, timeout=DEADLINE_S)
            publisher.publish(b"news", b"again")
            assert back.recv_multipart() == [b"news", b"again"]

    def test_nothing_that_waits_in_the_kernel_is_delivered(self) -> None:
        """It is told by a reset: what had not arrived never does."""
        publisher, _ = opened(kernel_queue_bytes=1 << 20, log_bytes=1 << 24)
        with publisher, socket.socket() as peer:
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            host, _, port = publisher.endpoints[0].removeprefix("tcp://").rpartition(":")
            peer.settimeout(30)
            peer.connect((host, int(port)))
            greeting = b"\xff" + bytes(8) + b"\x7f\x03\x01PLAIN" + bytes(47)
            ready = b"\x08INITIATE\x0bSocket-Type\x00\x00\x00\x03SUB"
            hello = b"\x05HELLO\x05desk7\x01x"
            peer.sendall(greeting + b"\x04" + bytes([len(hello)]) + hello)
            seen = b""
            while not seen.endswith(b"WELCOME"):
                seen += peer.recv(4096)
            peer.sendall(b"\x04" + bytes([len(ready)]) + ready + b"\x00\x05\x01news")
            publisher.wait_for_subscribers(1, timeout=DEADLINE_S)
            for number in range(100):
                publisher.publish(b"news", b"%d" % number + bytes(10_000))
            wait_until(lambda: publisher.subscribers()[0].sent > 20, "the kernel holds a lot")
            assert publisher.disconnect(user="desk7")
            received = 0
            while (part := received_of(peer)) is not None:
                assert part, "a reset, and not an orderly end"
                received += len(part)
            assert received < 100_000, "what the receiving side had already"

    def test_one_of_three(self) -> None:
        publisher, _ = opened()
        with publisher:
            calls: list[dict[str, Any]] = [{}, {"user": "a", "key": "b"}]
            for wrong in calls:
                with pytest.raises(TypeError, match="takes one of"):
                    publisher.disconnect(**wrong)
            with pytest.raises(TypeError, match="takes one of"):
                publisher.disconnect(5, user="a")
            assert not publisher.disconnect(key="Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID")


class TestAllow:
    def test_its_time_is_over(self, connect: Callable[..., Any]) -> None:
        publisher, happenings = opened(auth.Plain(lambda _: auth.Allow(expires=0.3)))
        with publisher:
            subscriber = connect(publisher, "desk7")
            began = time.monotonic()
            [event, *_] = happenings.wait_for(EventKind.SUBSCRIBER_EVICTED)
            assert event.cause is Reason.EXPIRED
            assert time.monotonic() - began >= 0.3
            wait_until(
                lambda: subscriber.poll(0) or publisher.statistics().accepted > 1, "it is back"
            )

    def test_so_many_connections_of_one_user(self, connect: Callable[..., Any]) -> None:
        publisher, happenings = opened(auth.Plain(lambda _: auth.Allow(max_connections=2)))
        with publisher:
            for count in (1, 2):
                connect(publisher, "desk7")
                publisher.wait_for_subscribers(count, timeout=DEADLINE_S)
            connect(publisher, "desk7")
            event = happenings.wait_for(EventKind.HANDSHAKE_FAILED)[0]
            assert event.cause is Reason.PUT_OFF
            assert "may have no more (max_connections)" in event.reason
            connect(publisher, "desk8")
            publisher.wait_for_subscribers(3, timeout=DEADLINE_S)
            publisher.disconnect(publisher.subscribers()[0].id)
            happenings.wait_for(EventKind.SUBSCRIBER_CONNECTED, 4)

    def test_what_a_user_may_have_is_bounded(self) -> None:
        publisher, _ = opened()
        with publisher:
            wrong: Any
            for wrong in ("news", b"news", 5):
                with pytest.raises(TypeError, match="a list of prefixes"):
                    publisher.permit("desk7", wrong)
            with pytest.raises(TypeError, match="a prefix must be"):
                publisher.permit("desk7", [5])  # type: ignore[list-item]
            with pytest.raises(ValueError, match="up to 1,000 prefixes"):
                publisher.permit("desk7", map(str, range(1_001)))
            with pytest.raises(ValueError, match="up to 1,000 prefixes"):
                publisher.permit("desk7", ["x" * 65_537])
            with pytest.raises(TypeError, match="user must be a str"):
                publisher.permit(5, [])  # type: ignore[arg-type]


def test_asyncio_has_the_same(connect: Callable[..., Any]) -> None:
    async def run() -> tuple[bool, bool]:
        async with fanout.asyncio.Publisher(
            "tcp://127.0.0.1:*", security=auth.Plain(check), **SMALL
        ) as publisher:
            subscriber = connect(publisher.endpoints[0], "desk7", b"news", b"md.eu.")
            await publisher.wait_for_subscribers(1, timeout=DEADLINE_S)
            await publisher.permit("desk7", ["md."])
            await publisher.publish(b"news", b"")
            await publisher.publish(b"md.eu.1", b"")
            assert subscriber.recv_multipart() == [b"md.eu.1", b""]
            with pytest.raises(TypeError):
                await publisher.disconnect()
            return await publisher.disconnect(user="desk7"), await publisher.disconnect(user="x")

    assert asyncio.run(run()) == (True, False)
