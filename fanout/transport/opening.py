"""From an endpoint to a listener: the one entry, whatever the transport."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fanout.transport.endpoints import TcpEndpoint, parse_endpoint
from fanout.transport.ipc import open_ipc
from fanout.transport.tcp import open_tcp

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from fanout.transport.listener import Listener


def open_listener(
    endpoint: str,
    backlog: int,
    prepare: Callable[[socket.socket], None] = lambda _socket: None,
    *,
    may_encrypt: bool = False,
) -> Listener:
    """Bind `endpoint` and listen.

    A host name is looked up, which may block for as long as the resolver takes. `*` is all of IPv4,
    as in libzmq; `[::]` is IPv6 and IPv4. A name is an interface first and a host name second, and
    its first IPv4 address is preferred to an IPv6 one.

    Args:
        endpoint: as `fanout.transport.endpoints` describes it.
        backlog: length of the queue of connections not yet accepted; the kernel caps it.
        prepare: is called with a TCP socket before it listens: its connections get its options.
        may_encrypt: take `tls://`, too: who accepts sees to the rest.

    Raises:
        ConfigError: the endpoint is no endpoint; nothing was opened.
        BindError: it cannot be bound, and what to do about it; nothing is left open or on disk.
    """
    parsed = parse_endpoint(endpoint, may_encrypt=may_encrypt)
    if isinstance(parsed, TcpEndpoint):
        return open_tcp(endpoint, parsed, backlog, prepare)
    return open_ipc(endpoint, parsed, backlog)
