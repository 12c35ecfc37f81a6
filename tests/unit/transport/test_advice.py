"""What a `BindError` says where the machine of the test cannot be brought to say it."""

from __future__ import annotations

import errno
import os

import pytest

from fanout.transport.advice import ipc_advice, tcp_advice
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


def test_not_permitted_in_the_directory() -> None:
    error = PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    advice = ipc_advice(error, "/run/feed.sock")
    assert advice == "not permitted to create a file in '/run'"
