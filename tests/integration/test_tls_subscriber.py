"""The subscriber on `tls://`, in both faces: who is served, who is refused and told why."""

from __future__ import annotations

import asyncio
import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
import zmq

import fanout.asyncio
from fanout import ConfigError, Publisher, ReceiverEventKind, Subscriber, auth
from fanout.security.tls import context_of
from fanout.subscriber import line
from tests.helpers.certificates import (
    AUTHORITY,
    CLIENT,
    CLIENT_KEY,
    OTHER_AUTHORITY,
    SERVER,
    SERVER_KEY,
)
from tests.helpers.command import Command
from tests.helpers.happenings import Told
from tests.helpers.healing import get_the_first_and_the_last, heal_and_miss_nothing
from tests.helpers.tls import Relay, server_tls
from tests.helpers.waiting import DEADLINE_S, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ANY = "tls://127.0.0.1:*"
OPTIONS: dict[str, Any] = {"workers": 1, "log_bytes": 4 << 20, "sequence_frame": True}
S = DEADLINE_S
PASSWORD = "geheim42"
TRUSTS = auth.TlsClient(ca=AUTHORITY)
SHOWS = auth.TlsClient(ca=AUTHORITY, certificate=CLIENT, private_key=CLIENT_KEY)
REFUSED, FAILED = ReceiverEventKind.REFUSED, ReceiverEventKind.FAILED


def opened(endpoint: str = ANY, *, client_ca: bytes | None = None, **options: Any) -> Publisher:
    tls = server_tls(client_ca=client_ca) if endpoint.startswith("tls") else None
    return Publisher(endpoint, tls=tls, **{**OPTIONS, **options})


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_who_trusts_the_publisher_is_served(host: str) -> None:
    sizes = [0, 1, 16_383, 16_384, 100_000, 1_000_000]
    with opened() as publisher:
        endpoint = publisher.endpoints[0].replace("127.0.0.1", host)
        with Subscriber(endpoint, "A", tls=TRUSTS) as subscriber:
            publisher.wait_for_subscribers(1, "A", timeout=S)
            for size in sizes:
                publisher.publish("A", b"x" * size)
                publisher.publish("B", b"not for it")
            assert [len(subscriber.recv(S).payload) for _ in sizes] == sizes
            subscriber.subscribe("B")
            subscriber.unsubscribe("A")
            publisher.wait_for_subscribers(1, "B", timeout=S)
            publisher.publish("B", b"later")
            assert subscriber.recv(S).payload == b"later"
            assert publisher.subscribers()[0].endpoint == publisher.endpoints[0]


def test_asyncio_has_the_same() -> None:
    async def main(publisher: Publisher) -> None:
        endpoint = publisher.endpoints[0]
        async with fanout.asyncio.Subscriber(endpoint, "A", tls=TRUSTS) as subscriber:
            await asyncio.to_thread(publisher.wait_for_subscribers, 1, "A", timeout=S)
            for size in (0, 16_385, 1_000_000):
                publisher.publish("A", b"x" * size)
                assert len((await subscriber.recv(S)).payload) == size

    with opened() as publisher:
        asyncio.run(main(publisher))


def test_cancelled_anywhere_nothing_is_lost() -> None:
    count = 300

    async def main(publisher: Publisher) -> list[int | None]:
        endpoint = publisher.endpoints[0]
        got: list[int | None] = []
        async with fanout.asyncio.Subscriber(endpoint, tls=TRUSTS) as subscriber:
            await asyncio.to_thread(publisher.wait_for_subscribers, 1, "A", timeout=S)
            for number in range(count):
                publisher.publish("A", b"x" * (number * 10))
            steps = 0
            while len(got) < count:
                receiving = asyncio.ensure_future(subscriber.recv(S))
                for _ in range(steps % 4):
                    await asyncio.sleep(0)
                if not receiving.done():
                    receiving.cancel()
                try:
                    got.append((await receiving).sequence)
                except asyncio.CancelledError:
                    await subscriber.poll(0.01)
                steps += 1
                assert steps < 100_000
        return got

    with opened() as publisher:
        assert asyncio.run(main(publisher)) == list(range(count))


def test_plain_inside_and_who_is_denied_there() -> None:
    """A password is said to nobody but who has the certificate."""
    plain = auth.Plain(lambda request: request.password == PASSWORD)
    told = Told()
    with opened(security=plain) as publisher:
        endpoint = publisher.endpoints[0]
        user = auth.PlainClient("desk7", PASSWORD)
        with Subscriber(endpoint, tls=TRUSTS, security=user) as subscriber:
            publisher.wait_for_subscribers(1, timeout=S)
            publisher.publish("A", b"x")
            assert subscriber.recv(S).frames == (b"A", b"x")
            assert publisher.subscribers()[0].user == "desk7"
        wrong = auth.PlainClient("desk7", "wrong")
        with Subscriber(endpoint, tls=TRUSTS, security=wrong, on_event=told):
            told.wait_for(REFUSED)
    assert "denies user and password" in told.events[0].text


