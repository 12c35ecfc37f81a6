"""The subscriber by TLS, and publishers that are hostile or broken: time and memory are bounded.

Who has no trusted certificate gets no further than a handshake; who has one may still be broken.
What takes its time is in `tests/unit/subscriber/test_connections.py`, by the clock of the test.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from contextlib import suppress
from functools import partial
from typing import Any

import psutil
import pytest

import fanout.asyncio
from fanout import ReceiverEventKind, Subscriber, auth
from fanout.security.records import SAID_BYTES_MAX
from fanout.subscriber import connections
from fanout.transport import connecting
from fanout.zmtp import encode_message
from tests.helpers.certificates import (
    AUTHORITY,
    EARLY,
    EARLY_KEY,
    EXPIRED,
    EXPIRED_KEY,
    TIMES_AUTHORITY,
)
from tests.helpers.happenings import Told
from tests.helpers.tls import ask_for_new_keys
from tests.helpers.tls_server import TlsServer, TlsTalk, have_it, stock_context
from tests.helpers.waiting import DEADLINE_S, wait_until

S = DEADLINE_S
TRUSTS = auth.TlsClient(ca=AUTHORITY)
LOST, FAILED, REFUSED = (
    ReceiverEventKind.LOST,
    ReceiverEventKind.FAILED,
    ReceiverEventKind.REFUSED,
)
STEP_S = 0.01  # that a call waits before it is cancelled


def first(told: Told, kind: ReceiverEventKind) -> str:
    """The text of the first of these, which is waited for."""
    return told.wait_for(kind)[0].text


def connected(server: TlsServer, told: Told, **options: Any) -> Subscriber:
    return Subscriber(server.endpoint, tls=TRUSTS, on_event=told, **options)


def serve_again(server: TlsServer, subscriber: Subscriber) -> None:
    """It comes back, and is served as if nothing had been."""
    server.accept().serve().publish(b"again", b"")
    assert subscriber.recv(S).topic == b"again"


class TestHandshakes:
    def test_cancelled_within_it_nothing_is_lost(self) -> None:
        """A call that is cancelled has nothing to do with the connection."""
        cancelled = 0

        def is_more_than(before: int) -> bool:
            return cancelled > before

        async def main(server: TlsServer) -> None:
            nonlocal cancelled

            def serve() -> None:
                talk = server.accept()
                talk.hear()
                output = talk.records.take_output()
                for at in range(0, len(output), 10):
                    talk.socket.sendall(output[at : at + 10])
                    wait_until(partial(is_more_than, cancelled), "a call is cancelled")
                talk.serve().publish(b"A", b"first")

            async with (
                asyncio.timeout(S),
                fanout.asyncio.Subscriber(server.endpoint, tls=TRUSTS) as subscriber,
            ):
                serving = asyncio.ensure_future(asyncio.to_thread(serve))
                while not serving.done():
                    receiving = asyncio.ensure_future(subscriber.recv(S))
                    done, _ = await asyncio.wait([receiving], timeout=STEP_S)
                    if done:
                        assert receiving.result().payload == b"first"
                        break
                    receiving.cancel()
                    with suppress(asyncio.CancelledError):
                        assert (await receiving).payload == b"first"
                        break
                    cancelled += 1
                else:
                    assert (await subscriber.recv(S)).payload == b"first"
                await serving

        with TlsServer() as server:
            asyncio.run(main(server))
            assert server.accepted == 1
        assert cancelled >= 5

    @pytest.mark.parametrize(
        "said",
        [
            b"\xff" + bytes(8) + b"\x7f\x03\x01" + b"NULL".ljust(52, b"\0"),
            b"HTTP/1.1 400 Bad Request\r\n\r\n",
            b"\x16\x03\x03\xff\xff" + bytes(70_000),  # a record that is longer than there are
            b"\x15\x03\x03\x00\x02\x02\x28",  # an alert: handshake failure
        ],
    )
    def test_who_speaks_something_else_is_told_of(self, said: bytes) -> None:
        told = Told()
        with TlsServer() as server, connected(server, told) as subscriber:
            talk = server.accept()
            talk.hear()
            talk.socket.sendall(said)
            assert "TLS" in first(told, REFUSED)
            talk.wait_for_the_end()
            serve_again(server, subscriber)

    @pytest.mark.parametrize(
        ("chain", "key", "text"),
        [(EXPIRED, EXPIRED_KEY, "has expired"), (EARLY, EARLY_KEY, "is not valid yet")],
    )
    @pytest.mark.parametrize("is_trusted_itself", [False, True])
    def test_a_certificate_of_another_time(
        self, chain: bytes, key: bytes, text: str, is_trusted_itself: bool
    ) -> None:
        told = Told()
        trusts = auth.TlsClient(ca=chain if is_trusted_itself else TIMES_AUTHORITY)
        with (
            TlsServer(stock_context(chain, key)) as server,
            Subscriber(server.endpoint, tls=trusts, on_event=told),
        ):
            talk = server.accept()
            talk.hear()
            talk.flush()
            assert f"the certificate of the publisher {text}" in first(told, REFUSED)


class TestTraffic:
    def test_an_end_that_comes_with_the_last_message(self) -> None:
        """The connection is open, but nothing more will be to be read."""
        told = Told()
        with TlsServer() as server, connected(server, told) as subscriber:
            talk = server.accept().serve()
            last = talk.sealed(encode_message((b"A", b"last")))
            talk.records.end()
            talk.socket.sendall(last + talk.records.take_output())
            assert subscriber.recv(S).payload == b"last"
            assert "closed the connection" in first(told, LOST)
            serve_again(server, subscriber)

    @pytest.mark.parametrize("is_said", [False, True])
    def test_an_end_in_the_middle_of_a_message(self, is_said: bool) -> None:
        """What has come of it is given to nobody, and the end is told."""
        told = Told()
        with TlsServer() as server, connected(server, told) as subscriber:
            talk = server.accept().serve()
            talk.say(encode_message((b"A", b"x" * 50_000))[:40_000])
            if is_said:
                talk.records.end()
                talk.flush()
            else:
                talk.socket.shutdown(socket.SHUT_WR)
            assert "closed the connection" in first(told, LOST)
            serve_again(server, subscriber)

    def test_new_keys_again_and_again_for_who_reads_no_answers(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        connect = connecting.connected_to

        def narrow(family: int, address: object) -> socket.socket:
            made = connect(family, address)
            made.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)  # so that it is full soon
            return made

        monkeypatch.setattr(connections, "connected_to", narrow)
        told = Told()
        with TlsServer(receive_buffer=4096) as server, connected(server, told) as subscriber:
            talk = server.accept().serve()
            before = psutil.Process().memory_info().rss

            def ask() -> bool:
                for _ in range(100):
                    ask_for_new_keys(talk.records._tls)
                talk.flush()
                return bool(told.of(LOST))

            with suppress(OSError):
                wait_until(ask, "the subscriber gives up")
            assert "goes on asking, and does not read the answers" in first(told, LOST)
            assert psutil.Process().memory_info().rss - before < 100 * SAID_BYTES_MAX
            serve_again(server, subscriber)

    def test_new_keys_again_and_again_for_who_reads_them(self) -> None:
        told, stopped = Told(), threading.Event()

        def read(talk: TlsTalk) -> None:
            while not stopped.is_set():
                with suppress(TimeoutError):
                    if not talk.socket.recv(1 << 20):
                        return

        with TlsServer() as server, connected(server, told) as subscriber:
            talk = server.accept().serve()
            reader = threading.Thread(target=read, args=(talk,))
            reader.start()
            try:
                for number in range(200):
                    for _ in range(100):
                        ask_for_new_keys(talk.records._tls)
                    talk.publish(b"A", b"%d" % number)
                    assert subscriber.recv(S).payload == b"%d" % number
            finally:
                stopped.set()
                talk.socket.shutdown(socket.SHUT_RDWR)
                reader.join(S)
            assert server.accepted == 1

    def test_tickets_without_end(self) -> None:
        """A subscriber has no use for any, and keeps none."""
        told = Told()
        with TlsServer(stock_context()) as server, connected(server, told) as subscriber:
            talk = server.accept().serve()

            def flood(count: int) -> int:
                for number in range(count):
                    have_it("SSL_new_session_ticket", talk.records._tls)
                    if number % 50 == 0:
                        talk.flush()
                talk.publish(b"A", b"")
                assert subscriber.recv(S).topic == b"A"
                return psutil.Process().memory_info().rss

            before = flood(500)
            assert flood(5_000) - before < 4 << 20
            assert server.accepted == 1
