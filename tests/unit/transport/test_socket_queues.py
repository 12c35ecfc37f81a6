"""What the queues of a socket hold, asked of real sockets, and of a model that is handed in."""

from __future__ import annotations

import errno
import socket
import termios
from contextlib import suppress
from typing import NoReturn

from fanout.transport.kernel import Taken, set_queue, stream_counts, taken_by_host
from fanout.transport.socket_queues import (
    KERNEL,
    SocketQueues,
    free_in_kernel,
    unread_in_kernel,
    unsent_in_kernel,
)
from fanout.workers.stream.holding import ROOM_PART
from tests.helpers.pairs import tcp_pair
from tests.helpers.waiting import wait_until


def test_unsent_is_what_the_peer_has_not_acknowledged() -> None:
    ours, client = tcp_pair()
    with client, ours:
        assert unsent_in_kernel(ours) == 0
        ours.setblocking(False)
        taken = 0
        with suppress(BlockingIOError):
            while True:
                taken += ours.send(bytes(100_000))
        assert 0 < unsent_in_kernel(ours) < taken  # the rest waits at the client
        received = 0
        while received < taken:
            received += len(client.recv(100_000))
        wait_until(lambda: unsent_in_kernel(ours) == 0, "all is acknowledged")


def test_nothing_is_unsent_where_the_kernel_does_not_tell() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        assert unsent_in_kernel(listening) == 0


def test_unread_is_what_has_come_and_was_not_taken() -> None:
    ours, client = tcp_pair()
    with client, ours:
        assert unread_in_kernel(ours) == 0
        client.sendall(b"five!")
        wait_until(lambda: unread_in_kernel(ours) == 5, "it has come")
        ours.recv(2)
        assert unread_in_kernel(ours) == 3


def test_a_peer_has_ended_once_it_says_no_more() -> None:
    ours, client = tcp_pair()
    with client, ours:
        client.sendall(b"last words")
        wait_until(lambda: unread_in_kernel(ours) > 0, "it has spoken")
        assert not KERNEL.has_ended(ours)
        client.shutdown(socket.SHUT_WR)
        wait_until(lambda: KERNEL.has_ended(ours), "that is known, though nothing was read")


def test_who_is_handed_in_is_asked() -> None:
    asked: list[int] = []

    def count(sock: socket.socket, question: int) -> int:
        asked.append(sock.fileno())
        return {termios.TIOCOUTQ: 30, termios.FIONREAD: 4}[question]

    queues = SocketQueues(count, lambda _sock: True)
    ours, client = tcp_pair()
    unix, other = socket.socketpair()
    with client, ours, unix, other:
        assert unsent_in_kernel(ours, queues) == 30
        assert unread_in_kernel(ours, queues) == 4
        really = stream_counts(ours)
        assert really is not None
        assert stream_counts(ours, queues) == (really.written + 30, really.read - 4)
        assert taken_by_host(unix, 100, queues) == Taken(70, 70)
        assert asked == [*[ours.fileno()] * 4, unix.fileno()]


def test_who_does_not_know_is_taken_for_nothing() -> None:
    def unknown(_sock: socket.socket, _question: int) -> NoReturn:
        raise OSError(errno.EINVAL, "Invalid argument")

    queues = SocketQueues(unknown, lambda _sock: False)
    ours, client = tcp_pair()
    with client, ours:
        client.sendall(b"something")
        wait_until(lambda: unread_in_kernel(ours) > 0, "it has come")
        assert unread_in_kernel(ours, queues) == 0
        assert unsent_in_kernel(ours, queues) == 0
        assert stream_counts(ours, queues) is None


def test_what_is_free_is_taken() -> None:
    """Of what a socket says that is free it takes the part that is counted on, in one go."""
    ours, client = tcp_pair()
    unix, other = socket.socketpair()
    with client, ours, unix, other:
        for sock in (ours, unix):
            sock.setblocking(False)
            set_queue(sock, 64 << 10)
            before = free_in_kernel(sock)
            assert before > 64 << 10
            while (free := free_in_kernel(sock)) > 4_096:
                assert sock.send(bytes(int(free * ROOM_PART))) == int(free * ROOM_PART)
            with suppress(BlockingIOError):
                while sock.send(bytes(100_000)):
                    pass
            assert free_in_kernel(sock) < before // 2


def test_of_whom_it_is_not_known_nothing_is_free() -> None:
    ours, client = tcp_pair()
    with client:
        assert free_in_kernel(ours, SocketQueues(KERNEL.held, KERNEL.has_ended)) == 0
        ours.close()
        assert free_in_kernel(ours) == 0
