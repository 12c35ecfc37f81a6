"""Users and passwords, from `security=` to what a stock subscriber sees of it."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
import threading
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest
import zmq

import fanout.asyncio
from fanout import ConfigError, EventKind, Publisher, Reason, auth
from fanout.security.verdicts import CHECK_TIMEOUT
from fanout.zmtp.mechanisms import Credentials
from tests.helpers.happenings import Happenings
from tests.helpers.stock import Seen
from tests.helpers.waiting import DEADLINE_S, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.helpers.stock import Stock

SMALL: dict[str, Any] = {"workers": 1, "log_bytes": 1 << 20}
SECRET = "geheim-und-lang-genug-um-es-zu-finden"
HASH = auth.hash_password(SECRET)
PASSWORDS = auth.Passwords({"desk7": HASH})


class PlainSeen(Seen):
    """A stock SUB with PLAIN, and what its monitor says."""

    def __init__(self, stock: Stock, user: str | None, password: str = SECRET) -> None:
        super().__init__(stock)
        if user is not None:
            self.socket.plain_username = user.encode()
            self.socket.plain_password = password.encode()


FAILED = zmq.Event.HANDSHAKE_FAILED_AUTH, zmq.Event.HANDSHAKE_FAILED_PROTOCOL


@pytest.fixture
def make(stock: Stock) -> Callable[..., PlainSeen]:
    return partial(PlainSeen, stock)


def opened(security: auth.Security, **options: Any) -> tuple[Publisher, Happenings]:
    happenings = Happenings()
    options = {**SMALL, **options}
    made = Publisher("tcp://127.0.0.1:*", on_event=happenings, security=security, **options)
    return made, happenings


def test_a_user_is_served_and_named(make: Callable[..., PlainSeen]) -> None:
    publisher, happenings = opened(auth.Plain(PASSWORDS))
    with publisher:
        subscriber = make("desk7").connect(publisher.endpoints[0])
        publisher.wait_for_subscribers(1, timeout=DEADLINE_S)
        publisher.publish(b"topic", b"payload")
        assert subscriber.socket.recv_multipart() == [b"topic", b"payload"]
        [one] = publisher.subscribers()
        [event] = happenings.wait_for(EventKind.SUBSCRIBER_CONNECTED)
    assert one.user == event.user == "desk7"
    assert event.reason == "ZMTP 3.1, PLAIN"
    assert subscriber.saw(zmq.Event.HANDSHAKE_SUCCEEDED)


# With names: that of a test is in the environment of what it starts, where no secret is to be.
@pytest.mark.parametrize(
    ("user", "password"),
    [
        pytest.param("desk7", "wrong", id="another password"),
        pytest.param("desk8", SECRET, id="nobody's name"),
        pytest.param(None, "", id="nothing"),
    ],
)
def test_who_is_refused_stops_for_good(
    make: Callable[..., PlainSeen], user: str | None, password: str
) -> None:
    """Also who has no password at all, and so speaks NULL."""
    publisher, happenings = opened(auth.Plain(PASSWORDS))
    with publisher:
        subscriber = make(user, password).connect(publisher.endpoints[0])
        [event] = happenings.wait_for(EventKind.HANDSHAKE_FAILED)
        wait_until(lambda: subscriber.saw(*FAILED), "its monitor says so")
        # It would be back after 20 ms. Others come and are served meanwhile, for longer than that.
        for count in range(1, 6):
            make("desk7").connect(publisher.endpoints[0])
            publisher.wait_for_subscribers(count, timeout=DEADLINE_S)
        assert publisher.statistics().accepted == 6
        assert publisher.statistics().failed_handshakes == 1
    assert not subscriber.saw(zmq.Event.HANDSHAKE_SUCCEEDED)
    if user is None:
        assert event.cause is Reason.MECHANISM
        assert "this endpoint wants PLAIN" in event.reason
    else:
        assert event.cause is Reason.DENIED
        assert event.reason.endswith(f"user {user!r}: wrong user or password")
        assert event.user == ""


def come_back(publisher: Publisher, subscriber: Seen) -> None:
    """Wait until it is served; libzmq subscribes again when its program asks it for something."""
    wait_until(
        lambda: subscriber.socket.poll(0) or publisher.has_subscribers(), "it is served in the end"
    )


class Moody:
    """A check that fails in some way until it is told not to."""

    def __init__(self, mood: str) -> None:
        self.mood = mood
        self.asked = 0
        self.let_go = threading.Event()

    def __call__(self, request: auth.Request) -> Any:
        self.asked += 1
        if self.mood == "later":
            return auth.Later("no database")
        if self.mood == "raises":
            raise RuntimeError(request.password)
        if self.mood == "hangs":
            self.let_go.wait()
        return None if self.mood == "forgets" else True


@pytest.mark.parametrize("mood", ["later", "raises", "forgets"])
def test_our_fault_stops_nobody_for_good(make: Callable[..., PlainSeen], mood: str) -> None:
    check = Moody(mood)
    publisher, happenings = opened(auth.Plain(check))
    with publisher:
        subscriber = make("desk7").connect(publisher.endpoints[0])
        wait_until(lambda: check.asked >= 3, "it comes back")
        event = happenings.wait_for(EventKind.HANDSHAKE_FAILED)[0]
        check.mood = "lets in"
        come_back(publisher, subscriber)
        failed = happenings.of(EventKind.CALLBACK_FAILED)
    assert event.cause is Reason.PUT_OFF
    assert bool(failed) is (mood != "later")
    assert all(SECRET not in str(one) for one in happenings.events)


def test_a_check_that_hangs_keeps_nobody_from_closing(make: Callable[..., PlainSeen]) -> None:
    check = Moody("hangs")
    publisher, happenings = opened(auth.Plain(check))
    with publisher:
        subscriber = make("desk7").connect(publisher.endpoints[0])
        wait_until(lambda: check.asked >= 1, "it is asked")
        [event, *_] = happenings.wait_for(EventKind.CALLBACK_FAILED)
        assert "longer than 5 s" in event.reason
        check.mood = "lets in"
        come_back(publisher, subscriber)
        check.mood = "hangs"
        asked = check.asked
        make("desk8").connect(publisher.endpoints[0])
        wait_until(lambda: check.asked > asked, "another one is asked")
    check.let_go.set()
    wait_until(
        lambda: all(one.name != "fanout-auth" for one in threading.enumerate()), "threads end"
    )


def test_an_awaited_check_that_hangs_is_cancelled(make: Callable[..., PlainSeen]) -> None:
    cancelled = []

    async def check(request: auth.Request) -> bool:
        if request.username == "slow":
            try:
                await asyncio.Event().wait()
            finally:
                cancelled.append(request.username)
        return True

    publisher, happenings = opened(auth.Plain(check))
    with publisher:
        make("slow").connect(publisher.endpoints[0])
        [event, *_] = happenings.wait_for(EventKind.CALLBACK_FAILED)
        assert "longer than 5 s" in event.reason
        wait_until(lambda: cancelled, "it is cancelled")
        make("desk7").connect(publisher.endpoints[0])
        publisher.wait_for_subscribers(1, timeout=DEADLINE_S)
        [one] = publisher.subscribers()
        assert one.user == "desk7"


def test_closing_cancels_a_check_that_is_awaited(make: Callable[..., PlainSeen]) -> None:
    times: list[float] = []

    async def check(_request: auth.Request) -> bool:
        times.append(time.monotonic())
        try:
            return await asyncio.Event().wait()
        finally:
            times.append(time.monotonic())

    publisher, _ = opened(auth.Plain(check))
    with publisher:
        make("desk7").connect(publisher.endpoints[0])
        wait_until(lambda: times, "it is asked")
    wait_until(lambda: len(times) == 2, "it is cancelled")
    began, ended = times
    assert ended - began < CHECK_TIMEOUT, "it had all its time"


def test_an_awaited_check_asks_in_the_loop_of_the_publisher(make: Callable[..., PlainSeen]) -> None:
    async def run() -> str:
        loop = asyncio.get_running_loop()

        async def user_of(name: str) -> str:
            assert asyncio.get_running_loop() is loop
            return name.upper()

        async def check(request: auth.Request) -> auth.Verdict:
            assert asyncio.get_running_loop() is not loop
            asked = asyncio.run_coroutine_threadsafe(user_of(request.username), loop)
            user = await asyncio.wrap_future(asked)
            return auth.Allow(user)

        async with fanout.asyncio.Publisher(
            "tcp://127.0.0.1:*", security=auth.Plain(check), **SMALL
        ) as publisher:
            make("desk7").connect(publisher.endpoints[0])
            await publisher.wait_for_subscribers(1, timeout=DEADLINE_S)
            [one] = await publisher.subscribers()
            return one.user

    assert asyncio.run(run()) == "DESK7"


def test_one_mechanism_for_each_endpoint(make: Callable[..., PlainSeen]) -> None:
    with Publisher("tcp://127.0.0.1:*", **SMALL) as publisher:
        secured = publisher.bind("tcp://127.0.0.1:*", security=auth.Plain(PASSWORDS))
        make(None).connect(publisher.endpoints[0])
        make("desk7").connect(secured)
        publisher.wait_for_subscribers(2, timeout=DEADLINE_S)
        users = {one.endpoint: one.user for one in publisher.subscribers()}
        assert users == {publisher.endpoints[0]: "", secured: "desk7"}


def test_a_user_goes_on_with_another_worker(make: Callable[..., PlainSeen]) -> None:
    """Nothing of PLAIN is needed after the handshake: its streams are taken over as any."""
    publisher, happenings = opened(auth.Plain(PASSWORDS), workers=2)
    with publisher:
        subscriber = make("desk7").connect(publisher.endpoints[0])
        publisher.wait_for_subscribers(1, timeout=DEADLINE_S)
        [one] = publisher.subscribers()
        worker = publisher.statistics().workers[one.worker].pid
        psutil.Process(worker).kill()
        publisher.publish(b"topic", b"after")
        assert subscriber.socket.recv_multipart() == [b"topic", b"after"]
        wait_until(lambda: publisher.statistics().resumed == 1, "it goes on")
        [again] = publisher.subscribers()
        assert _shown("subscribers") == [(one.id, "desk7")]
        subscriber.socket.disconnect(publisher.endpoints[0])
        # libzmq ends it when its program asks it for something.
        gone = partial(happenings.of, EventKind.SUBSCRIBER_DISCONNECTED)
        wait_until(lambda: subscriber.socket.poll(0) or gone(), "it has left")
        [event] = gone()
        [end] = publisher.closed_subscribers()
        assert _shown("ended", "--closed") == [(one.id, "desk7")]
    assert (again.id, again.user) == (one.id, "desk7")
    assert (end.id, end.user, event.user) == (one.id, "desk7", "desk7")


def _shown(part: str, *arguments: str) -> list[tuple[int, str]]:
    """Id and user of those that `fanout top` shows."""
    command = [sys.executable, "-m", "fanout", "top", "--once", "--interval=0", "--json"]
    told = subprocess.check_output(
        [*command, f"--pid={os.getpid()}", *arguments], timeout=DEADLINE_S
    )
    return [(one["id"], one["user"]) for one in json.loads(told)[part]]


class TestRefusals:
    def test_plain_is_not_for_networks(self) -> None:
        with Publisher(**SMALL) as publisher:
            for endpoint in ("tcp://0.0.0.0:*", "tcp://*:*", "tcp://[::]:*"):
                with pytest.raises(ConfigError, match="sends passwords in clear text"):
                    publisher.bind(endpoint, security=auth.Plain(PASSWORDS))
            assert publisher.endpoints == ()
            publisher.bind("tcp://0.0.0.0:*", security=auth.Plain(PASSWORDS, on_network=True))
            publisher.bind("tcp://[::1]:*", security=auth.Plain(PASSWORDS))
            publisher.bind(f"ipc://@fanout-{os.getpid()}", security=auth.Plain(PASSWORDS))
            assert len(publisher.endpoints) == 3

    def test_nor_at_the_start(self) -> None:
        with pytest.raises(ConfigError, match="sends passwords in clear text"):
            Publisher("tcp://*:*", security=auth.Plain(PASSWORDS), **SMALL)

    def test_require_security(self) -> None:
        plain = auth.Plain(PASSWORDS)
        with pytest.raises(ConfigError, match="require_security"):
            Publisher("tcp://127.0.0.1:*", require_security=True, **SMALL)
        with Publisher(
            "tcp://127.0.0.1:*", security=plain, require_security=True, **SMALL
        ) as publisher:
            for security in (None, auth.Null()):
                with pytest.raises(ConfigError, match="require_security"):
                    publisher.bind("tcp://127.0.0.1:*", security=security)
            with pytest.raises(ConfigError, match="require_security"):
                publisher.ingest("tcp://127.0.0.1:*")
            publisher.bind("tcp://127.0.0.1:*", security=plain)

    @pytest.mark.parametrize("is_asking_first", [True, False])
    def test_an_open_endpoint_beside_one_that_asks_is_told_of(
        self, *, is_asking_first: bool
    ) -> None:
        happenings, bound = Happenings(), [("tcp://*:*", None), ("tcp://127.0.0.1:*", PASSWORDS)]
        with Publisher(on_event=happenings, **SMALL) as publisher:
            publisher.bind("tcp://127.0.0.1:*")  # who is on this machine may be trusted
            for endpoint, check in reversed(bound) if is_asking_first else bound:
                security = None if check is None else auth.Plain(check)
                publisher.bind(endpoint, security=security)
            event = happenings.wait_for(EventKind.ENDPOINT_OPEN)[0]
            for endpoint in publisher.endpoints[1:]:
                assert endpoint in event.reason
            publisher.bind("tcp://127.0.0.1:*", security=auth.Plain(PASSWORDS))
        assert len(happenings.of(EventKind.ENDPOINT_OPEN)) == 1

    def test_security_goes_with_an_endpoint(self) -> None:
        """Else one would think that it is for what is bound later."""
        with pytest.raises(ConfigError, match=r"say it to bind\(\)"):
            Publisher(security=auth.Plain(PASSWORDS), **SMALL)

    def test_what_is_no_security(self) -> None:
        for wrong in ("PLAIN", PASSWORDS, auth.Plain):
            made: Any = wrong
            with pytest.raises(TypeError, match=r"security must be fanout\.auth\.Null"):
                Publisher("tcp://127.0.0.1:*", security=made, **SMALL)


def test_asyncio_has_the_same(make: Callable[..., PlainSeen]) -> None:
    async def run() -> tuple[str, str]:
        plain = auth.Plain(PASSWORDS)
        async with fanout.asyncio.Publisher(
            "tcp://127.0.0.1:*", security=plain, **SMALL
        ) as publisher:
            bound = await publisher.bind("tcp://127.0.0.1:*", security=plain)
            make("desk7").connect(publisher.endpoints[0])
            make("desk7").connect(bound)
            await publisher.wait_for_subscribers(2, timeout=DEADLINE_S)
            first, second = await publisher.subscribers()
            return first.user, second.user

    assert asyncio.run(run()) == ("desk7", "desk7")


def test_a_stranger_who_speaks_before_it_was_judged_is_closed() -> None:
    check = Moody("hangs")
    publisher, happenings = opened(auth.Plain(check))
    greeting = b"\xff" + bytes(8) + b"\x7f\x03\x01PLAIN" + bytes(47)
    hello = b"\x04\x0d\x05HELLO\x05desk7\x00"
    with publisher, socket.create_connection(_address(publisher.endpoints[0]), DEADLINE_S) as peer:
        peer.sendall(greeting + hello)
        wait_until(lambda: check.asked == 1, "it is asked")
        peer.sendall(hello)
        [event] = happenings.wait_for(EventKind.HANDSHAKE_FAILED)
        check.let_go.set()
    assert event.cause is Reason.VIOLATION
    assert "another frame in place of a verdict" in event.reason


def test_a_password_is_nowhere(
    make: Callable[..., PlainSeen],
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Not in arguments, environment, shared memory, events and logs; nor is what is stored."""
    caplog.set_level("DEBUG")
    publisher, happenings = opened(auth.Plain(PASSWORDS))
    with publisher:
        make("desk7").connect(publisher.endpoints[0])
        make("desk8").connect(publisher.endpoints[0])
        publisher.wait_for_subscribers(1, timeout=DEADLINE_S)
        happenings.wait_for(EventKind.HANDSHAKE_FAILED)
        texts = {
            "events": str(happenings.events),
            "publisher": repr(publisher),
            "options": repr(publisher.options),
        }
        pid = publisher.statistics().workers[0].pid
        for name in ("cmdline", "environ"):
            texts[name] = Path(f"/proc/{pid}/{name}").read_text("latin-1")
        segment = bytes(publisher._engine._coordinator.segment.words)
    texts["output"], texts["errors"] = capfd.readouterr()
    texts |= {"log": caplog.text, "passwords": repr(PASSWORDS)}
    texts["security"] = repr(auth.Plain(PASSWORDS))
    for secret in (SECRET, HASH):
        found = {name: text.partition(secret)[0] for name, text in texts.items() if secret in text}
        assert found == {}, "what stands before it"
        assert secret.encode() not in segment
    assert b"desk7" in segment
    assert SECRET not in repr(Credentials("PLAIN", b"desk7", SECRET.encode()))


