"""A listening socket, its end, and the names of those who connect to it.

A process that forks gives the child a copy of every listening socket. As long as one copy is open
the kernel listens, and who connects waits for a process that has no publisher. Two things prevent
it: the owner shuts the socket down before it closes it, which holds for all copies, however they
were made; and a child forked from Python closes its own at once, since a parent that is killed
shuts nothing down, and an abstract name is free only when the last copy is closed.
"""

from __future__ import annotations

import os
import socket
import struct
import weakref
from contextlib import suppress
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

from fanout.basics.system_calls import needed

if TYPE_CHECKING:
    from fanout.transport.socket_file import SocketFile

_UCRED = struct.Struct("3i")  # struct ucred of unix(7): pid, uid, gid


class Listener:
    """One listening socket, non-blocking and close-on-exec.

    Not safe for use by several threads at once.

    Attributes:
        socket: the listening socket; ready to accept from the moment the listener exists.
        endpoint: what is bound, with the real port or path: "tcp://127.0.0.1:49213".
        protocol: what is spoken on its connections; workers choose their sessions by it.
        asks: whether nobody is served by it of whom nothing is known.
    """

    def __init__(
        self,
        listening: socket.socket,
        endpoint: str,
        file: SocketFile | None = None,
        protocol: str = "zmtp",
    ) -> None:
        self.socket = listening
        self.endpoint = endpoint
        self.protocol = protocol
        self.asks = False
        self._owner_pid = os.getpid()
        self._file = file  # None for tcp and abstract names
        _open_listeners.add(self)

    @property
    def is_local(self) -> bool:
        """Whether only processes of this machine can connect."""
        if self.socket.family == socket.AF_UNIX:
            return True
        host = host_of(self.socket.getsockname()).partition("%")[0]
        address = ip_address(host)
        mapped = getattr(address, "ipv4_mapped", None)
        return (mapped or address).is_loopback

    @property
    def left_file(self) -> list[bytes] | None:
        """What is left of it if this process is killed, see `remove_left()`; None = nothing."""
        file = self._file
        return None if file is None else file.left

    def __repr__(self) -> str:
        return f"<Listener {self.endpoint}>"

    def __del__(self) -> None:
        # Ctrl-C may come before anybody holds the listener, or in __init__, before `_file` is set.
        if hasattr(self, "_file"):
            self.close()

    def close(self) -> None:
        """Stop listening and remove the socket's file; calling it again does nothing.

        From then on nobody can connect, whoever else holds a copy of the socket. In a forked child
        only the child's copy of the descriptor is closed: the socket and its file belong to the
        parent, which goes on listening.
        """
        if self._file is not None:
            # Before the socket is closed: until then nobody takes the file for a stale one, and
            # its inode number cannot be given to another file.
            self._file.remove()
            self._file = None
        if os.getpid() == self._owner_pid:
            with suppress(OSError):  # it is closed already
                self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()


_open_listeners: weakref.WeakSet[Listener] = weakref.WeakSet()


def _close_copies() -> None:
    """Close the copies that a forked child has got; runs in the child."""
    for listener in list(_open_listeners):
        with suppress(OSError):  # somebody has closed it: it is closed
            listener.socket.close()


os.register_at_fork(after_in_child=_close_copies)


def never_block(sock: socket.socket) -> None:
    """Have no call on a socket wait.

    Raises:
        RefusedError: the system refuses what that takes.
    """
    with needed("ioctl", "makes sockets that never block"):
        sock.setblocking(False)


def host_of(address: tuple[Any, ...]) -> str:
    """The host of a socket's address of IPv4 or IPv6, a link-local one with its interface."""
    host = str(address[0])
    scope = address[3] if len(address) > 3 else 0
    if not scope or "%" in host:
        return host
    try:
        return f"{host}%{socket.if_indextoname(scope)}"
    except OSError:  # the interface is gone, or may not be looked up
        return f"{host}%{scope}"


def peer_name(connection: socket.socket, address: Any = None) -> str:
    """Name the other end of an accepted connection, for people.

    Args:
        address: of it, as it was accepted; None = it is asked for.

    Returns:
        "203.0.113.7:41234", "[::1]:41234", "[fe80::1%eth0]:41234", "ipc:1234" with the process id
        of the peer (0 if it lives in a process namespace that this one cannot see), or "unknown" if
        it has left.
    """
    try:
        if not isinstance(address, tuple) and connection.family == socket.AF_UNIX:
            credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
            return f"ipc:{_UCRED.unpack(credentials)[0]}"
        address = address if isinstance(address, tuple) else connection.getpeername()
    except OSError:
        return "unknown"
    host, port = host_of(address), address[1]
    host = host.removeprefix("::ffff:") if "." in host else host  # IPv4 on a dual-stack listener
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
