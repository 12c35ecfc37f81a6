"""TCP listeners on real sockets: which address is bound, and why one cannot be."""

from __future__ import annotations

import errno
import socket
from contextlib import closing

import psutil
import pytest

from fanout.transport import tcp
from fanout.transport.endpoints import TcpEndpoint
from fanout.transport.opening import open_listener
from tests.unit.transport.listening import (
    ACCEPT_TIMEOUT_S,
    BACKLOG,
    accept,
    bind_error,
    connect,
)


@pytest.mark.parametrize(
    ("requested", "family", "bound"),
    [
        ("tcp://127.0.0.1:*", socket.AF_INET, "127.0.0.1"),
        ("tcp://127.0.0.1:0", socket.AF_INET, "127.0.0.1"),
        ("tcp://*:*", socket.AF_INET, "0.0.0.0"),
        ("tcp://lo:*", socket.AF_INET, "127.0.0.1"),
        ("tcp://localhost:*", socket.AF_INET, "127.0.0.1"),
        ("tcp://[::1]:*", socket.AF_INET6, "::1"),
        ("tcp://[::]:*", socket.AF_INET6, "::"),
    ],
)
def test_tcp_listens_and_tells_the_real_port(requested: str, family: int, bound: str) -> None:
    with closing(open_listener(requested, BACKLOG)) as listener:
        port = listener.socket.getsockname()[1]
        assert port > 0
        assert listener.endpoint == str(TcpEndpoint(bound, port))
        assert listener.socket.family == family
        assert repr(listener) == f"<Listener {listener.endpoint}>"
        assert not listener.socket.getblocking()
        assert not listener.socket.get_inheritable()
        client, connection = connect(listener)
        with client, connection:
            assert client.getpeername()[:2] == connection.getsockname()[:2]


def test_the_resolved_endpoint_can_be_bound_again_at_once() -> None:
    """A publisher that restarts gets its port back, although connections are in TIME_WAIT."""
    listener = open_listener("tcp://127.0.0.1:*", BACKLOG)
    client, connection = connect(listener)
    connection.close()  # the side that closes first keeps the TIME_WAIT
    assert client.recv(1) == b""
    client.close()
    listener.close()
    with closing(open_listener(listener.endpoint, BACKLOG)) as again:
        assert again.endpoint == listener.endpoint


def test_star_is_ipv4_and_two_colons_are_both() -> None:
    with closing(open_listener("tcp://[::]:*", BACKLOG)) as listener:
        port = listener.socket.getsockname()[1]
        for host in ("127.0.0.1", "::1"):
            with socket.create_connection((host, port), ACCEPT_TIMEOUT_S), accept(listener):
                pass
    with closing(open_listener("tcp://*:*", BACKLOG)) as listener:
        port = listener.socket.getsockname()[1]
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("::1", port), ACCEPT_TIMEOUT_S)


def test_interface_prefers_ipv4_and_takes_ipv6(monkeypatch: pytest.MonkeyPatch) -> None:
    loopback = {
        "both0": [(socket.AF_INET6, "::1"), (socket.AF_INET, "127.0.0.1")],
        "six0": [(socket.AF_INET6, "::1")],
        "none0": [],
    }
    monkeypatch.setattr(tcp, "_interfaces", lambda: loopback)
    with closing(open_listener("tcp://both0:*", BACKLOG)) as listener:
        assert listener.endpoint.startswith("tcp://127.0.0.1:")
    with closing(open_listener("tcp://six0:*", BACKLOG)) as listener:
        assert listener.endpoint.startswith("tcp://[::1]:")
    error = bind_error("tcp://none0:*")
    assert error.errno == errno.EADDRNOTAVAIL
    assert "the interface 'none0' has no IP address" in str(error)


def test_interfaces_are_those_of_the_machine() -> None:
    found = tcp._interfaces()
    assert set(found) == set(psutil.net_if_addrs())
    assert (socket.AF_INET, "127.0.0.1") in found["lo"]


def test_port_in_use() -> None:
    with closing(open_listener("tcp://127.0.0.1:*", BACKLOG)) as listener:
        error = bind_error(listener.endpoint)
        port = listener.socket.getsockname()[1]
    assert error.errno == errno.EADDRINUSE
    assert f"in use, another socket listens on port {port}" in str(error)


def test_address_of_another_machine() -> None:
    error = bind_error("tcp://198.51.100.1:*")  # TEST-NET-2: nobody's
    assert error.errno == errno.EADDRNOTAVAIL
    assert "no interface of this machine has the address 198.51.100.1" in str(error)


def test_name_that_does_not_resolve() -> None:
    error = bind_error("tcp://no-such-name.invalid:*")
    assert error.errno == errno.EADDRNOTAVAIL
    assert "'no-such-name.invalid' is neither a name that resolves" in str(error)
    assert "nor an interface (" in str(error)
    assert "lo" in str(error)
