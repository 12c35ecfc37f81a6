"""Socket files: which are replaced, which are removed, and which are never touched."""

from __future__ import annotations

import errno
import os
import socket
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING

from fanout.transport import left_file, socket_file
from fanout.transport.endpoints import IpcEndpoint, parse_endpoint
from fanout.transport.opening import open_listener
from tests.unit.transport.listening import (
    BACKLOG,
    accept,
    bind_error,
    connect,
    leave_stale_file,
)

if TYPE_CHECKING:
    import pytest

    from fanout.transport.listener import Listener


def test_ipc_removes_its_file_after_a_change_of_directory(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listener = open_listener("ipc://feed.sock", BACKLOG)
    monkeypatch.chdir("/")
    listener.close()
    assert list(directory.iterdir()) == []


def test_stale_socket_file_is_replaced(directory: Path) -> None:
    leave_stale_file("feed.sock")
    with closing(open_listener("ipc://feed.sock", BACKLOG)) as listener:
        client, connection = connect(listener)
        client.close()
        connection.close()
    assert list(directory.iterdir()) == []


def test_live_socket_file_is_not_replaced(directory: Path) -> None:
    with closing(open_listener("ipc://feed.sock", BACKLOG)) as listener:
        error = bind_error("ipc://feed.sock")
        assert error.errno == errno.EADDRINUSE
        assert "another process listens on it" in str(error)
        accept(listener).close()  # the probe of the second one
        client, connection = connect(listener)
        client.close()
        connection.close()


def test_live_socket_file_with_a_full_backlog_is_not_replaced(directory: Path) -> None:
    with ExitStack() as stack:
        listener = stack.enter_context(closing(open_listener("ipc://feed.sock", 1)))
        while True:
            client = stack.enter_context(socket.socket(socket.AF_UNIX))
            client.setblocking(False)
            try:
                client.connect("feed.sock")
            except BlockingIOError:
                break
        assert bind_error("ipc://feed.sock").errno == errno.EADDRINUSE
        assert Path("feed.sock").is_socket()
        assert listener.socket.fileno() >= 0


def test_datagram_socket_is_not_replaced(directory: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other:
        other.bind("feed.sock")
        assert bind_error("ipc://feed.sock").errno == errno.EADDRINUSE
        assert Path("feed.sock").is_socket()


def test_file_that_is_no_socket_is_never_removed(directory: Path) -> None:
    Path("file").write_text("precious")
    Path("folder").mkdir()
    Path("link").symlink_to("nowhere")
    for name in ("file", "folder", "link"):
        error = bind_error(f"ipc://{name}")
        assert error.errno == errno.EADDRINUSE
        assert "not a socket" in str(error)
    assert {path.name for path in directory.iterdir()} == {"file", "folder", "link"}
    assert Path("file").read_text() == "precious"


def test_stale_file_that_may_not_be_removed(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: str) -> None:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM), path)

    leave_stale_file("feed.sock")
    monkeypatch.setattr(os, "unlink", refuse)
    error = bind_error("ipc://feed.sock")
    monkeypatch.undo()
    assert error.errno == errno.EPERM
    assert "it cannot be replaced: Operation not permitted" in str(error)
    assert (directory / "feed.sock").is_socket()


def test_stale_file_that_may_not_be_probed(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Refusing(socket.socket):
        def connect(self, address: object) -> None:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    leave_stale_file("feed.sock")
    monkeypatch.setattr(socket, "socket", Refusing)
    error = bind_error("ipc://feed.sock")
    assert error.errno == errno.EACCES
    assert "it cannot be replaced: Permission denied" in str(error)
    assert Path("feed.sock").is_socket()


def test_stale_file_that_vanishes_while_it_is_probed(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def vanish(path: str) -> bool:
        Path(path).unlink()
        return False

    leave_stale_file("feed.sock")
    monkeypatch.setattr(socket_file, "is_listening", vanish)
    with closing(open_listener("ipc://feed.sock", BACKLOG)) as listener:
        client, connection = connect(listener)
        client.close()
        connection.close()


def test_stale_file_that_a_live_one_replaces_while_it_is_probed(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two publishers find one stale file: the slower one must not remove the faster one's."""
    is_listening = left_file.is_listening
    with ExitStack() as stack:
        faster: list[Listener] = []

        def be_overtaken(path: str) -> bool:
            found = is_listening(path)
            if not faster:
                Path(path).rename("old")  # keeps its inode number from being used again
                monkeypatch.setattr(socket_file, "is_listening", is_listening)
                faster.append(stack.enter_context(closing(open_listener(f"ipc://{path}", 8))))
            return found

        leave_stale_file("feed.sock")
        monkeypatch.setattr(socket_file, "is_listening", be_overtaken)
        assert bind_error("ipc://feed.sock").errno == errno.EADDRINUSE
        client, connection = connect(faster[0])
        client.close()
        connection.close()


def test_socket_file_that_somebody_else_put_there_is_left(directory: Path) -> None:
    first = open_listener("ipc://feed.sock", BACKLOG)
    Path("feed.sock").unlink()
    with closing(open_listener("ipc://feed.sock", BACKLOG)) as second:
        first.close()
        client, connection = connect(second)
        client.close()
        connection.close()
    assert list(directory.iterdir()) == []


def test_directory_with_a_file_of_somebody_else_is_left(directory: Path) -> None:
    listener = open_listener("ipc://*", BACKLOG)
    endpoint = parse_endpoint(listener.endpoint)
    assert isinstance(endpoint, IpcEndpoint)
    other = Path(endpoint.path).with_name("other")
    other.touch()
    listener.close()
    assert [*Path(endpoint.path).parent.iterdir()] == [other]
