"""Listening sockets for endpoints: open, name, close. The only file that binds.

A Unix socket leaves a file behind when its process is killed. Such a stale file is replaced, one
that somebody still listens on is not, and a file that is not a socket is never touched. libzmq
removes all three, and so takes the subscribers of a publisher that runs.
"""

from __future__ import annotations

import errno
import os
import socket
import stat
import struct
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fanout.errors import BindError
from fanout.transport.endpoints import (
    ANY,
    IpcEndpoint,
    TcpEndpoint,
    ipc_path_problem,
    parse_endpoint,
)

STALE_ATTEMPTS_MAX = 3  # a stale file replaced by us and by others at once; then say "in use"

_UCRED = struct.Struct("3i")  # struct ucred of unix(7): pid, uid, gid

_UnixAddress = str | bytes
_FileIdentity = tuple[int, int]  # st_dev, st_ino


@dataclass(frozen=True, slots=True)
class _SocketFile:
    """A socket file that this process made and will remove."""

    path: Path  # absolute: the user may change the directory
    identity: _FileIdentity
    directory: Path | None  # a directory made for it alone
    owner_pid: int

    def remove(self) -> None:
        """Remove the file if it is still ours and this is the process that made it."""
        if os.getpid() != self.owner_pid:
            return
        with suppress(OSError):
            if _identity(self.path) == self.identity:
                self.path.unlink()
        if self.directory is not None:
            with suppress(OSError):  # not empty: somebody else put something there
                self.directory.rmdir()


class Listener:
    """One listening socket, non-blocking and close-on-exec.

    Not safe for use by several threads at once.

    Attributes:
        socket: the listening socket; ready to accept from the moment the listener exists.
        endpoint: what is bound, with the real port or path: "tcp://127.0.0.1:49213".
        requested: the endpoint as it was given: "tcp://127.0.0.1:*".
    """

    def __init__(
        self,
        listening: socket.socket,
        endpoint: str,
        requested: str,
        file: _SocketFile | None = None,
    ) -> None:
        self.socket = listening
        self.endpoint = endpoint
        self.requested = requested
        self._file = file  # None for tcp and abstract names

    def __repr__(self) -> str:
        return f"<Listener {self.endpoint}>"

    def __del__(self) -> None:
        # An interrupted bind may drop it before anybody is there to close it, or half made.
        if hasattr(self, "_file"):
            self.close()

    def close(self) -> None:
        """Close the socket and remove its file; calling it again does nothing.

        In a forked child only the child's copy of the descriptor is closed: the file belongs to the
        parent, which goes on listening.
        """
        if self._file is not None:
            # Before the socket is closed: until then nobody takes the file for a stale one, and
            # its inode number cannot be given to another file.
            self._file.remove()
            self._file = None
        self.socket.close()


def open_listener(endpoint: str, backlog: int) -> Listener:
    """Bind `endpoint` and listen.

    A host name is looked up, which may block for as long as the resolver takes. `*` is all of IPv4,
    as in libzmq; `[::]` is IPv6 and IPv4. A name is an interface first and a host name second, and
    its first IPv4 address is preferred to an IPv6 one.

    Args:
        endpoint: as `fanout.transport.endpoints` describes it.
        backlog: length of the queue of connections not yet accepted; the kernel caps it.

    Raises:
        ConfigError: the endpoint is no endpoint; nothing was opened.
        BindError: it cannot be bound, and what to do about it; nothing is left open or on disk.
    """
    parsed = parse_endpoint(endpoint)
    if isinstance(parsed, TcpEndpoint):
        return _open_tcp(endpoint, parsed, backlog)
    return _open_ipc(endpoint, parsed, backlog)


def peer_name(connection: socket.socket) -> str:
    """Name the other end of an accepted connection, for people.

    Returns:
        "203.0.113.7:41234", "[::1]:41234", "ipc:1234" with the process id of the peer (0 if it
        lives in a process namespace that this one cannot see), or "unknown" if it has left.
    """
    try:
        if connection.family == socket.AF_UNIX:
            credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
            return f"ipc:{_UCRED.unpack(credentials)[0]}"
        host, port = connection.getpeername()[:2]
    except OSError:
        return "unknown"
    host = host.removeprefix("::ffff:") if "." in host else host  # IPv4 on a dual-stack listener
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


# ------------------------------------------------------------------------ tcp


