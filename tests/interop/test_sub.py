"""`fanout sub` against libzmq's publisher: the project's own codec, on both transports."""

from __future__ import annotations

import json
import shlex
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import msgpack
import pytest
import zmq

from tests.helpers.command import ROOT, Command
from tests.helpers.waiting import DEADLINE_S
from tests.unit.zmtp.wire import GREETING, READY_PUB

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MESSAGES = [(b"a.1", b'{"n":1}'), (b"b.1", b"\xff"), (b"a.2", b"two")]


class Publisher:
    """libzmq's XPUB, which tells about subscriptions."""

    def __init__(self, endpoint: str) -> None:
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.XPUB)
        self._socket.bind(endpoint)
        self.endpoint = self._socket.get_string(zmq.LAST_ENDPOINT)

    def subscription(self, deadline_s: float = DEADLINE_S) -> bytes:
        """Waits for the next subscription and returns it."""
        self._socket.set(zmq.RCVTIMEO, int(deadline_s * 1000))
        message: bytes = self._socket.recv()
        return message

    def publish(self, *messages: tuple[bytes, ...]) -> None:
        for message in messages:
            self._socket.send_multipart(message)

    def close(self) -> None:
        self._context.destroy(linger=0)


@pytest.fixture(params=["tcp", "ipc", "abstract"])
def endpoint(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return {
        "tcp": "tcp://127.0.0.1:*",
        "ipc": f"ipc://{tmp_path}/feed.sock",
        "abstract": f"ipc://@{tmp_path.name}-{request.node.name}",
    }[request.param]


@pytest.fixture
def publisher(endpoint: str) -> Iterator[Publisher]:
    publisher = Publisher(endpoint)
    yield publisher
    publisher.close()


@pytest.fixture
def tcp_publisher() -> Iterator[Publisher]:
    publisher = Publisher("tcp://127.0.0.1:*")
    yield publisher
    publisher.close()


def test_everything_is_printed_on_every_transport(publisher: Publisher) -> None:
    with Command("sub", publisher.endpoint, "--count", "3") as command:
        assert publisher.subscription() == b"\x01"
        publisher.publish(*MESSAGES)
        assert command.read_line() == b'a.1\t{"n":1}\n'
        assert command.read_line() == b"b.1\t\\xff\n"
        assert command.read_line() == b"a.2\ttwo\n"
        assert command.wait() == 0
        assert command.error_lines == []


def test_topics_are_prefixes(tcp_publisher: Publisher) -> None:
    with Command("sub", tcp_publisher.endpoint, "a.", "c", "--format", "json") as command:
        assert {tcp_publisher.subscription(), tcp_publisher.subscription()} == {b"\x01a.", b"\x01c"}
        tcp_publisher.publish(*MESSAGES, (b"c", b"1", b"2"))
        lines = [json.loads(command.read_line()) for _ in range(3)]
        assert lines == [
            {"topic": "a.1", "payload": {"n": 1}},
            {"topic": "a.2", "payload_text": "two"},
            {"topic": "c", "frames": [{"payload": 1}, {"payload": 2}]},
        ]


def test_raw_prints_payloads_and_nothing_else(tcp_publisher: Publisher) -> None:
    with Command("sub", tcp_publisher.endpoint, "--raw", "--count", "3") as command:
        tcp_publisher.subscription()
        tcp_publisher.publish(*MESSAGES)
        assert command.wait() == 0
        assert command.process.stdout is not None
        assert command.process.stdout.read() == b'{"n":1}\xfftwo'


def test_latencies_by_a_time_that_the_service_has_written(tcp_publisher: Publisher) -> None:
    arguments = ("--json", "--latency", "at", "--count", "2")
    with Command("sub", tcp_publisher.endpoint, *arguments) as command:
        tcp_publisher.subscription()
        began = time.time()
        tcp_publisher.publish((b"a", b'{"at":%d}' % time.time_ns()), (b"a", b"{}"))
        line = json.loads(command.read_line())
        assert 0 <= line["latency_ms"] <= (time.time() - began) * 1000
        assert "latency_ms" not in json.loads(command.read_line())
        assert command.wait() == 0


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("--latency", "at"), "--latency is shown with --rate or --json"),
        (("--rate", "--latency", "at", "--raw"), "--latency reads payloads with --format json or"),
        (("--rate", "--latency", "at", "--format", "hex"), "--latency reads payloads with"),
    ],
)
def test_latencies_that_could_not_be_shown(arguments: tuple[str, ...], text: str) -> None:
    with Command("sub", "tcp://127.0.0.1:1", *arguments) as command:
        assert command.wait() == 2
        assert text in command.error_lines[0]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_is_a_clean_end(tcp_publisher: Publisher, number: signal.Signals) -> None:
    with Command("sub", tcp_publisher.endpoint) as command:
        tcp_publisher.subscription()
        tcp_publisher.publish(*MESSAGES)
        command.read_line()
        command.send_signal(number)
        assert command.wait() == 0
        assert command.error_lines == []


