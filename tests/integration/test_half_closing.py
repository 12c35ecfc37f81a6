"""Subscribers that end their own side of a connection, and read on; or do not."""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import struct
import time
from statistics import median
from typing import TYPE_CHECKING

import pytest
import zmq

from fanout import EventKind, Publisher
from fanout.reasons import Reason
from fanout.workers.connections.question import ANSWER_NS
from tests.helpers.happenings import Happenings
from tests.helpers.raw import RawPeer, command
from tests.helpers.waiting import DEADLINE_S, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PING = command(b"PING", b"\0\0")
ANSWERED_S = 1.5  # within which one that speaks answers; a busy machine may hold it up for a while
SILENT_NS = 2_500_000_000  # longer than that, and than all that is waited for after a PING
LOG_BYTES = 1 << 20
SO_ATTACH_FILTER = 26  # the `socket` module has no name for it


@pytest.fixture
def happenings() -> Happenings:
    return Happenings()


@pytest.fixture
def publisher(happenings: Happenings) -> Iterator[Publisher]:
    with Publisher(
        "tcp://127.0.0.1:*",
        workers=2,
        log_bytes=LOG_BYTES,
        heartbeat_interval=0.3,
        heartbeat_timeout=ANSWERED_S,
        on_event=happenings,
    ) as made:
        yield made


def half_closed(publisher: Publisher, count: int = 1) -> RawPeer:
    """One that has said no more, and was asked whether it reads; there are so many then."""
    peer = RawPeer.version_3(publisher.endpoints[0], b"A")
    try:
        publisher.wait_for_subscribers(count, timeout=DEADLINE_S)
        peer.socket.shutdown(socket.SHUT_WR)
        peer.expect(PING)
    except BaseException:
        peer.close()
        raise
    return peer


def expect_next(publisher: Publisher, peer: RawPeer, first: int, stop: int) -> None:
    """Each message comes, in order, and no PING that it cannot answer."""
    for number in range(first, stop):
        publisher.publish(b"A", b"%d" % number)
    for number in range(first, stop):
        body = b"%d" % number
        peer.expect(b"\x01\x01A" + bytes((0, len(body))) + body)


def test_who_reads_on_gets_everything_and_no_more_pings(
    publisher: Publisher, happenings: Happenings
) -> None:
    with half_closed(publisher) as peer:
        began, first = time.monotonic_ns(), 0
        while time.monotonic_ns() - began < SILENT_NS:
            expect_next(publisher, peer, first, first + 20)
            first += 20
            assert not peer.is_readable(0.05)
        (one,) = publisher.subscribers()
        assert (one.matched, one.sent) == (first, first)
        (told,) = happenings.of(EventKind.SUBSCRIBER_HALF_CLOSED)
        assert (told.subscriber, publisher.statistics().half_closed) == (one.id, 1)
    publisher.publish(b"A", b"to nobody")
    (gone,) = happenings.wait_for(EventKind.SUBSCRIBER_DISCONNECTED)
    assert gone.cause is Reason.LEFT


def test_one_that_had_answered_pings_is_not_evicted_for_its_silence(
    publisher: Publisher, happenings: Happenings
) -> None:
    with RawPeer.version_3(publisher.endpoints[0], b"A") as peer:
        peer.expect(PING)
        peer.send(command(b"PONG") + command(b"PING", b"\0\x0f"))  # and it has a time to live
        peer.expect(command(b"PONG"))
        peer.socket.shutdown(socket.SHUT_WR)
        peer.expect(PING)
        began = time.monotonic_ns()
        while time.monotonic_ns() - began < SILENT_NS:
            assert not peer.is_readable(0.1), "asked again, or closed"
        expect_next(publisher, peer, 0, 5)
        assert not happenings.of(EventKind.SUBSCRIBER_EVICTED)


def test_a_socket_of_libzmq_that_closes_is_gone_at_once(
    publisher: Publisher, happenings: Happenings
) -> None:
    context = zmq.Context()
    took: list[int] = []
    try:
        for count in range(1, 21):
            with context.socket(zmq.SUB) as sub:
                sub.setsockopt(zmq.SUBSCRIBE, b"A")
                sub.connect(publisher.endpoints[0])
                publisher.wait_for_subscribers(1, timeout=DEADLINE_S)
            began = time.monotonic_ns()
            wait_until(lambda: not publisher.subscribers(), "the end of it")
            took.append(time.monotonic_ns() - began)
            happenings.wait_for(EventKind.SUBSCRIBER_DISCONNECTED, count)
    finally:
        context.destroy(linger=0)
    assert median(took) < ANSWER_NS, "they were waited for; a busy machine holds up one or two"
    gone = happenings.of(EventKind.SUBSCRIBER_DISCONNECTED)
    assert {one.cause for one in gone} == {Reason.LEFT}
    unread = {one.kernel_bytes for one in publisher.closed_subscribers()}
    assert unread == {0}, "the question is nothing that it has missed"


