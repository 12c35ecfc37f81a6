"""A set of sockets that names nobody too early, though the kernel does."""

from __future__ import annotations

import select
import socket
from contextlib import closing
from functools import partial

from fanout.transport.socket_queues import unread_in_kernel
from tests.helpers.pairs import tcp_pair
from tests.helpers.patient import PatientSet
from tests.helpers.waiting import wait_until

WANTED = 40


def has_come(sock: socket.socket, count: int) -> bool:
    return unread_in_kernel(sock) >= count


def test_it_names_a_socket_when_all_has_come_that_is_waited_for() -> None:
    """With so small a buffer the kernel names it from the 19th byte on, or does at times."""
    ours, theirs = tcp_pair()
    theirs.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, WANTED)
    with ours, theirs, closing(PatientSet()) as watching:
        watching.register(ours, select.EPOLLIN)
        for count in range(1, WANTED):
            theirs.send(b"x")
            wait_until(partial(has_come, ours, count), "it has come")
            assert watching.poll(0) == []
        theirs.send(b"x")
        wait_until(lambda: watching.poll(0) == [(ours.fileno(), select.EPOLLIN)], "all has come")


def test_it_names_who_says_no_more() -> None:
    ours, theirs = tcp_pair()
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, WANTED)
    with ours, theirs, closing(PatientSet()) as watching:
        watching.register(ours, select.EPOLLIN | select.EPOLLRDHUP)
        theirs.send(b"x")
        theirs.shutdown(socket.SHUT_WR)
        wait_until(lambda: watching.poll(0) != [], "its end has come")
        watching.unregister(ours)
        assert watching.poll(0) == []