def _address(endpoint: str) -> tuple[str, int]:
    host, _, port = endpoint.removeprefix("tcp://").rpartition(":")
    return host, int(port)


GREETING = b"\xff" + bytes(8) + b"\x7f\x03\x01PLAIN" + bytes(47)


def hello(user: bytes, password: bytes) -> bytes:
    """The first words of a client of PLAIN."""
    body = b"\x05HELLO" + bytes([len(user)]) + user + bytes([len(password)]) + password
    head = b"\x04" + bytes([len(body)]) if len(body) < 256 else b"\x06" + len(body).to_bytes(8)
    return GREETING + head + body


def answer_to(publisher: Publisher, user: bytes, password: bytes) -> bytes:
    """What a raw peer is told after the greeting, up to the first frame."""
    with socket.create_connection(_address(publisher.endpoints[0]), DEADLINE_S) as peer:
        peer.sendall(hello(user, password))
        data = b""
        while len(data) < 64 + 10:
            part = peer.recv(4096)
            if not part:
                break
            data += part
        return data[64:]


@pytest.mark.parametrize("size", [0, 1, 255])
def test_names_and_passwords_of_any_length_and_bytes(size: int) -> None:
    seen: list[tuple[str, str]] = []

    def check(request: auth.Request) -> auth.Verdict:
        seen.append((request.username, request.password))
        return auth.Allow() if request.username.startswith("\udcff") or not size else auth.Deny()

    publisher, happenings = opened(auth.Plain(check))
    with publisher:
        raw = b"\xff" * size
        assert answer_to(publisher, raw, raw) == b"\x04\x08\x07WELCOME"
        text = "\udcff" * size
        assert seen == [(text, text)]
        happenings.wait_for(EventKind.HANDSHAKE_FAILED)