def be_cut_off(sock: socket.socket) -> None:
    """From now on nothing reaches this end: a program of one step drops each packet for it."""
    drop = ctypes.create_string_buffer(struct.pack("=HBBI", 6, 0, 0, 0))  # BPF: return 0
    program = struct.pack("@HP", 1, ctypes.addressof(drop))
    sock.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, program)


def test_who_vanishes_after_its_end_has_left_after_a_second(
    publisher: Publisher, happenings: Happenings
) -> None:
    with RawPeer.version_3(publisher.endpoints[0], b"A") as peer:
        publisher.wait_for_subscribers(1, timeout=DEADLINE_S)
        be_cut_off(peer.socket)
        began = time.monotonic_ns()
        peer.socket.shutdown(socket.SHUT_WR)
        (gone,) = happenings.wait_for(EventKind.SUBSCRIBER_DISCONNECTED)
        assert time.monotonic_ns() - began >= ANSWER_NS, "it was not waited for"
        assert gone.cause is Reason.LEFT
        assert not peer.is_readable(0)


@pytest.mark.parametrize("minor", [0, 1])
def test_who_cannot_be_asked_has_left(
    publisher: Publisher, happenings: Happenings, tmp_path: Path, minor: int
) -> None:
    """ZMTP 3.0 has no PING; and of a Unix socket nobody says whether it is read."""
    endpoint = publisher.endpoints[0]
    if minor:
        endpoint = publisher.bind(f"ipc://{tmp_path}/feed")
    with RawPeer.version_3(endpoint, b"A", minor=minor) as peer:
        publisher.wait_for_subscribers(1, timeout=DEADLINE_S)
        peer.socket.shutdown(socket.SHUT_WR)
        assert peer.read_to_end() == b""
        (gone,) = happenings.wait_for(EventKind.SUBSCRIBER_DISCONNECTED)
        assert gone.cause is Reason.LEFT
    assert publisher.statistics().half_closed == 0


def test_it_goes_on_when_it_is_moved_and_when_its_worker_is_killed(
    publisher: Publisher, happenings: Happenings
) -> None:
    with half_closed(publisher) as peer:
        expect_next(publisher, peer, 0, 10)
        (one,) = publisher.subscribers()
        publisher.move(one.id, 1 - one.worker)
        peer.expect(PING)
        expect_next(publisher, peer, 10, 20)
        (one,) = publisher.subscribers()
        os.kill(publisher.statistics().workers[one.worker].pid, signal.SIGKILL)
        peer.expect(PING)
        expect_next(publisher, peer, 20, 30)
        (one,) = publisher.subscribers()
        assert (one.matched, one.sent) == (30, 30)
        assert not happenings.of(EventKind.SUBSCRIBER_EVICTED)
        # Whoever serves it says so anew; another one, that comes then, shows that it was heard.
        with half_closed(publisher, 2):
            told = happenings.wait_for(EventKind.SUBSCRIBER_HALF_CLOSED)
            wait_until(lambda: publisher.statistics().half_closed == 2, "both are counted")
            assert told[0].subscriber == one.id
        assert len(happenings.of(EventKind.SUBSCRIBER_HALF_CLOSED)) == 1, (
            "the next one is summed up"
        )


def test_one_that_reads_nothing_is_evicted_like_others(happenings: Happenings) -> None:
    with (
        Publisher(
            "tcp://127.0.0.1:*",
            workers=1,
            log_bytes=LOG_BYTES,
            kernel_queue_bytes=16_384,
            slow_policy="disconnect",
            on_event=happenings,
        ) as publisher,
        RawPeer.version_3(publisher.endpoints[0], b"A", receive_buffer=4096) as peer,
    ):
        publisher.wait_for_subscribers(1, timeout=DEADLINE_S)
        peer.socket.shutdown(socket.SHUT_WR)
        for _ in range(200):
            publisher.publish(b"A", bytes(20_000))
        assert happenings.wait_for(EventKind.SUBSCRIBER_EVICTED)


def test_all_of_it_is_delivered_when_the_publisher_ends(happenings: Happenings) -> None:
    publisher = Publisher("tcp://127.0.0.1:*", workers=1, log_bytes=LOG_BYTES, on_event=happenings)
    with publisher, half_closed(publisher) as peer:
        for number in range(500):
            publisher.publish(b"A", bytes(1_000) + b"%03d" % number)
        publisher.close()
        for number in range(500):
            assert peer.read_message()[1][1_000:] == b"%03d" % number
        assert peer.read_to_end() == b""
