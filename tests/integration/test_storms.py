"""Many connections at once, more than the workers can take at that moment."""

from __future__ import annotations

import os
import signal
from contextlib import ExitStack

from fanout import Publisher
from tests.helpers.raw import READY_SUB, RawPeer, command, greeting_3
from tests.helpers.waiting import wait_until

STORM = 900  # above what the socket to a worker holds, below max_half_open


def test_connections_that_came_while_a_worker_was_stopped_are_all_served() -> None:
    with (
        Publisher("tcp://127.0.0.1:*", workers=1, log_bytes=1 << 20) as publisher,
        ExitStack() as stack,
    ):
        (worker,) = publisher.statistics().workers
        os.kill(worker.pid, signal.SIGSTOP)
        try:
            for _ in range(STORM):
                peer = stack.enter_context(RawPeer(publisher.endpoints[0]))
                peer.send(greeting_3(1) + READY_SUB + command(b"SUBSCRIBE", b"A"))
            wait_until(lambda: publisher.statistics().accepted == STORM, "all are accepted")
        finally:
            os.kill(worker.pid, signal.SIGCONT)
        publisher.wait_for_subscribers(STORM, timeout=20)
        publisher.publish(b"A", b"")
        assert publisher.drain(timeout=20) == ()
        assert publisher.statistics().sent == STORM