def test_what_a_check_quotes_breaks_nothing(make: Callable[..., PlainSeen]) -> None:
    """A stranger chooses the name, and so may choose what is in a reason and in a `user`."""

    def check(request: auth.Request) -> Any:
        if request.username == "desk7":
            return True
        if request.username.startswith("five"):
            return auth.Allow(5)  # type: ignore[arg-type]
        return auth.Deny(f"who is {request.username}?")

    publisher, happenings = opened(auth.Plain(check))
    with publisher:
        for user in (b"\xed\xa0\x80", b"a\nb", b"\xff"):
            assert answer_to(publisher, user, b"x") == b"\x04\x0a\x05ERROR\x03400"
        assert answer_to(publisher, b"five", b"x") == b""
        wait_until(lambda: publisher.statistics().failed_handshakes == 4, "all have failed")
        failed = happenings.wait_for(EventKind.HANDSHAKE_FAILED)
        assert all(event.reason.isprintable() for event in failed)
        [event] = happenings.wait_for(EventKind.CALLBACK_FAILED)
        assert "TypeError in" in event.reason
        assert "test_security.py" in event.reason, "it says where in the check"
        make("desk7").connect(publisher.endpoints[0])
        publisher.wait_for_subscribers(1, timeout=DEADLINE_S)


