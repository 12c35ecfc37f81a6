"""Listeners: their end in a fork, and the names of those who connect."""

from __future__ import annotations

import os
import socket
from contextlib import closing
from pathlib import Path

import multiprocess
import pytest

from fanout.transport.endpoints import parse_endpoint
from fanout.transport.listener import Listener, host_of, peer_name
from fanout.transport.opening import open_listener
from tests.helpers.programs import Program
from tests.unit.transport.listening import (
    ACCEPT_TIMEOUT_S,
    BACKLOG,
    accept,
    connect,
)


def test_forked_child_closes_its_copy_only(directory: Path) -> None:
    with closing(open_listener("ipc://feed.sock", BACKLOG)) as listener:
        child = multiprocess.get_context("fork").Process(target=listener.close)
        child.start()
        child.join(ACCEPT_TIMEOUT_S)
        assert child.exitcode == 0
        goes_on_listening(listener)
    assert list(directory.iterdir()) == []


# In a process of its own: a thread that waits for the interpreter at a fork of which Python does
# not know is waited for by the child for ever, and this one has threads.
FORKS_IN_C = """
import ctypes, os
from contextlib import closing
from fanout.transport.opening import open_listener
from tests.unit.transport.listening import BACKLOG
from tests.unit.transport.test_listener import goes_on_listening

with closing(open_listener("ipc://feed.sock", BACKLOG)) as listener:
    pid = ctypes.PyDLL(None).fork()
    if not pid:
        listener.close()
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
    goes_on_listening(listener)
assert os.listdir() == []
"""


def test_a_child_that_c_has_forked_closes_its_copy_only(directory: Path) -> None:
    """No hook of Python runs."""
    with Program(["-c", FORKS_IN_C], directory) as program:
        program.finish()


def goes_on_listening(listener: Listener) -> None:
    assert Path("feed.sock").is_socket()
    client, connection = connect(listener)
    client.close()
    connection.close()


@pytest.mark.parametrize("endpoint", ["tcp://127.0.0.1:*", "tcp://[::]:*"])
def test_a_copy_elsewhere_does_not_go_on_listening(endpoint: str) -> None:
    """Copies get about by forks, in C too; here one stands for all."""
    listener = open_listener(endpoint, BACKLOG)
    with listener.socket.dup() as copy:
        address = copy.getsockname()
        listener.close()
        with socket.socket(copy.family) as client, pytest.raises(ConnectionRefusedError):
            client.connect(address)
        with closing(open_listener(listener.endpoint, BACKLOG)) as again:
            client, connection = connect(again)
            client.close()
            connection.close()


def test_a_copy_of_a_unix_socket_does_not_go_on_listening(directory: Path) -> None:
    """Not even where its file could not be removed; a second link stands for that."""
    listener = open_listener("ipc://feed.sock", BACKLOG)
    Path("second.sock").hardlink_to("feed.sock")
    with listener.socket.dup():
        listener.close()
        with socket.socket(socket.AF_UNIX) as client, pytest.raises(ConnectionRefusedError):
            client.connect("second.sock")
        with closing(open_listener("ipc://second.sock", BACKLOG)) as again:
            client, connection = connect(again)
            client.close()
            connection.close()
    assert list(directory.iterdir()) == []


@pytest.mark.parametrize(
    ("endpoint", "client_host", "name"),
    [
        ("tcp://127.0.0.1:*", "127.0.0.1", "127.0.0.1:{port}"),
        ("tcp://[::1]:*", "::1", "[::1]:{port}"),
        ("tcp://[::]:*", "127.0.0.1", "127.0.0.1:{port}"),
    ],
)
def test_tcp_peer_has_its_address_for_a_name(endpoint: str, client_host: str, name: str) -> None:
    with closing(open_listener(endpoint, BACKLOG)) as listener:
        port = listener.socket.getsockname()[1]
        client = socket.create_connection((client_host, port), ACCEPT_TIMEOUT_S)
        with client, accept(listener) as connection:
            assert peer_name(connection) == name.format(port=client.getsockname()[1])


@pytest.mark.parametrize("endpoint", ["ipc://feed.sock", "ipc://@fanout-test-peer"])
def test_ipc_peer_has_its_process_id_for_a_name(endpoint: str, directory: Path) -> None:
    with closing(open_listener(endpoint, BACKLOG)) as listener:
        client, connection = connect(listener)
        with client, connection:
            assert peer_name(connection) == f"ipc:{os.getpid()}"


def test_peer_that_has_left_is_unknown() -> None:
    with socket.socket() as never_connected:
        assert peer_name(never_connected) == "unknown"


@pytest.mark.parametrize(
    ("address", "host"),
    [
        (("203.0.113.7", 80), "203.0.113.7"),
        (("2001:db8::1", 80, 0, 0), "2001:db8::1"),
        (("fe80::1", 80, 0, socket.if_nametoindex("lo")), "fe80::1%lo"),
        (("fe80::1%lo", 80, 0, socket.if_nametoindex("lo")), "fe80::1%lo"),
        (("fe80::1", 80, 0, 99_999), "fe80::1%99999"),
    ],
)
def test_a_link_local_address_is_named_with_its_interface(
    address: tuple[object, ...], host: str
) -> None:
    assert host_of(address) == host
    assert str(
        parse_endpoint(f"tcp://[{host}]:80" if ":" in host else f"tcp://{host}:80")
    ).endswith(f"{host}]:80" if ":" in host else f"{host}:80")
