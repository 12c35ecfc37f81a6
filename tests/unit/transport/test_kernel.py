"""What is asked of the kernel, on real sockets."""

from __future__ import annotations

import os
import socket
from contextlib import closing
from functools import partial

import pytest

from fanout.transport.kernel import (
    KEEPALIVE_IDLE_S,
    KEEPALIVE_INTERVAL_S,
    Counts,
    prepare_listener,
    prepare_socket,
    stream_counts,
    taken_by_host,
)
from fanout.transport.opening import open_listener
from fanout.workers.connections.standing import GIVEN_BYTES
from tests.helpers.pairs import tcp_pair
from tests.helpers.waiting import wait_until

prepare = partial(prepare_socket, queue_bytes=64 * 1024, user_timeout_s=7.5)
TIMEOUT_S = 60.0
WANTED = [
    ((socket.SOL_SOCKET, socket.SO_SNDBUF), 2 * 64 * 1024),  # the kernel doubles it
    ((socket.SOL_SOCKET, socket.SO_KEEPALIVE), 1),
    ((socket.SOL_SOCKET, socket.SO_OOBINLINE), 1),
    ((socket.IPPROTO_TCP, socket.TCP_NODELAY), 1),
    ((socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT), 7500),  # ms
    ((socket.IPPROTO_TCP, socket.TCP_KEEPIDLE), KEEPALIVE_IDLE_S),
    ((socket.IPPROTO_TCP, socket.TCP_KEEPINTVL), KEEPALIVE_INTERVAL_S),
]


def test_a_tcp_socket_gets_every_option() -> None:
    ours, client = tcp_pair()
    with client, closing(prepare(ours.detach())) as sock:
        assert [sock.getsockopt(*option) for option, _ in WANTED] == [value for _, value in WANTED]
        assert not sock.getblocking()


def test_a_connection_has_the_options_of_its_listener_and_they_are_not_set_again() -> None:
    first = partial(prepare_listener, queue_bytes=64 * 1024, user_timeout_s=7.5)
    with closing(open_listener("tcp://127.0.0.1:*", 5, first)) as listener:
        listener.socket.setblocking(True)
        with socket.create_connection(listener.socket.getsockname(), TIMEOUT_S) as client:
            ours = listener.socket.accept()[0]
            others = {"queue_bytes": 128 * 1024, "user_timeout_s": 5}  # they would be seen
            with client, closing(prepare_socket(ours.detach(), **others)) as sock:
                assert [sock.getsockopt(*option) for option, _ in WANTED] == [
                    value for _, value in WANTED
                ]
                assert not sock.getblocking()


def test_a_unix_socket_gets_what_it_knows() -> None:
    ours, client = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    with client, closing(prepare(ours.detach())) as sock:
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) == 2 * 64 * 1024
        assert not sock.getblocking()


def test_a_descriptor_that_takes_no_option_is_closed() -> None:
    """It would be lost otherwise: only its number is known to the caller."""
    datagram = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)  # knows no TCP_NODELAY
    descriptor = datagram.detach()
    with pytest.raises(OSError, match="not supported"):
        prepare(descriptor)
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)


def test_how_far_a_host_lets_us_send_goes_on_while_its_program_reads() -> None:
    allowed = allowed_after(20, reads=True)
    assert allowed[-1] - allowed[0] > GIVEN_BYTES


def test_it_stands_nearly_still_while_nobody_reads_though_the_host_acknowledges() -> None:
    """The host opens its window, from 64 KiB to what fits into its buffer of 128 KiB, and no more.

    Mostly it does with the first piece. While TCP has little memory on the machine it does later.
    """
    allowed = allowed_after(10, reads=False)
    assert allowed[-1] - allowed[0] < GIVEN_BYTES


def allowed_after(pieces: int, *, reads: bool) -> list[int]:
    """What a host lets us send after each of so many pieces, all of which it acknowledges."""
    size, handed, found = 10_000, 0, []
    ours, client = tcp_pair()
    with client, closing(prepare(ours.detach())) as sock:
        for _ in range(pieces):
            handed += sock.send(bytes(size))
            if reads:
                client.recv(size, socket.MSG_WAITALL)
            found.append(allowed_when_taken(sock, handed))
    return found


def allowed_when_taken(sock: socket.socket, handed: int) -> int:
    """How far the host lets us send once it has acknowledged so many bytes."""
    wait_until(lambda: taken_by_host(sock, handed).acknowledged >= handed, "it is acknowledged")
    allowed = taken_by_host(sock, handed).allowed
    assert allowed is not None
    return allowed


def test_on_a_unix_socket_it_is_what_was_read() -> None:
    ours, client = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    with client, closing(prepare(ours.detach())) as sock:
        handed = sock.send(bytes(1000))
        first = taken_by_host(sock, handed)
        assert first.acknowledged <= 0
        client.recv(1000)
        assert taken_by_host(sock, handed) == (1000, 1000)


def test_where_the_kernel_does_not_say_it_is_what_is_not_unsent() -> None:
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as sock:
        assert taken_by_host(sock, 700) == (700, None)


# What another process finds out that takes over a connection.


def test_what_was_written_and_read_is_counted_whatever_the_peer_does() -> None:
    ours, client = tcp_pair()
    with client, closing(prepare(ours.detach())) as sock:
        assert stream_counts(sock) == Counts(0, 0), "the SYN of the peer is not counted"
        written = sock.send(bytes(1_000))
        client.sendall(b"12345")
        wait_until(lambda: stream_counts(sock) == Counts(1_000, 0), "what came in is not read yet")
        assert sock.recv(2) == b"12"
        while True:  # until nothing fits: the peer reads nothing
            try:
                written += sock.send(bytes(100_000))
            except BlockingIOError:
                break
        assert stream_counts(sock) == Counts(written, 2)
        left = written
        while left > written // 2:
            left -= len(client.recv(65_536))
        assert stream_counts(sock) == Counts(written, 2)


def test_the_count_agrees_with_what_was_sent_while_the_peer_acknowledges() -> None:
    ours, client = tcp_pair()
    with client, closing(prepare(ours.detach())) as sock:
        client.settimeout(TIMEOUT_S)
        written = 0
        for _ in range(300):
            written += sock.send(bytes(20_000))
            assert stream_counts(sock) == Counts(written, 0)
            client.recv(20_000, socket.MSG_WAITALL)


def test_a_peer_that_has_hung_up_on_its_side_is_still_counted_right() -> None:
    ours, client = tcp_pair()
    with client, closing(prepare(ours.detach())) as sock:
        client.sendall(b"12345")
        client.shutdown(socket.SHUT_WR)
        wait_until(lambda: len(sock.recv(9, socket.MSG_PEEK)) == 5, "what it said")
        wait_until(lambda: stream_counts(sock) == Counts(0, 0), "its end")
        assert sock.recv(9) == b"12345"
        assert stream_counts(sock) == Counts(0, 5)
        assert sock.recv(9) == b""
        assert stream_counts(sock) == Counts(0, 5)
        sock.send(b"abc")
        assert stream_counts(sock) == Counts(3, 5)


def test_there_is_nothing_to_count_where_the_end_has_begun_or_there_is_no_tcp() -> None:
    ours, client = tcp_pair()
    with client, closing(prepare(ours.detach())) as sock:
        sock.shutdown(socket.SHUT_WR)
        assert stream_counts(sock) is None
    one, other = socket.socketpair()
    with one, other:
        assert stream_counts(one) is None
