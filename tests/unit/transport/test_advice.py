"""What a `BindError` says where the machine of the test cannot be brought to say it."""

from __future__ import annotations

import errno
import os

import pytest

from fanout.basics.system_calls import RefusedError, needed
from fanout.errors import BindError
from fanout.transport.advice import ipc_advice, own_endpoints_named, tcp_advice
from fanout.transport.endpoints import TcpEndpoint


@pytest.mark.parametrize(
    ("number", "advice"),
    [
        (errno.EACCES, "not permitted: port 80 is for root"),
        (errno.EAFNOSUPPORT, "IPv6 is switched off"),
        (errno.EMFILE, "out of file descriptors"),
        (errno.ENOBUFS, os.strerror(errno.ENOBUFS)),
    ],
)
def test_other_tcp_errors_say_what_to_do(number: int, advice: str) -> None:
    error = OSError(number, os.strerror(number))
    assert advice in tcp_advice(error, TcpEndpoint("::1", 80))


@pytest.mark.parametrize(
    ("number", "host", "port", "advice"),
    [
        (errno.EACCES, "::1", 5556, "by a sandbox"),
        (errno.EPERM, "::1", 0, "by a sandbox"),
        (errno.EINVAL, "fe80::1", 5556, "needs its interface: [fe80::1%eth0]"),
        (errno.EINVAL, "fe80::1%lo", 5556, os.strerror(errno.EINVAL)),
    ],
)
def test_what_the_port_and_the_address_have_to_do_with_it(
    number: int, host: str, port: int, advice: str
) -> None:
    error = OSError(number, os.strerror(number))
    assert advice in tcp_advice(error, TcpEndpoint(host, port))


def test_a_call_that_is_refused_is_named_whatever_it_was_for() -> None:
    with pytest.raises(RefusedError) as caught, needed("ioctl", "makes sockets that never block"):
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    for advice in (
        tcp_advice(caught.value, TcpEndpoint("::1", 80)),
        ipc_advice(caught.value, "/x"),
    ):
        assert "refuses the call ioctl" in advice


def test_not_permitted_in_the_directory() -> None:
    error = PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    advice = ipc_advice(error, "/run/feed.sock")
    assert advice == "not permitted to create a file in '/run'"


OURS = ["tcp://0.0.0.0:5556", "ipc:///run/feed"]


@pytest.mark.parametrize(
    ("endpoint", "number", "ours"),
    [
        ("tcp://0.0.0.0:5556", errno.EADDRINUSE, "tcp://0.0.0.0:5556"),
        ("tcp://127.0.0.1:5556", errno.EADDRINUSE, "tcp://0.0.0.0:5556"),
        ("tcp://127.0.0.1:5557", errno.EADDRINUSE, None),
        ("tcp://192.0.2.1:5556", errno.EADDRNOTAVAIL, None),
        ("ipc:///run/feed", errno.EADDRINUSE, "ipc:///run/feed"),
        ("ipc:///run/other", errno.EADDRINUSE, None),
    ],
)
def test_an_endpoint_of_its_own_that_is_in_the_way_is_named(
    endpoint: str, number: int, ours: str | None
) -> None:
    with pytest.raises(BindError) as caught, own_endpoints_named(endpoint, lambda: OURS):
        raise BindError(endpoint, "as it was", number)

    named = f"this publisher itself listens on {ours} (see its `endpoints`)"
    assert (caught.value.message, caught.value.errno) == (named if ours else "as it was", number)
