"""Why an address cannot be bound and what to do about it, in words: the text of a `BindError`."""

from __future__ import annotations

import errno
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from fanout.basics.system_calls import RefusedError, explain
from fanout.errors import BindError
from fanout.transport.endpoints import TcpEndpoint, parse_endpoint

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from fanout.transport.endpoints import Endpoint

FIRST_FREE_PORT = 1024  # those below are for root, mostly


def advice(error: OSError) -> str:
    """For any address."""
    return explain(error)


@contextmanager
def own_endpoints_named(endpoint: str, bound: Callable[[], Iterable[str]]) -> Iterator[None]:
    """While `endpoint` is bound: have the error say so if it is one of ours that is in the way.

    On one port not even two addresses of one machine need to clash; but if they do, whoever tries
    has forgotten the other one.

    Raises:
        BindError: from that which is raised inside, with another text.
    """
    try:
        yield
    except BindError as error:
        if error.errno == errno.EADDRINUSE:
            wanted = parse_endpoint(endpoint, may_encrypt=True)
            for each in bound():
                if _is_same(parse_endpoint(each, may_encrypt=True), wanted):
                    text = f"this publisher itself listens on {each} (see its `endpoints`)"
                    raise BindError(endpoint, text, error.errno) from error
        raise


def _is_same(ours: Endpoint, wanted: Endpoint) -> bool:
    if isinstance(ours, TcpEndpoint) and isinstance(wanted, TcpEndpoint):
        return ours.port == wanted.port
    return ours == wanted


def tcp_advice(error: OSError, parsed: TcpEndpoint) -> str:
    """For a TCP address."""
    if error.errno == errno.EADDRINUSE:
        return (
            f"the address is in use, another socket listens on port {parsed.port} "
            f"(`ss -ltnp` shows whose); take another port, or * for a free one"
        )
    if isinstance(error, RefusedError):
        return explain(error)
    if error.errno in (errno.EACCES, errno.EPERM):
        if 0 < parsed.port < FIRST_FREE_PORT:
            return f"not permitted: port {parsed.port} is for root; take one above 1023"
        return "not permitted, though the port is above 1023: by a sandbox (seccomp, SELinux)"
    if error.errno == errno.EADDRNOTAVAIL:
        return f"no interface of this machine has the address {parsed.host}; * stands for all"
    if error.errno == errno.EINVAL and parsed.host.startswith("fe80:") and "%" not in parsed.host:
        return f"a link-local address needs its interface: [{parsed.host}%eth0]"
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
    if isinstance(error, RefusedError):
        return explain(error)
    if error.errno in (errno.EACCES, errno.EPERM):
        return f"not permitted to create a file in {directory!r}"
    return advice(error)
