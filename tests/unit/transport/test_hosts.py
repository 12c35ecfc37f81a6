"""Whether the host of a peer is there."""

from __future__ import annotations

import contextlib
import socket

import pytest

from fanout.transport.hosts import is_answered, is_host_there


@pytest.mark.parametrize(
    ("repeated", "probes", "silent_ms", "is_there"),
    [
        (0, 0, 60_000, True),  # all that was sent is acknowledged
        (0, 1, 60_000, True),  # it has no room, and is asked just now
        (1, 0, 15_000, True),
        (5, 0, 200, True),  # it takes none of that, but says so
        (2, 0, 10_000, False),
        (0, 2, 10_000, False),
    ],
)
def test_it_is_gone_if_nothing_is_acknowledged(
    repeated: int, probes: int, silent_ms: int, is_there: bool
) -> None:
    assert is_answered(repeated, probes, silent_ms) is is_there


def test_who_reads_nothing_is_there() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname()) as ours,
    ):
        ours.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while True:
                ours.send(bytes(1 << 20))
        assert is_host_there(ours)


def test_a_unix_socket_has_no_other_host() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        assert is_host_there(ours)
