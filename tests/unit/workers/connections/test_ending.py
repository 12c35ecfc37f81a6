"""The end of a worker: nobody is closed whose final figures would be lost."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any
from unittest import mock

from fanout.workers.connections.ending import Ending


class EndingWorker:
    """A worker with peers that have everything, and a channel that holds one report."""

    def __init__(self, peers: int) -> None:
        self.pump = SimpleNamespace(front=0, needs_log=True)
        self.log = SimpleNamespace(head=lambda: 0)
        self.channel = SimpleNamespace(pending=0)
        self.peers = {
            number: mock.Mock(ready=True, member=SimpleNamespace(blocked=False))
            for number in range(peers)
        }
        for peer in self.peers.values():
            peer.unsent_in_kernel.return_value = 0
        self.is_finished = False

    def close(self, closing: object, *, evicted: bool, reason: str) -> None:
        assert (evicted, reason) == (False, "the publisher was closed")
        self.peers = {i: peer for i, peer in self.peers.items() if peer is not closing}
        self.channel.pending += 1

    def finished(self) -> None:
        self.is_finished = True


def end(worker: Any, timeout: float) -> Ending:
    return Ending(worker, timeout, now=0)


def test_connections_are_closed_as_fast_as_the_coordinator_reads() -> None:
    worker = EndingWorker(3)
    ending = end(worker, timeout=0.0)
    left = []

    while not worker.is_finished:
        ending.step(1)
        left.append(len(worker.peers))
        worker.channel.pending = 0

    assert left == [2, 1, 0, 0]


def test_the_last_report_is_out_before_the_worker_ends() -> None:
    worker = EndingWorker(1)
    ending = end(worker, timeout=10.0)

    ending.step(1)
    ending.step(2)
    assert not worker.is_finished, "it ends with a report that nobody has"

    worker.channel.pending = 0
    ending.step(3)
    assert worker.is_finished
