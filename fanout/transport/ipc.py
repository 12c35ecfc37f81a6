"""Listening on `ipc://`: socket files, fresh ones (`*`) and abstract names (`@`)."""

from __future__ import annotations

import errno
import os
import socket
from contextlib import suppress
from typing import TYPE_CHECKING

from fanout.basics.descriptors import standard_taken
from fanout.errors import BindError
from fanout.transport.advice import ipc_advice
from fanout.transport.endpoints import IpcEndpoint, ipc_path_problem
from fanout.transport.listener import Listener, never_block
from fanout.transport.socket_file import file_made, fresh_directory, remove_stale

if TYPE_CHECKING:
    from pathlib import Path

STALE_ATTEMPTS_MAX = 3  # stale files removed for one bind; others may put new ones there


def open_ipc(endpoint: str, parsed: IpcEndpoint, backlog: int) -> Listener:
    """Bind a socket file or an abstract name and listen; see `open_listener`.

    Args:
        endpoint: as the user gave it, for errors; `parsed` is the same.

    Raises:
        BindError: as `open_listener`.
    """
    directory: Path | None = None
    listening: socket.socket | None = None
    try:
        if parsed.is_abstract:
            listening = _bind_unix(endpoint, "\0" + parsed.path[1:], backlog)
            return Listener(listening, str(parsed))
        directory = fresh_directory(endpoint) if parsed.is_fresh else None
        path = parsed.path if directory is None else str(directory / "socket")
        if problem := ipc_path_problem(path):
            raise BindError(endpoint, problem, errno.ENAMETOOLONG)
        listening = _bind_path(endpoint, path, backlog)
        file = file_made(endpoint, path, directory)
        return Listener(listening, str(IpcEndpoint(path)), file)
    except BaseException:  # the user may interrupt it at any line
        if listening is not None:
            _abandon(listening)
        if directory is not None:
            with suppress(OSError):  # not empty: somebody else put something there
                directory.rmdir()
        raise


def _bind_path(endpoint: str, path: str, backlog: int) -> socket.socket:
    """Bind a socket file, in the place of a stale one if there is one."""
    for _ in range(STALE_ATTEMPTS_MAX):
        try:
            return _bind_unix(endpoint, path, backlog)
        except BindError as error:
            if error.errno != errno.EADDRINUSE or not remove_stale(endpoint, path):
                raise
    return _bind_unix(endpoint, path, backlog)


def _bind_unix(endpoint: str, address: str, backlog: int) -> socket.socket:
    listening: socket.socket | None = None
    try:
        with standard_taken():
            listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listening.bind(os.fsencode(address))
        listening.listen(backlog)
        never_block(listening)
        return listening
    except BaseException as error:
        if listening is not None:
            _abandon(listening)
        if isinstance(error, OSError):
            raise BindError(endpoint, ipc_advice(error, address), error.errno) from error
        raise


def _abandon(listening: socket.socket) -> None:
    """Close a unix socket, and remove the file that it has made, if it got so far."""
    name = listening.getsockname()
    if name and isinstance(name, str):  # an abstract name is bytes
        with suppress(OSError):  # somebody else has removed it
            os.unlink(name)
    listening.close()
