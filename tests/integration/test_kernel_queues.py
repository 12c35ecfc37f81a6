"""What the kernel holds for each of many: less for who comes when there are, until it reads."""

from __future__ import annotations

import os
import socket
from contextlib import ExitStack
from unittest import mock

from fanout import Publisher
from fanout.coordinator import reception
from fanout.transport.kernel_queues import FIRST_PART, KERNEL_FACTOR
from tests.helpers.raw import RawPeer
from tests.helpers.waiting import DEADLINE_S, wait_until

KIB = 1024
WANTED = 64 * KIB
FIRST = 2  # who have all that is wanted
MEMORY = FIRST * WANTED * FIRST_PART * KERNEL_FACTOR
LESS = FIRST * WANTED // (2 * (FIRST + 1))  # the next one, and a little less the one after it
LEAST = FIRST * WANTED // (2 * (FIRST + 2))


def queues(publisher: Publisher) -> list[int]:
    """What SO_SNDBUF was set to, of each connection in the order in which they came."""
    found = []
    for _, descriptor in sorted(publisher._engine._coordinator.state.duplicates.items()):
        with socket.socket(fileno=os.dup(descriptor)) as sock:
            found.append(sock.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) // KERNEL_FACTOR)
    return found


def test_who_comes_when_there_are_many_has_less_until_it_has_shown_that_it_reads() -> None:
    with (
        mock.patch.object(reception, "memory_for_tcp", return_value=MEMORY),
        Publisher(
            "tcp://127.0.0.1:*", workers=1, log_bytes=1 << 20, kernel_queue_bytes=WANTED
        ) as publisher,
        ExitStack() as stack,
    ):
        peers = []
        for number in range(FIRST + 2):
            peers.append(stack.enter_context(RawPeer.version_3(publisher.endpoints[0], b"")))
            publisher.wait_for_subscribers(number + 1, timeout=DEADLINE_S)
        before = queues(publisher)
        reads = peers[FIRST]

        def has_all() -> bool:
            publisher.publish(b"A", bytes(32 * KIB))
            assert reads.read_message()[0] == b"A"
            return queues(publisher)[FIRST] == WANTED

        wait_until(has_all, "who reads has what is wanted")
        after = queues(publisher)

    assert before == [WANTED, WANTED, LESS, LEAST]
    assert after == [WANTED, WANTED, WANTED, LEAST], "who does not read has not"
