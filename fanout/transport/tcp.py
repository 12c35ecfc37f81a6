"""Listening on `tcp://`: hosts, interfaces and ports."""

from __future__ import annotations

import errno
import socket
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from fanout.basics.descriptors import standard_taken
from fanout.basics.system_calls import dispensable, explain
from fanout.errors import BindError
from fanout.transport.advice import tcp_advice
from fanout.transport.endpoints import ANY
from fanout.transport.listener import Listener, host_of, never_block

if TYPE_CHECKING:
    from collections.abc import Callable

    from fanout.transport.endpoints import TcpEndpoint


def open_tcp(
    endpoint: str, parsed: TcpEndpoint, backlog: int, prepare: Callable[[socket.socket], None]
) -> Listener:
    """Bind a TCP address and listen; see `open_listener`.

    Args:
        endpoint: as the user gave it, for errors; `parsed` is the same.

    Raises:
        BindError: as `open_listener`.
    """
    family, address = _resolve(endpoint, parsed)
    listening: socket.socket | None = None
    try:
        with standard_taken():
            listening = socket.socket(family, socket.SOCK_STREAM)
        # Otherwise a publisher that restarts cannot bind while old connections are in TIME_WAIT.
        with dispensable():
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            with dispensable():  # off is what Linux has, mostly
                listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        prepare(listening)
        listening.bind(address)
        listening.listen(backlog)
        never_block(listening)
        bound = listening.getsockname()
        return Listener(listening, str(replace(parsed, host=host_of(bound), port=bound[1])))
    except BaseException as error:  # the user may interrupt it at any line
        if listening is not None:
            listening.close()
        if isinstance(error, OSError):
            raise BindError(endpoint, tcp_advice(error, parsed), error.errno) from error
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
    except OSError as error:
        if error.errno in (errno.EMFILE, errno.ENFILE):
            raise BindError(endpoint, explain(error), error.errno) from error
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
    """Name the interfaces of this machine, each with the family and text of its IP addresses.

    None at all where the system does not say.
    """
    import psutil  # here: it costs 20 ms, and numeric addresses do without it

    try:
        found = psutil.net_if_addrs()
    except OSError:  # no descriptor, or a sandbox without sockets of that kind (netlink)
        return {}
    return {
        name: [
            (entry.family, entry.address)
            for entry in entries
            if entry.family in (socket.AF_INET, socket.AF_INET6)
        ]
        for name, entries in found.items()
    }


def _interface_address(endpoint: str, name: str) -> str | None:
    """Pick the address of an interface, IPv4 first; None if there is no such interface."""
    addresses = _interfaces().get(name)
    if addresses is None:
        return None
    if not addresses:
        raise BindError(endpoint, f"the interface {name!r} has no IP address", errno.EADDRNOTAVAIL)
    return min(addresses, key=lambda entry: entry[0] != socket.AF_INET)[1]