REFUSALS: list[tuple[Any, Any, str]] = [
    ({}, None, "its ca must have who has signed it"),
    ({}, auth.TlsClient(ca=OTHER_AUTHORITY), "its ca must have who has signed it"),
    (
        {},
        auth.TlsClient(ca=AUTHORITY, server_name="feed.example"),
        "is not valid for 'feed.example'.): connect by a name that it has",
    ),
    ({"client_ca": AUTHORITY}, TRUSTS, "serves only who shows a certificate"),
    (
        {"client_ca": OTHER_AUTHORITY},
        SHOWS,
        "does not trust the certificate of this subscriber",
    ),
    ({"endpoint": "tcp://127.0.0.1:*"}, TRUSTS, "speaks no TLS: connect to tcp://"),
]


@pytest.mark.parametrize(("options", "tls", "text"), REFUSALS)
def test_who_is_not_served_is_told_why_and_tries_again(
    options: dict[str, Any], tls: auth.TlsClient | None, text: str
) -> None:
    told = Told()
    with opened(**options) as publisher:
        endpoint = publisher.endpoints[0].replace("tcp://", "tls://")
        with Subscriber(endpoint, tls=tls, on_event=told) as subscriber:
            told.wait_for(REFUSED, 3)
            assert {(event.kind, event.endpoint) for event in told.events} == {(REFUSED, endpoint)}
            assert all(text in event.text for event in told.events), told.events
            assert subscriber.statistics().connections == 0


def test_who_connects_without_tls_is_told_to_do_it_with() -> None:
    told = Told()
    with opened() as publisher:
        endpoint = publisher.endpoints[0].replace("tls://", "tcp://")
        with Subscriber(endpoint, on_event=told):
            told.wait_for(REFUSED)
    assert "speaks TLS: connect to tls://" in told.events[0].text


def test_who_shows_a_certificate_that_is_wanted_is_served() -> None:
    with (
        opened(client_ca=AUTHORITY, require_security=True) as publisher,
        Subscriber(publisher.endpoints[0], tls=SHOWS) as subscriber,
    ):
        publisher.wait_for_subscribers(1, timeout=S)
        publisher.publish("A", b"")
        assert subscriber.recv(S).topic == b"A"


def is_up(subscriber: Subscriber, connections: int) -> bool:
    return subscriber.statistics().connections == connections


def test_it_heals_and_misses_nothing() -> None:
    """Its worker is killed: the connection cannot be taken over, but nothing is missing."""
    with (
        opened() as publisher,
        Subscriber(publisher.endpoints[0], tls=TRUSTS) as subscriber,
    ):
        heal_and_miss_nothing(publisher, subscriber, is_up)


def test_a_long_list_of_topics() -> None:
    topics = [f"topic-{number:06}" for number in range(20_000)]
    with (
        opened() as publisher,
        Subscriber(publisher.endpoints[0], topics, tls=TRUSTS) as subscriber,
    ):
        get_the_first_and_the_last(publisher, subscriber, topics)


def test_a_program_that_is_too_slow_holds_the_publisher_back() -> None:
    """What is not read waits, and comes when it is."""
    count, told = 200, Told()

    def publish(publisher: Publisher) -> None:
        for _ in range(count):
            publisher.publish("A", b"x" * 20_000)

    with (
        opened(slow_policy="block", send_timeout=S, log_bytes=1 << 20) as publisher,
        Subscriber(
            publisher.endpoints[0],
            tls=TRUSTS,
            queue_bytes=64 * 1024,
            on_event=told,
        ) as subscriber,
        ThreadPoolExecutor(1) as pool,
    ):
        publisher.wait_for_subscribers(1, timeout=S)
        publishing = pool.submit(publish, publisher)
        told.wait_for(ReceiverEventKind.QUEUE_FULL)
        assert [subscriber.recv(S).sequence for _ in range(count)] == list(range(count))
        publishing.result(S)
        assert subscriber.statistics().connections == 1