def test_who_comes_and_goes_keeps_nobody_waiting(make: Callable[..., PlainSeen]) -> None:
    """Who has left is not judged any more: a flood of them leaves nothing to be done."""
    gate = threading.Event()
    asked: list[str] = []

    def check(request: auth.Request) -> bool:
        asked.append(request.username)
        gate.wait()
        return True

    publisher, happenings = opened(auth.Plain(check))
    with publisher:
        for _ in range(200):
            with socket.create_connection(_address(publisher.endpoints[0]), DEADLINE_S) as peer:
                peer.sendall(hello(b"flood", b"x"))
                peer.recv(64)
        happenings.wait_for(EventKind.HANDSHAKE_FAILED)
        wait_until(lambda: publisher.statistics().failed_handshakes == 200, "all of them have left")
        subscriber = make("desk7").connect(publisher.endpoints[0])
        gate.set()
        come_back(publisher, subscriber)
        assert len(asked) < 50, "of those who had left few were judged"
    assert subscriber.saw(zmq.Event.HANDSHAKE_SUCCEEDED)


def test_an_endpoint_is_unbound_while_somebody_is_judged(make: Callable[..., PlainSeen]) -> None:
    check = Moody("hangs")
    publisher, _ = opened(auth.Plain(check))
    with publisher:
        endpoint = publisher.endpoints[0]
        make("desk7").connect(endpoint)
        wait_until(lambda: check.asked == 1, "it is asked")
        publisher.unbind(endpoint)
        check.let_go.set()
        publisher.wait_for_subscribers(1, timeout=DEADLINE_S)
        assert publisher.subscribers()[0].user == "desk7"
