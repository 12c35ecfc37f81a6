"""The accept queue: what the kernel says of who waits there."""

from __future__ import annotations

import socket
from contextlib import ExitStack, closing
from functools import partial
from typing import TYPE_CHECKING
from unittest import mock

from fanout.transport.accept_queue import AcceptQueue, accept_queue, crowded
from fanout.transport.opening import open_listener
from tests.helpers.waiting import wait_until

if TYPE_CHECKING:
    from pathlib import Path


def _holds(listening: socket.socket, count: int) -> bool:
    return accept_queue(listening) == (count, 1)


def test_the_kernel_says_how_many_wait_and_how_many_may() -> None:
    with closing(open_listener("tcp://127.0.0.1:*", 1)) as listener, ExitStack() as stack:
        seen, told = [accept_queue(listener.socket)], [crowded(listener)]
        for count in (1, 2):
            peer = stack.enter_context(socket.socket())
            peer.connect(listener.socket.getsockname())
            waits = partial(_holds, listener.socket, count)
            wait_until(waits, "it waits there")
            seen.append(accept_queue(listener.socket))
            told.append(crowded(listener))

        assert [one is not None and one.is_full for one in seen] == [False, False, True]
        assert told[:2] == ["", ""]
        assert told[2].startswith(f"2 connections wait to be accepted at {listener.endpoint}")


def test_of_a_unix_socket_it_says_nothing(tmp_path: Path) -> None:
    with closing(open_listener(f"ipc://{tmp_path}/feed.sock", 1)) as listener:
        assert (accept_queue(listener.socket), crowded(listener)) == (None, "")


def test_a_kernel_that_does_not_say_is_asked_in_vain() -> None:
    refusing, old = mock.Mock(family=socket.AF_INET), mock.Mock(family=socket.AF_INET)
    refusing.getsockopt.side_effect = PermissionError
    old.getsockopt.return_value = bytes(24)

    assert (accept_queue(refusing), accept_queue(old)) == (None, None)
    assert not AcceptQueue(2, 2).is_full
