"""The subscriber with PLAIN and CURVE, in both faces: who is served, who is refused and told why.

Publishers are ours, and libzmq's.
"""

from __future__ import annotations

import asyncio
import secrets
import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import pytest
import zmq
from zmq.auth import CURVE_ALLOW_ANY
from zmq.auth.thread import ThreadAuthenticator

import fanout.asyncio
from fanout import ConfigError, Publisher, ReceiverEventKind, Subscriber, auth
from fanout.coordinator import addresses
from fanout.transport import held
from tests.helpers.command import Command
from tests.helpers.curve import new_keys
from tests.helpers.happenings import Told
from tests.helpers.healing import get_the_first_and_the_last, heal_and_miss_nothing
from tests.helpers.waiting import DEADLINE_S, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

ANY = "tcp://127.0.0.1:*"
OPTIONS: dict[str, Any] = {"workers": 1, "log_bytes": 1 << 20, "sequence_frame": True}
S = DEADLINE_S
SERVER, OURS = new_keys(), new_keys()
PASSWORD, WRONG = "geheim42", "falsch42"
REFUSED = ReceiverEventKind.REFUSED


def by_password(request: auth.Request) -> bool:
    return request.password == PASSWORD


def by_key(request: auth.Request) -> auth.Verdict:
    return auth.Allow("desk7") if request.public_key == OURS.public else auth.Deny("unknown")


PLAIN, CURVE = auth.Plain(by_password), auth.Curve(SERVER.secret, by_key)
AS_USER = auth.PlainClient("desk7", PASSWORD)
AS_KEY = auth.CurveClient(SERVER.public, OURS.secret)
BOTH = pytest.mark.parametrize(
    ("security", "client"), [(PLAIN, AS_USER), (CURVE, AS_KEY)], ids=["plain", "curve"]
)


@BOTH
def test_who_says_who_he_is_is_served(security: auth.Security, client: auth.ClientSecurity) -> None:
    with (
        Publisher(ANY, security=security, **OPTIONS) as publisher,
        Subscriber(publisher.endpoints[0], "A", security=client) as subscriber,
    ):
        publisher.wait_for_subscribers(1, "A", timeout=S)
        publisher.publish("A", b"x" * 100_000)
        publisher.publish("B", b"")
        publisher.send_multipart([b"A", b"", b"y"])
        frames = [subscriber.recv(S).frames for _ in range(2)]
        assert frames == [(b"A", b"x" * 100_000), (b"A", b"", b"y")]
        subscriber.subscribe("B")
        publisher.wait_for_subscribers(1, "B", timeout=S)
        publisher.publish("B", b"later")
        assert subscriber.recv(S).payload == b"later"
        assert publisher.subscribers()[0].user == "desk7"


@BOTH
def test_asyncio_has_the_same(security: auth.Security, client: auth.ClientSecurity) -> None:
    async def main(publisher: Publisher) -> None:
        endpoint = publisher.endpoints[0]
        async with fanout.asyncio.Subscriber(endpoint, "A", security=client) as subscriber:
            await asyncio.to_thread(publisher.wait_for_subscribers, 1, "A", timeout=S)
            publisher.publish("A", b"x")
            assert (await subscriber.recv(S)).frames == (b"A", b"x")

    with Publisher(ANY, security=security, **OPTIONS) as publisher:
        asyncio.run(main(publisher))


@contextmanager
def libzmq(mechanism: str) -> Iterator[tuple[zmq.Socket[bytes], str]]:
    """An XPUB of libzmq, and where it is."""
    with zmq.Context() as context:
        judge = ThreadAuthenticator(context)
        judge.start()
        try:
            with context.socket(zmq.XPUB) as publisher:
                publisher.set(zmq.RCVTIMEO, int(S * 1000))
                publisher.linger = 0
                if mechanism == "PLAIN":
                    judge.configure_plain(domain="*", passwords={"desk7": PASSWORD})
                    publisher.plain_server = True
                else:
                    judge.configure_curve(domain="*", location=CURVE_ALLOW_ANY)
                    publisher.curve_server = True
                    publisher.curve_secretkey = SERVER.secret.encode()
                publisher.bind(ANY)
                yield publisher, publisher.get_string(zmq.LAST_ENDPOINT)
        finally:
            judge.stop()


@pytest.mark.parametrize(("mechanism", "client"), [("PLAIN", AS_USER), ("CURVE", AS_KEY)])
def test_a_publisher_of_libzmq_serves_it(mechanism: str, client: auth.ClientSecurity) -> None:
    with (
        libzmq(mechanism) as (publisher, endpoint),
        Subscriber(endpoint, ["A", "B"], security=client) as subscriber,
    ):
        assert {publisher.recv(), publisher.recv()} == {b"\x01A", b"\x01B"}
        for size in (0, 222, 223, 255, 256, 100_000):
            publisher.send_multipart([b"A", b"x" * size, b""])
            assert subscriber.recv(S).frames == (b"A", b"x" * size, b"")
        subscriber.unsubscribe("A")
        assert publisher.recv() == b"\x00A"