def test_with_and_without_tls_is_one_stream() -> None:
    with opened() as publisher:
        secured, plain = publisher.endpoints[0], publisher.bind("tcp://127.0.0.1:*")
        with Subscriber([secured, plain], tls=TRUSTS) as subscriber:
            publisher.wait_for_subscribers(2, timeout=S)
            wait_until(lambda: subscriber.statistics().connected == 2, "both are up")
            for _ in range(500):
                publisher.publish("A", b"")
            got = [subscriber.recv(S).sequence for _ in range(500)]
            assert got == list(range(500))


@contextmanager
def silent() -> Iterator[str]:
    """Takes connections, and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"tls://127.0.0.1:{server.getsockname()[1]}"


def test_a_handshake_has_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line, "CONNECT_TIMEOUT_S", 0.2)
    told = Told()
    with silent() as endpoint, Subscriber(endpoint, tls=TRUSTS, on_event=told):
        wait_until(
            lambda: [event.text for event in told.of(FAILED)].count(line.SILENT) >= 2, "twice"
        )
    assert {event.kind for event in told.events} == {FAILED}


def test_it_ends_at_once_within_a_handshake(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line, "CONNECT_TIMEOUT_S", 10 * S)  # longer than the test may take

    async def main(endpoint: str) -> None:
        async with fanout.asyncio.Subscriber(endpoint, tls=TRUSTS) as subscriber:
            with pytest.raises(TimeoutError):
                await subscriber.recv(0.05)

    with silent() as endpoint:
        with Subscriber(endpoint, tls=TRUSTS) as subscriber, pytest.raises(TimeoutError):
            subscriber.recv(0.05)
        asyncio.run(main(endpoint))


def test_who_hangs_up_within_a_handshake_is_tried_again() -> None:
    told = Told()
    with socket.create_server(("127.0.0.1", 0)) as server:
        endpoint = f"tls://127.0.0.1:{server.getsockname()[1]}"
        server.settimeout(S)
        with Subscriber(endpoint, tls=TRUSTS, on_event=told):
            for _ in range(2):
                peer, _ = server.accept()
                peer.recv(4096)  # what was not read would be answered by a reset
                peer.close()
            told.wait_for(FAILED, 2)
    assert {event.text for event in told.events} == {
        "the publisher closed the connection before TLS was agreed on"
    }


def test_what_cannot_work_is_refused_at_once() -> None:
    with pytest.raises(ConfigError, match="begin with tls://"):
        Subscriber("tcp://127.0.0.1:5556", tls=TRUSTS)
    wrong: Any = server_tls()
    with pytest.raises(TypeError, match=r"must be fanout\.auth\.TlsClient"):
        Subscriber("tls://127.0.0.1:5556", tls=wrong)


def test_the_command_prints_what_is_encrypted_and_says_who_refuses_it(tmp_path: Path) -> None:
    for name, content in (("ca", AUTHORITY), ("ours", CLIENT), ("key", CLIENT_KEY)):
        (tmp_path / name).touch(0o600)
        (tmp_path / name).write_bytes(content)
    ca = ("--tls-ca", str(tmp_path / "ca"))
    ours = ("--tls-certificate", str(tmp_path / "ours"), "--tls-key", str(tmp_path / "key"))
    with opened(client_ca=AUTHORITY) as publisher:
        endpoint = publisher.endpoints[0]
        with Command("sub", endpoint, "--count", "1", *ca, *ours) as command:
            publisher.wait_for_subscribers(1, timeout=S)
            publisher.publish("A", b"x")
            assert command.read_line() == b"A\tx\n"
            assert command.wait() == 0
        with Command("sub", endpoint, *ca) as command:
            command.error_line(lambda line: "give one by --tls-certificate and --tls-key" in line)
        with Command("sub", endpoint, *ours) as command:
            command.error_line(lambda line: "--tls-ca must have who has signed it" in line)


def test_a_publisher_of_libzmq_behind_a_proxy_serves_it() -> None:
    front = context_of([SERVER, SERVER_KEY, AUTHORITY, b""])
    with zmq.Context() as context, context.socket(zmq.XPUB) as publisher:
        publisher.set(zmq.RCVTIMEO, int(S * 1000))
        publisher.linger = 0
        publisher.bind("tcp://127.0.0.1:*")
        with (
            Relay(publisher.get_string(zmq.LAST_ENDPOINT), front=front) as proxy,
            Subscriber(proxy.endpoint, ["A", "B"], tls=SHOWS) as subscriber,
        ):
            assert {publisher.recv(), publisher.recv()} == {b"\x01A", b"\x01B"}
            for size in (0, 255, 256, 16_384, 500_000):
                publisher.send_multipart([b"A", b"x" * size, b""])
                assert subscriber.recv(S).frames == (b"A", b"x" * size, b"")
            subscriber.unsubscribe("A")
            assert publisher.recv() == b"\x00A"