def _open_tcp(endpoint: str, parsed: TcpEndpoint, backlog: int) -> Listener:
    family, address = _resolve(endpoint, parsed)
    listening: socket.socket | None = None
    try:
        listening = socket.socket(family, socket.SOCK_STREAM)
        # A publisher that restarts finds its port full of connections in TIME_WAIT.
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        listening.bind(address)
        listening.listen(backlog)
        listening.setblocking(False)
        host, port = listening.getsockname()[:2]
        return Listener(listening, str(TcpEndpoint(host, port)), endpoint)
    except BaseException as error:  # the user may interrupt it at any line
        if listening is not None:
            listening.close()
        if isinstance(error, OSError):
            raise _bind_error(endpoint, error, _tcp_advice(error, parsed)) from error
        raise


def _resolve(endpoint: str, parsed: TcpEndpoint) -> tuple[int, tuple[Any, ...]]:
    """Find the family and the socket address to bind."""
    host = "0.0.0.0" if parsed.host == ANY else parsed.host
    is_literal = ":" in host or host.replace(".", "").isdecimal()
    if not is_literal:
        host = _interface_address(endpoint, host) or host
    try:
        found = socket.getaddrinfo(
            host, parsed.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
    except (OSError, UnicodeError) as error:
        known = ", ".join(sorted(_interfaces()))
        raise BindError(
            endpoint,
            f"{parsed.host!r} is neither a name that resolves ({error}) nor an interface ({known})",
            errno.EADDRNOTAVAIL,
        ) from error
    ipv4_first = sorted(found, key=lambda entry: entry[0] != socket.AF_INET)
    family, _, _, _, address = ipv4_first[0]
    return family, address


def _interfaces() -> dict[str, list[tuple[int, str]]]:
    """Name the interfaces of this machine, each with the family and text of its IP addresses."""
    import psutil  # costs 20 ms, and addresses need no interfaces

    return {
        name: [
            (entry.family, entry.address)
            for entry in entries
            if entry.family in (socket.AF_INET, socket.AF_INET6)
        ]
        for name, entries in psutil.net_if_addrs().items()
    }


def _interface_address(endpoint: str, name: str) -> str | None:
    """Pick the address of an interface, IPv4 first; None if there is no such interface."""
    addresses = _interfaces().get(name)
    if addresses is None:
        return None
    if not addresses:
        raise BindError(endpoint, f"the interface {name!r} has no IP address", errno.EADDRNOTAVAIL)
    return min(addresses, key=lambda entry: entry[0] != socket.AF_INET)[1]


def _tcp_advice(error: OSError, parsed: TcpEndpoint) -> str:
    if error.errno == errno.EADDRINUSE:
        return (
            f"the address is in use, another socket listens on port {parsed.port} "
            f"(`ss -ltnp` shows whose); take another port, or * for a free one"
        )
    if error.errno in (errno.EACCES, errno.EPERM):
        return f"not permitted: port {parsed.port} is for root; take one above 1023"
    if error.errno == errno.EADDRNOTAVAIL:
        return f"no interface of this machine has the address {parsed.host}; * stands for all"
    if error.errno == errno.EAFNOSUPPORT:
        return "IPv6 is switched off on this machine; take an IPv4 address or *"
    return _advice(error)


# ------------------------------------------------------------------------ ipc


def _open_ipc(endpoint: str, parsed: IpcEndpoint, backlog: int) -> Listener:
    directory: Path | None = None
    listening: socket.socket | None = None
    try:
        if parsed.is_abstract:
            listening = _bind_unix(endpoint, "\0" + parsed.path[1:], backlog)
            return Listener(listening, str(parsed), endpoint)
        directory = _fresh_directory(endpoint) if parsed.is_fresh else None
        path = parsed.path if directory is None else str(directory / "socket")
        if problem := ipc_path_problem(path):
            raise BindError(endpoint, problem, errno.ENAMETOOLONG)
        listening = _bind_path(endpoint, path, backlog)
        file = _SocketFile(
            Path(path).absolute(), _file_made(endpoint, path), directory, os.getpid()
        )
        return Listener(listening, str(IpcEndpoint(path)), endpoint, file)
    except BaseException:  # the user may interrupt it at any line
        if listening is not None:
            _abandon(listening)
        if directory is not None:
            with suppress(OSError):  # not empty: somebody else put something there
                directory.rmdir()
        raise


def _file_made(endpoint: str, path: str) -> _FileIdentity:
    """The identity of the socket file that was just bound."""
    try:
        return _identity(path)
    except OSError as error:
        problem = "the socket file was removed while it was being bound"
        raise _bind_error(endpoint, error, problem) from error


def _abandon(listening: socket.socket) -> None:
    """Close a unix socket, and remove the file that it has made, if it got so far."""
    name = listening.getsockname()
    if name and isinstance(name, str):  # an abstract name is bytes
        with suppress(OSError):  # somebody else has removed it
            os.unlink(name)
    listening.close()


def _fresh_directory(endpoint: str) -> Path:
    import tempfile  # needs `random`, for which a user's file of that name may stand

    try:
        return Path(tempfile.mkdtemp(prefix="fanout-"))
    except OSError as error:
        problem = f"no directory can be made for it in {tempfile.gettempdir()!r}: {_advice(error)}"
        raise _bind_error(endpoint, error, problem) from error


def _bind_path(endpoint: str, path: str, backlog: int) -> socket.socket:
    """Bind a socket file, in the place of a stale one if there is one."""
    for _ in range(STALE_ATTEMPTS_MAX):
        try:
            return _bind_unix(endpoint, path, backlog)
        except BindError as error:
            if error.errno != errno.EADDRINUSE or not _remove_stale(endpoint, path):
                raise
    return _bind_unix(endpoint, path, backlog)


def _bind_unix(endpoint: str, address: str, backlog: int) -> socket.socket:
    listening: socket.socket | None = None
    try:
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listening.bind(os.fsencode(address))
        listening.listen(backlog)
        listening.setblocking(False)
        return listening
    except BaseException as error:
        if listening is not None:
            _abandon(listening)
        if isinstance(error, OSError):
            raise _bind_error(endpoint, error, _ipc_advice(error, address)) from error
        raise


def _remove_stale(endpoint: str, path: str) -> bool:
    """Remove the socket file at `path` if nobody listens on it.

    The check and the removal are two steps. A process that binds the path between them would lose
    its file; the window is some microseconds, and the file's identity narrows it further.

    Returns:
        True if the path is free now, False if it is in use.

    Raises:
        BindError: what is there is not a socket, or it may not be probed or removed.
    """
    try:
        status = os.lstat(path)
        if not stat.S_ISSOCK(status.st_mode):
            problem = "a file that is not a socket is in its place; it was left alone"
            raise BindError(endpoint, problem, errno.EADDRINUSE)
        if _is_listening(path):
            return False
        if _identity(path) == (status.st_dev, status.st_ino):
            os.unlink(path)
    except FileNotFoundError:
        return True  # gone in the meantime
    except BindError:
        raise
    except OSError as error:
        problem = f"a socket file is in its place, and it cannot be replaced: {_advice(error)}"
        raise _bind_error(endpoint, error, problem) from error
    return True


def _is_listening(path: str) -> bool:
    """Find out whether a process listens on the socket file; a refused connection is proof."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)  # a full backlog must not hold us
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            return False
        except BlockingIOError:
            return True  # its backlog is full
        except OSError as error:
            if error.errno == errno.EPROTOTYPE:
                return True  # a socket of another type, a datagram logger for one
            raise
    return True


def _identity(path: str | Path) -> _FileIdentity:
    status = os.lstat(path)
    return status.st_dev, status.st_ino


def _ipc_advice(error: OSError, path: str) -> str:
    directory = os.path.dirname(path) or "."
    if error.errno == errno.EADDRINUSE:
        return "the address is in use, another process listens on it (`ss -lxp` shows which)"
    if error.errno == errno.ENOENT and not os.path.isdir(directory):
        return f"the directory {directory!r} does not exist; create it first"
    if error.errno == errno.ENOTDIR:
        return f"{directory!r} is not a directory"
    if error.errno in (errno.EACCES, errno.EPERM):
        return f"not permitted to create a file in {directory!r}"
    return _advice(error)


# --------------------------------------------------------------------- errors


def _advice(error: OSError) -> str:
    if error.errno in (errno.EMFILE, errno.ENFILE):
        return "out of file descriptors; raise the limit (`ulimit -n`)"
    return error.strerror or str(error)


def _bind_error(endpoint: str, error: OSError, advice: str) -> BindError:
    return BindError(endpoint, advice, error.errno)