REFUSALS = [
    (PLAIN, auth.PlainClient("desk7", WRONG), "denies user and password", True),
    (CURVE, auth.CurveClient(SERVER.public), "denies the key", True),
    (CURVE, auth.CurveClient(OURS.public, OURS.secret), "mostly the public key", True),
    (CURVE, None, "has CURVE, and this subscriber NULL", True),
    (None, AS_KEY, "has NULL, and this subscriber CURVE", True),
    (CURVE, AS_USER, "has CURVE, and this subscriber PLAIN", True),
    (auth.Plain(lambda _: auth.Later("soon")), AS_USER, "it is put off", False),
]


@pytest.mark.parametrize(("security", "client", "text", "is_refused"), REFUSALS)
def test_who_is_not_served_is_told_why_and_tries_again(
    security: auth.Security | None,
    client: auth.ClientSecurity | None,
    text: str,
    is_refused: bool,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    caplog.set_level("DEBUG")
    monkeypatch.setattr(addresses, "REFUSAL_HOLD", 0.1)
    told = Told()
    kind = REFUSED if is_refused else ReceiverEventKind.FAILED
    with Publisher(ANY, security=security, **OPTIONS) as publisher:
        endpoint = publisher.endpoints[0]
        with Subscriber(endpoint, on_event=told, security=client) as subscriber:
            told.wait_for(kind, 2)
            assert {event.kind for event in told.events} == {kind}
            assert all(text in event.text for event in told.events)
            assert subscriber.statistics().connections == 0
            texts = [caplog.text, repr(subscriber), repr(client), str(told.events)]
    assert not any(secret in one for secret in (WRONG, PASSWORD, OURS.secret) for one in texts)


@pytest.mark.parametrize(
    ("mechanism", "client", "text"),
    [
        ("PLAIN", auth.PlainClient("desk7", WRONG), "denies user and password"),
        ("PLAIN", None, "both must have the same security"),
        ("CURVE", None, "both must have the same security"),
        ("CURVE", auth.CurveClient(OURS.public, OURS.secret), "mostly the public key"),
    ],
)
def test_a_publisher_of_libzmq_refuses_it(
    mechanism: str, client: auth.ClientSecurity | None, text: str
) -> None:
    told = Told()
    with (
        libzmq(mechanism) as (_, endpoint),
        Subscriber(endpoint, on_event=told, security=client),
    ):
        told.wait_for(REFUSED, 2)
    assert all(text in event.text for event in told.of(REFUSED))


def test_who_is_allowed_later_is_served_then() -> None:
    users: set[str] = set()
    told = Told()
    check: Callable[[auth.Request], bool] = lambda request: request.username in users  # noqa: E731
    with (
        Publisher(ANY, security=auth.Plain(check), **OPTIONS) as publisher,
        Subscriber(publisher.endpoints[0], on_event=told, security=AS_USER) as subscriber,
    ):
        told.wait_for(REFUSED)
        users.add("desk7")
        publisher.wait_for_subscribers(1, timeout=S)
        publisher.publish("A", b"")
        assert subscriber.recv(S).topic == b"A"


def is_up(subscriber: Subscriber, connections: int) -> bool:
    return subscriber.statistics().connections >= connections


def test_curve_heals_and_misses_nothing() -> None:
    """Its worker is killed: the connection cannot be taken over, but nothing is missing."""
    with (
        Publisher(ANY, security=CURVE, **OPTIONS) as publisher,
        Subscriber(publisher.endpoints[0], security=AS_KEY) as subscriber,
    ):
        heal_and_miss_nothing(publisher, subscriber, is_up)


def answer_of(peer: socket.socket) -> tuple[int, bool]:
    """How many bytes a peer has got by now, and whether its connection is open."""
    peer.setblocking(False)
    count = 0
    try:
        while piece := peer.recv(4096):
            count += len(piece)
    except BlockingIOError:
        return count, True
    except ConnectionResetError:
        pass
    return count, False


@pytest.mark.unmeasured
def test_a_long_list_of_topics_goes_in_boxes_too() -> None:
    topics = [f"topic-{number:06}" for number in range(20_000)]
    with (
        Publisher(ANY, security=CURVE, **OPTIONS) as publisher,
        Subscriber(publisher.endpoints[0], topics, security=AS_KEY) as subscriber,
    ):
        get_the_first_and_the_last(publisher, subscriber, topics)


def test_each_endpoint_has_its_own() -> None:
    with Publisher(ANY, security=CURVE, **OPTIONS) as publisher:
        secured, opened = publisher.endpoints[0], publisher.bind(ANY)
        security = {secured: AS_KEY, opened: None}
        with Subscriber([secured, opened], security=security) as subscriber:
            publisher.wait_for_subscribers(2, timeout=S)
            wait_until(lambda: subscriber.statistics().connected == 2, "both are up")
            publisher.publish("A", b"")
            assert subscriber.recv(S).topic == b"A"
        with pytest.raises(ConfigError, match=f"names each of them.*see '{opened}'"):
            Subscriber([secured, opened], security={secured: AS_KEY})


def test_what_cannot_work_is_refused_at_once() -> None:
    with pytest.raises(ConfigError, match="on_network=True"):
        Subscriber("tcp://feed.example:5556", security=AS_USER)
    wrong: Any = CURVE
    with pytest.raises(TypeError, match=r"must be fanout\.auth\.PlainClient"):
        Subscriber("tcp://127.0.0.1:5556", security=wrong)


def test_the_command_prints_what_is_encrypted_and_says_who_refuses_it(tmp_path: Path) -> None:
    for name, key in (("server", SERVER.public), ("ours", OURS.secret), ("other", SERVER.secret)):
        (tmp_path / name).write_text(key, encoding="ascii")
    server = ("--curve-server-key-file", str(tmp_path / "server"))
    with Publisher(ANY, security=CURVE, **OPTIONS) as publisher:
        endpoint = publisher.endpoints[0]
        ours = ("--curve-secret-key-file", str(tmp_path / "ours"))
        with Command("sub", endpoint, "--count", "1", *server, *ours) as command:
            publisher.wait_for_subscribers(1, timeout=S)
            publisher.publish("A", b"x")
            assert command.read_line() == b"A\tx\n"
            assert command.wait() == 0
        other = ("--curve-secret-key-file", str(tmp_path / "other"))
        with Command("sub", endpoint, *server, *other) as command:
            command.error_line(lambda line: "denies the key of this subscriber" in line)


def test_the_command_says_user_and_password(tmp_path: Path) -> None:
    (tmp_path / "password").write_text(PASSWORD + "\n", encoding="ascii")
    user = ("--plain-user", "desk7", "--plain-password-file", str(tmp_path / "password"))
    with Publisher(ANY, security=PLAIN, **OPTIONS) as publisher:
        with Command("sub", publisher.endpoints[0], "--count", "1", *user) as command:
            publisher.wait_for_subscribers(1, timeout=S)
            publisher.publish("A", b"x")
            assert command.read_line() == b"A\tx\n"
            assert command.wait() == 0
        with Command("sub", "tcp://feed.example:5556", *user) as command:
            assert command.wait() == 2
            assert "--plain-on-network" in command.error_lines[0]


STORM, HELD = 500, 100  # connections; of these are held at once


@pytest.mark.unmeasured
def test_a_storm_of_false_keys_keeps_nobody_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each costs a multiplication, and is held without a word, or closed."""
    monkeypatch.setattr(held, "HELD_MAX", HELD)
    monkeypatch.setattr(addresses, "REFUSAL_HOLD", 10 * S)  # longer than the storm lasts
    greeting = b"\xff" + bytes(8) + b"\x7f\x03\x01" + b"CURVE".ljust(52, b"\0")
    with Publisher(ANY, security=CURVE, **OPTIONS) as publisher:
        host, _, port = publisher.endpoints[0].removeprefix("tcp://").rpartition(":")

        def attack(_: int) -> socket.socket:
            false = b"\x05HELLO\x01\x00" + bytes(72) + secrets.token_bytes(32)
            false += (1).to_bytes(8, "big") + secrets.token_bytes(80)
            peer = socket.create_connection((host, int(port)), timeout=S)
            storm.callback(peer.close)
            peer.sendall(greeting + b"\x04\xc8" + false)
            return peer

        with ThreadPoolExecutor(16) as pool, ExitStack() as storm:
            peers = pool.map(attack, range(STORM))
            with Subscriber(publisher.endpoints[0], security=AS_KEY) as subscriber:
                publisher.wait_for_subscribers(1, timeout=S)
                publisher.publish("A", b"")
                assert subscriber.recv(S).topic == b"A"
            wait_until(lambda: publisher.statistics().failed_handshakes == STORM, "all are counted")
            answers = [answer_of(peer) for peer in peers]
            assert {size for size, _ in answers} == {len(greeting)}, "a greeting and no more"
            assert sum(is_open for _, is_open in answers) == HELD
