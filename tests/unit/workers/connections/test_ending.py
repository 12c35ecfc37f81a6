"""The end of a worker: nobody is closed whose final figures would be lost."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any
from unittest import mock

from fanout.reasons import Reason
from fanout.workers.connections.ending import Ending


class EndingDesk:
    """A desk with peers that have everything, and a channel that holds one report."""

    def __init__(self, peers: int) -> None:
        self.channel = SimpleNamespace(pending=0)
        self.peers = {
            number: mock.Mock(ready=True, member=SimpleNamespace(blocked=False))
            for number in range(peers)
        }
        for peer in self.peers.values():
            peer.unsent_in_kernel.return_value = 0

    def close(self, closing: object, cause: Reason) -> None:
        assert cause is Reason.PUBLISHER_CLOSED
        self.peers = {i: peer for i, peer in self.peers.items() if peer is not closing}
        self.channel.pending += 1


def end(desk: Any, timeout: float) -> Ending:
    return Ending(desk, desk.channel, timeout, now=0)


def test_connections_are_closed_as_fast_as_the_coordinator_reads() -> None:
    desk = EndingDesk(3)
    ending = end(desk, timeout=0.0)
    left = []

    ended = False
    while not ended:
        ended = ending.step(1, more=False)
        left.append(len(desk.peers))
        desk.channel.pending = 0

    assert left == [2, 1, 0, 0]


def test_the_last_report_is_out_before_the_worker_ends() -> None:
    desk = EndingDesk(1)
    ending = end(desk, timeout=10.0)

    early = [ending.step(now, more=False) for now in (1, 2)]
    assert early == [False, False], "it ends with a report that nobody has"

    desk.channel.pending = 0
    assert ending.step(3, more=False)


def test_what_is_committed_is_sent_before_anybody_is_closed_if_there_is_time() -> None:
    desk = EndingDesk(1)
    ending = end(desk, timeout=1e-9)

    assert not ending.step(0, more=True)
    assert len(desk.peers) == 1
    ending.step(1, more=True)
    assert not desk.peers