def test_an_output_that_nobody_reads_any_more_is_a_clean_end(tcp_publisher: Publisher) -> None:
    with Command("sub", tcp_publisher.endpoint) as command:
        tcp_publisher.subscription()
        assert command.process.stdout is not None
        command.process.stdout.close()  # nothing is published: it must notice by itself
        assert command.wait() == 0
        assert command.error_lines == []


def test_it_connects_again_when_the_publisher_is_back(tcp_publisher: Publisher) -> None:
    endpoint = tcp_publisher.endpoint
    with Command("sub", endpoint, "--count", "2") as command:
        tcp_publisher.subscription()
        tcp_publisher.publish((b"a", b"1"))
        assert command.read_line() == b"a\t1\n"
        tcp_publisher.close()
        command.error_line(lambda line: line.endswith("; trying again"))
        second = Publisher(endpoint)
        try:
            second.subscription()
            second.publish((b"a", b"2"))
            assert command.read_line() == b"a\t2\n"
            assert command.wait() == 0
        finally:
            second.close()


def test_until_eof_waits_for_a_publisher_and_ends_with_it(tmp_path: Path) -> None:
    endpoint = f"ipc://{tmp_path}/feed.sock"
    with Command("sub", endpoint, "--until-eof") as command:
        command.error_line(lambda line: line.endswith("; trying again"))
        publisher = Publisher(endpoint)
        try:
            publisher.subscription()
            publisher.publish((b"a", b"1"))
            assert command.read_line() == b"a\t1\n"
        finally:
            publisher.close()
        assert command.wait() == 0
        assert command.error_lines[1:] == [
            f"fanout sub: {endpoint}: connected",
            f"fanout sub: {endpoint}: the publisher closed the connection",
        ]


def test_until_eof_fails_if_the_publisher_breaks_the_protocol() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(DEADLINE_S)
        endpoint = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        with Command("sub", endpoint, "--until-eof") as command:
            peer, _ = server.accept()
            with peer:
                peer.sendall(GREETING + READY_PUB + b"\x02" + b"\xff" * 8)
                assert command.wait() == 1


def test_msgpack_is_what_serve_reads(tcp_publisher: Publisher) -> None:
    with Command("sub", tcp_publisher.endpoint, "--format", "msgpack", "--count", "3") as command:
        tcp_publisher.subscription()
        tcp_publisher.publish(*MESSAGES)
        assert command.wait() == 0
        assert command.process.stdout is not None
        unpacker = msgpack.Unpacker(command.process.stdout, use_list=False)
        assert list(unpacker) == MESSAGES


def test_a_closed_standard_output_is_a_usage_error(tmp_path: Path) -> None:
    line = f"{shlex.quote(sys.executable)} -m fanout sub ipc://{tmp_path}/feed.sock >&-"
    ended = subprocess.run(
        ["bash", "-c", line], cwd=ROOT, stderr=subprocess.PIPE, timeout=DEADLINE_S, check=False
    )
    assert ended.returncode == 2
    assert ended.stderr == b"fanout sub: standard output is closed\n"


def test_a_timeout_without_a_connection_is_a_failure(tmp_path: Path) -> None:
    endpoint = f"ipc://{tmp_path}/nobody.sock"
    with Command("sub", endpoint, "--timeout", "0.3") as command:
        assert command.wait() == 1
        assert command.error_lines == [
            f"fanout sub: {endpoint}: No such file or directory; trying again",
            f"fanout sub: {endpoint}: never connected",
        ]


def test_too_few_messages_in_time_are_a_failure(tcp_publisher: Publisher) -> None:
    endpoint = tcp_publisher.endpoint
    for timeout in ("2", "10", "40"):  # a busy machine may take longer to get even one to it
        with Command("sub", endpoint, "--count", "2", "--timeout", timeout) as command:
            with suppress(zmq.Again):
                tcp_publisher.subscription(float(timeout))
            tcp_publisher.publish((b"a", b"1"))
            assert command.wait() == 1
            if command.error_lines == [f"fanout sub: {endpoint}: got 1 of 2 messages"]:
                return
    raise AssertionError(command.error_lines)


def test_a_peer_that_is_no_publisher_is_named_as_such() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(DEADLINE_S)
        endpoint = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        with Command("sub", endpoint) as command:
            peer, _ = server.accept()
            with peer:
                peer.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                line = command.error_line(lambda line: "not a publisher" in line)
            assert line.startswith(f"fanout sub: {endpoint}: not a publisher")
            assert "the peer speaks HTTP, not ZMTP" in line
