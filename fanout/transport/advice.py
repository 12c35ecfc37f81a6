"""Why an address cannot be bound and what to do about it, in words: the text of a `BindError`."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fanout.transport.endpoints import TcpEndpoint


def advice(error: OSError) -> str:
    """For any address."""
    if error.errno in (errno.EMFILE, errno.ENFILE):
        return "out of file descriptors; raise the limit (`ulimit -n`)"
    return error.strerror or str(error)


def tcp_advice(error: OSError, parsed: TcpEndpoint) -> str:
    """For a TCP address."""
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
    return advice(error)


def ipc_advice(error: OSError, path: str) -> str:
    """For a socket file; `path` may be an abstract name too."""
    directory = os.path.dirname(path) or "."
    if error.errno == errno.EADDRINUSE:
        return "the address is in use, another process listens on it (`ss -lxp` shows which)"
    if error.errno == errno.ENOENT and not os.path.isdir(directory):
        return f"the directory {directory!r} does not exist; create it first"
    if error.errno == errno.ENOTDIR:
        return f"{directory!r} is not a directory"
    if error.errno in (errno.EACCES, errno.EPERM):
        return f"not permitted to create a file in {directory!r}"
    return advice(error)
