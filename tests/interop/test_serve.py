"""`fanout serve` as a process, with stock ZeroMQ subscribers."""

from __future__ import annotations

import json
import signal
import socket
from typing import TYPE_CHECKING

import msgpack
import pytest
import zmq

from tests.helpers.command import DEADLINE_S, Command

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TCP = "tcp://127.0.0.1:*"
SMALL = ("--workers", "1", "--log-bytes", "4M")


class Subscribers:
    """SUB sockets of one context, whose reads have a deadline."""

    def __init__(self) -> None:
        self._context = zmq.Context()
        self._sockets: list[zmq.Socket[bytes]] = []

    def connect(self, endpoint: str, *topics: bytes) -> zmq.Socket[bytes]:
        subscriber = self._context.socket(zmq.SUB)
        subscriber.set(zmq.RCVTIMEO, int(DEADLINE_S * 1000))
        for topic in topics or (b"",):
            subscriber.subscribe(topic)
        subscriber.connect(endpoint)
        self._sockets.append(subscriber)
        return subscriber

    def close(self) -> None:
        self._context.destroy(linger=0)


@pytest.fixture
def subscribers() -> Iterator[Subscribers]:
    subscribers = Subscribers()
    yield subscribers
    subscribers.close()


def endpoint_of(command: Command, scheme: str = "tcp") -> str:
    prefix = f"publishing on {scheme}://"
    return command.error_line(lambda line: line.startswith(prefix)).removeprefix("publishing on ")


def receive(subscriber: zmq.Socket[bytes], count: int) -> list[tuple[bytes, ...]]:
    return [tuple(subscriber.recv_multipart()) for _ in range(count)]


def test_lines_reach_subscribers_on_both_transports(
    subscribers: Subscribers, tmp_path: Path
) -> None:
    ipc = f"ipc://{tmp_path}/feed.sock"
    with Command("serve", "--bind", TCP, "--bind", ipc, "--wait-for", "2", *SMALL) as command:
        everything = subscribers.connect(endpoint_of(command))
        some = subscribers.connect(endpoint_of(command, "ipc"), b"EUR")
        command.write(b"EURUSD\t1.1\noops\nGBPUSD\t1.3\nEURCHF\t0.9\n")
        assert receive(everything, 3) == [
            (b"EURUSD", b"1.1"),
            (b"GBPUSD", b"1.3"),
            (b"EURCHF", b"0.9"),
        ]
        assert receive(some, 2) == [(b"EURUSD", b"1.1"), (b"EURCHF", b"0.9")]
        command.end_input()
        assert command.wait() == 0
        assert "line 2: no TAB between topic and payload" in command.error_lines
        assert command.error_lines[-1].startswith("published 3 messages")


@pytest.mark.parametrize(
    ("arguments", "data", "payload"),
    [
        (
            ("ndjson", "--topic-key", "symbol"),
            json.dumps({"symbol": "a", "bid": 1}).encode() + b"\n",
            b'{"symbol": "a", "bid": 1}',
        ),
        (("msgpack",), msgpack.packb(["a", b"\x00\xff"]), b"\x00\xff"),
        (
            ("msgpack", "--topic-key", "symbol"),
            msgpack.packb({"symbol": "a"}),
            msgpack.packb({"symbol": "a"}),
        ),
    ],
)
def test_other_formats(
    subscribers: Subscribers, arguments: tuple[str, ...], data: bytes, payload: bytes
) -> None:
    format_arguments = ("--format", *arguments)
    with Command("serve", "--bind", TCP, "--wait-for", "1", *SMALL, *format_arguments) as command:
        subscriber = subscribers.connect(endpoint_of(command))
        command.write(data)
        assert receive(subscriber, 1) == [(b"a", payload)]
        command.end_input()
        assert command.wait() == 0


def test_a_large_input_arrives_whole_and_in_order(subscribers: Subscribers) -> None:
    lines = [b"t%d\t%d" % (number % 10, number) for number in range(100_000)]
    lossless = ("--slow-policy", "block", "--wait-for", "1")
    with Command("serve", "--bind", TCP, *lossless, *SMALL) as command:
        subscriber = subscribers.connect(endpoint_of(command))
        command.write(b"\n".join(lines))
        command.end_input()
        got = [b"\t".join(message) for message in receive(subscriber, len(lines))]
        assert got == lines
        assert command.wait() == 0
        assert command.error_lines[-1].startswith("published 100,000 messages")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_drains_and_ends(subscribers: Subscribers, number: signal.Signals) -> None:
    with Command("serve", "--bind", TCP, "--wait-for", "1", *SMALL) as command:
        subscriber = subscribers.connect(endpoint_of(command))
        command.write(b"a\t1\n")
        assert receive(subscriber, 1) == [(b"a", b"1")]
        command.send_signal(number)
        assert command.wait() == 0
        assert command.error_lines[-1].startswith("published 1 message ")


def test_a_signal_while_waiting_for_subscribers_ends() -> None:
    with Command("serve", "--bind", TCP, "--wait-for", "1", *SMALL) as command:
        endpoint_of(command)
        command.send_signal(signal.SIGINT)
        assert command.wait() == 0


def test_reports_come_by_themselves() -> None:
    with Command("serve", "--bind", TCP, "--report-interval", "0.1", *SMALL) as command:
        line = command.error_line(lambda line: " | " in line)
        assert "subscribers 0" in line
        command.end_input()
        assert command.wait() == 0


def test_an_address_in_use_is_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        endpoint = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        with Command("serve", "--bind", endpoint, *SMALL) as command:
            assert command.wait() == 1
            assert len(command.error_lines) == 1
            assert command.error_lines[0].startswith(f"fanout serve: cannot bind {endpoint!r}")


def test_an_endpoint_that_is_none_is_a_usage_error() -> None:
    with Command("serve", "--bind", "udp://127.0.0.1:5556", *SMALL) as command:
        assert command.wait() == 2
        assert len(command.error_lines) == 1


def test_serve_and_sub_speak_with_each_other() -> None:
    with Command("serve", "--bind", TCP, "--wait-for", "1", *SMALL) as publisher:
        endpoint = endpoint_of(publisher)
        with Command("sub", endpoint, "a", "--count", "2") as subscriber:
            publisher.write(b"a\t1\nb\t2\na\t3\n")
            assert subscriber.read_line() == b"a\t1\n"
            assert subscriber.read_line() == b"a\t3\n"
            assert subscriber.wait() == 0
        publisher.end_input()
        assert publisher.wait() == 0
