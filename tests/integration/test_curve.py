"""CURVE with stock subscribers: who is served, what they get, and what ends a connection."""

from __future__ import annotations

import builtins
import os
import pickle
import signal
import socket
import time
from typing import TYPE_CHECKING, Any

import pytest
import zmq

from fanout import ConfigError, EventKind, Publisher, Reason, SlowPolicy, auth
from fanout.coordinator import addresses, telling
from fanout.workers.connections.sealed import TURN_BYTES
from tests.helpers.curve import BEATING, HEARD_S, CurveSeen, Keys, new_keys
from tests.helpers.happenings import Happenings
from tests.helpers.showing import shown_by
from tests.helpers.waiting import DEADLINE_S, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.helpers.stock import Stock

SMALL: dict[str, Any] = {"workers": 1, "log_bytes": 1 << 20}
SERVER = new_keys()
OLD_SERVER = new_keys()
SUCCEEDED = zmq.Event.HANDSHAKE_SUCCEEDED


@pytest.fixture
def make(stock: Stock) -> Callable[..., CurveSeen]:
    def one(server: str | None = SERVER.public, *args: Any, **kwargs: Any) -> CurveSeen:
        return CurveSeen(stock, server, *args, **kwargs)

    return one


def opened(security: auth.Security | None = None, **options: Any) -> tuple[Publisher, Happenings]:
    happenings = Happenings()
    security = security or auth.Curve(SERVER.secret)
    options = {**SMALL, **options}
    made = Publisher("tcp://127.0.0.1:*", on_event=happenings, security=security, **options)
    return made, happenings


def served(publisher: Publisher, subscriber: CurveSeen) -> CurveSeen:
    """Connect, and wait until it is a subscriber."""
    count = len(publisher.subscribers())
    subscriber.connect(publisher.endpoints[0])
    publisher.wait_for_subscribers(count + 1, timeout=DEADLINE_S)
    return subscriber


def come_back(publisher: Publisher, *subscribers: CurveSeen) -> None:
    """Wait until all are served; libzmq subscribes again when a program asks it for something."""

    def are_served() -> bool:
        for one in subscribers:
            one.socket.poll(0)
        wanting = [one for one in publisher.subscribers() if one.subscriptions]
        return len(wanting) == len(subscribers)

    wait_until(are_served, "they are served again")


def test_who_has_keys_is_served_and_named(make: Callable[..., CurveSeen]) -> None:
    publisher, happenings = opened()
    with publisher:
        subscriber = served(publisher, make())
        publisher.publish(b"topic", b"payload")
        assert subscriber.socket.recv_multipart() == [b"topic", b"payload"]
        [one] = publisher.subscribers()
        [event] = happenings.wait_for(EventKind.SUBSCRIBER_CONNECTED)
    assert one.user == event.user == subscriber.keys.public
    assert event.reason == "ZMTP 3.1, CURVE"
    assert subscriber.saw(SUCCEEDED) == 1


def test_messages_of_any_form(make: Callable[..., CurveSeen]) -> None:
    """Empty parts, many parts, topics about where lengths take more bytes, more than a turn."""
    sizes = [*range(245, 257), 0, 1, 222, 223, 65_536, TURN_BYTES + 1, 200_000]
    messages = [[b"T" * size, b"", b"x" * size] for size in sizes]
    messages += [[b"", b""], [b""], [b"T", *([b""] * 50), b"end"]]
    publisher, _ = opened(log_bytes=8 << 20)
    with publisher:
        beating = {zmq.HEARTBEAT_IVL: 20, zmq.HEARTBEAT_TIMEOUT: 60_000}
        subscribers = [served(publisher, make(options=beating)), served(publisher, make())]
        for message in messages:
            publisher.send_multipart(message)
        for subscriber in subscribers:
            got = [subscriber.socket.recv_multipart() for _ in messages]
            assert got == messages
        assert publisher.drain(DEADLINE_S) == ()
        assert [one.sent for one in publisher.subscribers()] == [len(messages)] * 2


def test_what_one_wants_changes(make: Callable[..., CurveSeen]) -> None:
    publisher, _ = opened()
    with publisher:
        subscriber = served(publisher, make(topic=b"A"))
        publisher.publish(b"A1", b"")
        assert subscriber.socket.recv_multipart() == [b"A1", b""]
        subscriber.socket.subscribe(b"B")
        wait_until(lambda: publisher.subscribers()[0].subscriptions == 2, "it has asked")
        subscriber.socket.unsubscribe(b"A")
        wait_until(lambda: publisher.subscribers()[0].subscriptions == 1, "it has cancelled")
        for topic in (b"A2", b"B1", b"C1", b"B2"):
            publisher.publish(topic, b"")
        assert subscriber.socket.recv_multipart() == [b"B1", b""]
        assert subscriber.socket.recv_multipart() == [b"B2", b""]


