"""Sockets that are about to be connected, and never block."""

from __future__ import annotations

import errno
import os
import socket

from fanout.basics.descriptors import standard_taken
from fanout.basics.system_calls import dispensable, needed


def connected_to(family: int, address: object) -> socket.socket:
    """A socket that connects, or has: when it can be written to it is known which.

    Args:
        address: as `getaddrinfo` gives it, or the path of a Unix socket.

    Raises:
        OSError: it cannot; nothing is left open.
        RefusedError: the system does not let us.
    """
    with standard_taken():
        sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        with needed("ioctl", "makes sockets that never block"):
            sock.setblocking(False)
        if family != socket.AF_UNIX:
            # A peer without heartbeats that vanished is otherwise never missed.
            with dispensable():
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        code = sock.connect_ex(address)  # type: ignore[arg-type]  # as getaddrinfo gave it
        if code not in (0, errno.EINPROGRESS):
            raise OSError(code, os.strerror(code))
    except BaseException:
        sock.close()
        raise
    return sock
