"""Endpoints of a running publisher: several, later, by name, free ports, ipc and its files."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

import pytest

from fanout import BindError, ConfigError, Publisher
from tests.helpers.raw import RawPeer
from tests.helpers.waiting import DEADLINE_S, wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.helpers.stock import Stock


def check(publisher: Publisher, stock: Stock, endpoint: str) -> None:
    """A stock subscriber at the endpoint is served."""
    topic = os.urandom(8)
    subscriber = stock.connect(endpoint, topic)
    publisher.wait_for_subscribers(1, topic=topic, timeout=DEADLINE_S)
    publisher.publish(topic, b"")
    assert subscriber.recv_multipart() == [topic, b""]
    subscriber.close()


@pytest.mark.parametrize("port", ["*", "0"])
@pytest.mark.parametrize("host", ["127.0.0.1", "*", "lo", "localhost", "[::1]"])
def test_free_ports_on_all_kinds_of_hosts(
    shared: Publisher, stock: Stock, host: str, port: str
) -> None:
    before = shared.endpoints
    endpoint = shared.bind(f"tcp://{host}:{port}")
    assert shared.endpoints == (*before, endpoint)
    number = int(endpoint.rpartition(":")[2])
    assert number > 0
    if host != "[::1]":
        check(shared, stock, f"tcp://127.0.0.1:{number}")
    else:
        with socket.create_connection(("::1", number), DEADLINE_S) as connection:
            assert connection.recv(10)[0] == 0xFF


def test_several_endpoints_at_once(tmp_path: Path, stock: Stock) -> None:
    endpoints = ["tcp://127.0.0.1:*", "tcp://127.0.0.1:*", f"ipc://{tmp_path}/a", "ipc://*"]
    with Publisher(endpoints, workers=1, log_bytes=1 << 20) as publisher:
        assert len(set(publisher.endpoints)) == 4
        assert publisher.endpoints[2] == f"ipc://{tmp_path}/a"
        subscribers = [stock.connect(endpoint, b"A") for endpoint in publisher.endpoints]
        publisher.wait_for_subscribers(4, timeout=DEADLINE_S)
        publisher.publish(b"A", b"to all")
        for subscriber in subscribers:
            assert subscriber.recv_multipart() == [b"A", b"to all"]
        assert {one.endpoint for one in publisher.subscribers()} == set(publisher.endpoints)


def bound(publisher: Publisher) -> list[str]:
    """Its endpoints now."""
    return list(publisher.endpoints)


def test_bind_and_unbind_later(stock: Stock) -> None:
    with Publisher(workers=1, log_bytes=1 << 20) as publisher:
        assert bound(publisher) == []
        assert "not bound" in repr(publisher)
        assert publisher.publish(b"A", b"nobody can hear it") == 0
        first = publisher.bind("tcp://127.0.0.1:*")
        second = publisher.bind("tcp://127.0.0.1:*")
        assert bound(publisher) == [first, second]
        assert first in repr(publisher)
        with RawPeer.version_3(first, b"A") as stays:
            publisher.wait_for_subscribers(1, timeout=DEADLINE_S)
            publisher.unbind(first)
            assert bound(publisher) == [second]
            host, _, port = first.removeprefix("tcp://").rpartition(":")
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection((host, int(port)), DEADLINE_S)
            publisher.publish(b"A", b"still served")
            assert stays.read_message() == [b"A", b"still served"]
        with pytest.raises(ConfigError, match="is not bound; bound are: " + second):
            publisher.unbind(first)
        check(publisher, stock, second)
        assert publisher.bind(first) == first
        check(publisher, stock, first)


def test_an_endpoint_that_fails_changes_nothing(publisher: Publisher, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a socket")
    for bad, error in (
        (publisher.endpoints[0], BindError),
        ("tcp://198.51.100.7:*", BindError),
        ("tcp://no-such-interface:*", BindError),
        (f"ipc://{tmp_path}/none/feed", BindError),
        (f"ipc://{tmp_path}/file", BindError),
        ("udp://127.0.0.1:1", ConfigError),
        ("nonsense", ConfigError),
    ):
        before = publisher.endpoints
        with pytest.raises(error, match=bad.rpartition("//")[2].split("]")[0]):
            publisher.bind(bad)
        assert publisher.endpoints == before
        with pytest.raises(error):
            Publisher(bad, workers=1, log_bytes=1 << 20)
    assert (tmp_path / "file").read_text() == "not a socket"


def test_what_is_bound_here_already_is_said_to_be(publisher: Publisher, tmp_path: Path) -> None:
    port = publisher.endpoints[0].rpartition(":")[2]
    file = publisher.bind(f"ipc://{tmp_path}/feed")
    for again in (publisher.endpoints[0], f"tcp://*:{port}", f"tcp://localhost:{port}", file):
        ours = file if again == file else publisher.endpoints[0]
        with pytest.raises(BindError, match=f"this publisher itself listens on {ours}"):
            publisher.bind(again)
    twice = f"ipc://{tmp_path}/twice"
    with pytest.raises(BindError, match=f"this publisher itself listens on {twice}"):
        Publisher([twice, twice], workers=1, log_bytes=1 << 20)
    with socket.create_server(("127.0.0.1", 0)) as other:
        endpoint = f"tcp://127.0.0.1:{other.getsockname()[1]}"
        with pytest.raises(BindError, match="in use, another socket listens"):
            publisher.bind(endpoint)


def test_an_abstract_name_has_no_file(
    publisher: Publisher, stock: Stock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    endpoint = f"ipc://@fanout-test-{os.getpid()}"
    assert publisher.bind(endpoint) == endpoint
    check(publisher, stock, endpoint)
    assert list(tmp_path.iterdir()) == []
    with RawPeer.version_3(endpoint, b"A"):
        publisher.wait_for_subscribers(1, topic=b"A", timeout=DEADLINE_S)
        assert publisher.subscribers()[-1].peer == f"ipc:{os.getpid()}"


def test_a_stale_socket_file_is_replaced_and_a_live_one_is_not(
    publisher: Publisher, stock: Stock, tmp_path: Path
) -> None:
    path = tmp_path / "feed"
    with socket.socket(socket.AF_UNIX) as killed:
        killed.bind(str(path))
        killed.listen()
    assert path.is_socket()
    endpoint = publisher.bind(f"ipc://{path}")
    check(publisher, stock, endpoint)
    with pytest.raises(BindError, match="in use"):
        Publisher(endpoint, workers=1, log_bytes=1 << 20)
    check(publisher, stock, endpoint)
    publisher.unbind(endpoint)
    assert not path.exists()


@pytest.mark.unmeasured
def test_a_stream_goes_on_while_endpoints_come_and_go() -> None:
    """In order and complete for who was connected before; newcomers join at a message."""
    with (
        Publisher("tcp://127.0.0.1:*", workers=2, slow_policy="block") as publisher,
        RawPeer.version_3(publisher.endpoints[0], b"") as stays,
    ):
        publisher.wait_for_subscribers(1, timeout=DEADLINE_S)
        sent = 0
        for _ in range(10):
            publisher.unbind(publisher.endpoints[0])
            endpoint = publisher.bind("tcp://127.0.0.1:*")
            with RawPeer.version_3(endpoint, b"") as newcomer:
                publisher.wait_for_subscribers(2, timeout=DEADLINE_S)
                numbers = [b"%d" % n for n in range(sent, sent + 200)]
                for number in numbers:
                    publisher.publish(b"n", number)
                sent += 200
                assert [newcomer.read_message()[1] for _ in numbers] == numbers
            wait_until(lambda: len(publisher.subscribers()) == 1, "the newcomer has left")
        received = [int(stays.read_message()[1]) for _ in range(sent)]
        assert received == list(range(sent))
        assert publisher.statistics().dropped == 0