@pytest.mark.unmeasured
def test_heartbeats_of_both_sides_for_a_while(make: Callable[..., CurveSeen]) -> None:
    publisher, happenings = opened(heartbeat_interval=0.1, heartbeat_timeout=HEARD_S)
    with publisher:
        subscriber = served(publisher, make(options=BEATING))
        until = time.monotonic() + HEARD_S + 1.0
        number = 0
        while time.monotonic() < until:
            publisher.publish(b"n", b"%d" % number)
            assert subscriber.socket.recv_multipart() == [b"n", b"%d" % number]
            number += 1
        assert len(happenings.of(EventKind.SUBSCRIBER_CONNECTED)) == 1
    assert subscriber.saw(SUCCEEDED) == 1


class TestWhoIsRefused:
    def test_for_another_server_key_it_comes_twice_and_is_held(
        self, make: Callable[..., CurveSeen], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(addresses, "REFUSAL_HOLD", 10 * DEADLINE_S)
        monkeypatch.setattr(telling, "is_thinned", lambda _event: False)  # each is told at once
        publisher, happenings = opened()
        with publisher:
            subscriber = make(OLD_SERVER.public).connect(publisher.endpoints[0])
            first, second = happenings.wait_for(EventKind.HANDSHAKE_FAILED, 2)
            assert not publisher.subscribers()
            for _ in range(5):  # it would be back after 20 ms
                served(publisher, make())
            assert publisher.statistics().accepted == 7
        assert first.cause is second.cause is Reason.KEY
        assert "a box of HELLO does not open" in first.reason
        assert not subscriber.saw(SUCCEEDED)

    def test_who_was_held_comes_back(
        self, make: Callable[..., CurveSeen], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(addresses, "REFUSAL_HOLD", 0.05)
        publisher, _ = opened()
        with publisher:
            make(OLD_SERVER.public).connect(publisher.endpoints[0])
            wait_until(lambda: publisher.statistics().accepted >= 4, "it has come again")

    def test_who_speaks_null_stops_for_good(self, make: Callable[..., CurveSeen]) -> None:
        publisher, happenings = opened()
        with publisher:
            subscriber = make(None).connect(publisher.endpoints[0])
            [event] = happenings.wait_for(EventKind.HANDSHAKE_FAILED)
            for _ in range(5):  # it would be back after 20 ms
                served(publisher, make())
            assert publisher.statistics().accepted == 6
        assert event.cause is Reason.MECHANISM
        assert "this endpoint wants CURVE" in event.reason
        assert not subscriber.saw(SUCCEEDED)

    def test_who_speaks_curve_where_null_is_served_stops_for_good(
        self, make: Callable[..., CurveSeen]
    ) -> None:
        publisher, happenings = opened(auth.Null())
        with publisher:
            subscriber = make().connect(publisher.endpoints[0])
            happenings.wait_for(EventKind.HANDSHAKE_FAILED)
            for _ in range(5):
                served(publisher, make(None))
            assert publisher.statistics().accepted == 6
        assert not subscriber.saw(SUCCEEDED)

    def test_by_a_check(self, make: Callable[..., CurveSeen]) -> None:
        known, other = new_keys(), new_keys()
        asked: list[auth.Request] = []

        def check(request: auth.Request) -> auth.Verdict:
            asked.append(request)
            is_known = request.public_key == known.public
            return auth.Allow("desk7") if is_known else auth.Deny("unknown key")

        publisher, happenings = opened(auth.Curve(SERVER.secret, check))
        with publisher:
            make(SERVER.public, other).connect(publisher.endpoints[0])
            [event] = happenings.wait_for(EventKind.HANDSHAKE_FAILED)
            for _ in range(5):
                served(publisher, make(SERVER.public, known))
            assert publisher.statistics().accepted == 6
            assert {one.user for one in publisher.subscribers()} == {"desk7"}
        assert event.cause is Reason.DENIED
        assert event.reason.endswith(f"key {other.public!r}: unknown key")
        assert {(one.mechanism, one.username, one.password) for one in asked} == {("CURVE", "", "")}


def test_the_key_before_is_served_as_well(make: Callable[..., CurveSeen]) -> None:
    publisher, _ = opened(auth.Curve(SERVER.secret, previous=OLD_SERVER.secret))
    with publisher:
        subscribers = [served(publisher, make(key.public)) for key in (SERVER, OLD_SERVER)]
        publisher.publish(b"topic", b"payload")
        for subscriber in subscribers:
            assert subscriber.socket.recv_multipart() == [b"topic", b"payload"]


def test_one_feed_by_endpoints_with_other_keys_and_with_none(
    make: Callable[..., CurveSeen],
) -> None:
    """Bound when workers run already; the keys of one are none for the other."""
    with Publisher("tcp://127.0.0.1:*", workers=2, log_bytes=1 << 20) as publisher:
        first = publisher.bind("tcp://127.0.0.1:*", security=auth.Curve(SERVER.secret))
        local = f"ipc://@fanout-curve-{os.getpid()}"
        publisher.bind(local, security=auth.Curve(OLD_SERVER.secret))
        where = [(None, publisher.endpoints[0]), (SERVER, first), (OLD_SERVER, local)]
        subscribers = [make(keys and keys.public).connect(endpoint) for keys, endpoint in where * 2]
        stranger = make(OLD_SERVER.public).connect(first)
        publisher.wait_for_subscribers(6, timeout=DEADLINE_S)
        for number in range(100):
            publisher.publish(b"n", b"%d" % number)
        for subscriber in subscribers:
            got = [subscriber.socket.recv_multipart() for _ in range(100)]
            assert got == [[b"n", b"%d" % number] for number in range(100)]
        publisher.unbind(first)
        assert not stranger.saw(SUCCEEDED)


def numbers_of(subscriber: CurveSeen, last: int) -> list[int]:
    """What it gets, up to the last message."""
    numbers: list[int] = []
    while not numbers or numbers[-1] != last:
        topic, number, payload = subscriber.socket.recv_multipart()
        assert topic == b"n"
        assert payload == number * (len(payload) // len(number))
        numbers.append(int(number))
    return numbers


@pytest.mark.parametrize("policy", ["drop_oldest", "conflate", "block"])
def test_who_is_slow(make: Callable[..., CurveSeen], policy: str) -> None:
    """Small buffers on both sides: boxes are cut anywhere, and cursors jump or wait."""
    publisher, _ = opened(slow_policy=policy, kernel_queue_bytes=8192)
    slow = {zmq.RCVBUF: 4096, zmq.RCVHWM: 2, zmq.HEARTBEAT_IVL: 50, zmq.HEARTBEAT_TIMEOUT: 60_000}
    count = 400
    with publisher:
        subscriber = served(publisher, make(options=slow))
        behind = served(publisher, make(options=slow))
        got: list[int] = []
        for number in range(count):
            payload = b"%05d" % number
            publisher.send_multipart([b"n", payload, payload * 2_000], timeout=DEADLINE_S)
            if policy == "block" or number % 10 == 0:
                got.append(int(subscriber.socket.recv_multipart()[1]))
                if policy == "block":
                    assert int(behind.socket.recv_multipart()[1]) == number
        if policy == "block":
            assert got == list(range(count))
            return
        got += numbers_of(subscriber, count - 1)
        others = numbers_of(behind, count - 1)
        wait_until(lambda: not any(one.queued for one in publisher.subscribers()), "all is sent")
        one, other = publisher.subscribers()
        assert got == sorted(set(got))
        assert others == sorted(set(others))
        assert (len(got), len(others)) == (one.sent, other.sent)
        assert other.sent + other.dropped + other.conflated == other.matched == count
        assert (other.conflated if policy == "conflate" else other.dropped) > 0


def test_a_policy_that_changes_and_a_rate(make: Callable[..., CurveSeen]) -> None:
    publisher, _ = opened(slow_policy=SlowPolicy("drop_oldest", max_rate=200_000))
    with publisher:
        subscriber = served(publisher, make())
        for number in range(50):
            publisher.send_multipart([b"n", b"%05d" % number, b"%05d" % number * 2_000])
        [one] = publisher.subscribers()
        publisher.set_slow_policy(one.id, SlowPolicy("drop_oldest"))
        assert numbers_of(subscriber, 49) == list(range(50))


class TestWhatCannotGoOn:
    """Only its worker has the key of a connection."""

    def test_a_worker_that_dies(self, make: Callable[..., CurveSeen]) -> None:
        publisher, happenings = opened(workers=2)
        with publisher:
            sealed = served(publisher, make())
            [one] = publisher.subscribers()
            pid = publisher.statistics().workers[one.worker].pid
            os.kill(pid, signal.SIGKILL)
            began = time.monotonic()
            happenings.wait_for(EventKind.SUBSCRIBER_CONNECTED, 2)
            back = time.monotonic() - began
            come_back(publisher, sealed)
            publisher.publish(b"topic", b"after")
            assert sealed.socket.recv_multipart() == [b"topic", b"after"]
            [event] = happenings.of(EventKind.SUBSCRIBER_EVICTED)
            assert (event.subscriber, event.cause) == (one.id, Reason.WORKER_LOST)
            assert "encrypted: its worker had the key" in event.reason
            assert publisher.statistics().not_resumed == 1
            assert publisher.statistics().resumed == 0
        assert back < 20.0  # 0.2 s on an idle machine


class TestKeys:
    @pytest.mark.parametrize("wrong", ["", "short", "ä" * 40, b"x" * 31, "#" * 40, None, 5])
    def test_what_is_none(self, wrong: Any) -> None:
        with pytest.raises(ConfigError, match="secret_key is no key") as caught:
            auth.Curve(wrong)
        assert len(str(wrong)) < 30 or str(wrong) not in str(caught.value)
        with pytest.raises(ConfigError, match="previous is no key"):
            auth.Curve(SERVER.secret, previous=wrong if wrong is not None else "")

    def test_the_public_one(self) -> None:
        assert auth.Curve(SERVER.secret).public_key == SERVER.public
        assert auth.Curve(SERVER.secret.encode()).public_key == SERVER.public

    def test_without_pynacl(self, monkeypatch: pytest.MonkeyPatch) -> None:
        real = builtins.__import__

        def no_nacl(name: str, *args: Any, **kwargs: Any) -> Any:
            if name.partition(".")[0] == "nacl":
                raise ImportError(name)
            return real(name, *args, **kwargs)

        with Publisher(**SMALL) as publisher:
            monkeypatch.setattr(builtins, "__import__", no_nacl)
            with pytest.raises(ConfigError, match=r"pip install 'fanout-zmq\[curve\]'"):
                publisher.bind("tcp://127.0.0.1:*", security=auth.Curve(SERVER.secret))
            assert publisher.endpoints == ()

    def test_a_secret_one_is_nowhere(
        self,
        make: Callable[..., CurveSeen],
        caplog: pytest.LogCaptureFixture,
        capfd: pytest.CaptureFixture[str],
    ) -> None:
        caplog.set_level("DEBUG")
        security = auth.Curve(SERVER.secret, previous=OLD_SERVER.secret)
        publisher, happenings = opened(security)
        with publisher:
            served(publisher, make())
            make(new_keys().public).connect(publisher.endpoints[0])
            happenings.wait_for(EventKind.HANDSHAKE_FAILED)
            texts, segment = shown_by(publisher)
            texts += [str(happenings.events), repr(security)]
        texts += [caplog.text, *capfd.readouterr()]
        raw = auth.Curve(SERVER.secret).secrets()[0]
        for secret in (SERVER.secret, OLD_SERVER.secret, repr(raw), raw.hex()):
            assert not any(secret in text for text in texts)
        assert raw not in segment
        with pytest.raises(TypeError, match="not pickled"):
            pickle.dumps(security)


def test_nothing_readable_is_on_the_wire(make: Callable[..., CurveSeen]) -> None:
    publisher, _ = opened()
    with publisher, socket.create_server(("127.0.0.1", 0)) as between:
        host, _, port = publisher.endpoints[0].removeprefix("tcp://").rpartition(":")
        subscriber = make(topic=b"secret topic").connect(
            f"tcp://127.0.0.1:{between.getsockname()[1]}"
        )
        between.settimeout(DEADLINE_S)
        inner, _ = between.accept()
        seen = bytearray()
        with inner, socket.create_connection((host, int(port)), DEADLINE_S) as outer:
            poller = zmq.Poller()
            poller.register(inner, zmq.POLLIN)
            poller.register(outer, zmq.POLLIN)
            was_published = False
            until = time.monotonic() + DEADLINE_S
            while not subscriber.socket.poll(0):
                assert time.monotonic() < until
                for descriptor, _ in poller.poll(10):
                    source, target = (
                        (inner, outer) if descriptor == inner.fileno() else (outer, inner)
                    )
                    data = source.recv(65536)
                    seen += data
                    target.sendall(data)
                if not was_published and publisher.has_subscribers(b"secret topic"):
                    publisher.publish(b"secret topic", b"secret payload")
                    was_published = True
    assert b"CURVE" in seen
    assert b"secret" not in seen
    assert Keys(*SERVER).secret.encode() not in seen
