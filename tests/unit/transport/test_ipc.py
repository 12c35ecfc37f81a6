"""Unix listeners on real sockets: what is bound, what it is called, what is left behind."""

from __future__ import annotations

import errno
import os
import tempfile
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from fanout.transport import ipc
from fanout.transport.opening import open_listener
from tests.unit.transport.listening import (
    BACKLOG,
    bind_error,
    connect,
    leave_stale_file,
)

if TYPE_CHECKING:
    import socket


@pytest.mark.parametrize("requested", ["ipc://feed.sock", "ipc://{}/feed.sock"])
def test_ipc_listens_and_removes_its_file(requested: str, directory: Path) -> None:
    requested = requested.format(directory)
    listener = open_listener(requested, BACKLOG)
    assert listener.endpoint == requested
    assert not listener.socket.getblocking()
    assert not listener.socket.get_inheritable()
    client, connection = connect(listener)
    with client, connection:
        listener.close()
        listener.close()
    assert list(directory.iterdir()) == []


def test_ipc_star_is_a_fresh_path_each_time(directory: Path) -> None:
    with ExitStack() as stack:
        opened = [stack.enter_context(closing(open_listener("ipc://*", 8))) for _ in range(2)]
        paths = [endpoint.removeprefix("ipc://") for endpoint in (x.endpoint for x in opened)]
        assert len(set(paths)) == 2
        assert all(path.startswith(f"{directory}/fanout-") for path in paths)
        for listener in opened:
            client, connection = connect(listener)
            client.close()
            connection.close()
    assert list(directory.iterdir()) == []


def test_ipc_star_where_the_temporary_directory_is_too_deep(directory: Path) -> None:
    deep = directory / ("d" * 100)
    deep.mkdir()
    tempfile.tempdir = str(deep)
    error = bind_error("ipc://*")
    assert error.errno == errno.ENAMETOOLONG
    assert "the limit of Linux is 107" in str(error)
    assert list(deep.iterdir()) == []


def test_ipc_star_without_a_temporary_directory(directory: Path) -> None:
    tempfile.tempdir = str(directory / "none")
    error = bind_error("ipc://*")
    assert error.errno == errno.ENOENT
    assert "no directory can be made for it" in str(error)


def test_abstract_name_has_no_file_and_one_owner(directory: Path) -> None:
    endpoint = f"ipc://@fanout-test-{os.getpid()}"
    with closing(open_listener(endpoint, BACKLOG)) as listener:
        assert listener.endpoint == endpoint
        client, connection = connect(listener)
        client.close()
        connection.close()
        error = bind_error(endpoint)
        assert error.errno == errno.EADDRINUSE
        assert "another process listens on it" in str(error)
    with closing(open_listener(endpoint, BACKLOG)):
        pass
    assert list(directory.iterdir()) == []


@pytest.mark.parametrize(
    ("endpoint", "number", "advice"),
    [
        ("ipc://missing/feed.sock", errno.ENOENT, "the directory 'missing' does not exist"),
        ("ipc://file/feed.sock", errno.ENOTDIR, "'file' is not a directory"),
    ],
)
def test_no_place_for_the_file(endpoint: str, number: int, advice: str, directory: Path) -> None:
    Path("file").touch()
    error = bind_error(endpoint)
    assert error.errno == number
    assert advice in str(error)


def test_stale_files_that_come_again_and_again_end_in_an_error(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave_stale_file("feed.sock")
    monkeypatch.setattr(os, "unlink", lambda path: None)
    error = bind_error("ipc://feed.sock")
    monkeypatch.undo()
    assert error.errno == errno.EADDRINUSE
    assert (directory / "feed.sock").is_socket()


def test_file_removed_while_it_is_bound(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bind_path = ipc._bind_path

    def bind_and_lose(endpoint: str, path: str, backlog: int) -> socket.socket:
        listening = bind_path(endpoint, path, backlog)
        Path(path).unlink()
        return listening

    monkeypatch.setattr(ipc, "_bind_path", bind_and_lose)
    error = bind_error("ipc://feed.sock")
    assert error.errno == errno.ENOENT
    assert "removed while it was being bound" in str(error)
