"""The end of a worker: deliver what is committed, say goodbye, and leave. Shell.

Order: no handshakes any more; members are served until they have everything or the time is up; each
that has everything is sent end of file; what the kernel still holds is waited for, so that closing
does not destroy it; then everything is closed and reported, as fast as the coordinator reads.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fanout.workers.connections.peer import Peer
    from fanout.workers.worker import Worker

NS = 1_000_000_000


class Ending:
    """Steps to the end once a turn; the worker's tick makes sure that there are turns.

    Args:
        worker: whose end it is.
        timeout: seconds that delivery may take; 0.0 = none.
        now: monotonic ns.
    """

    def __init__(self, worker: Worker, timeout: float, now: int) -> None:
        self._worker = worker
        self._deadline = now + int(timeout * NS)
        self._said_goodbye: set[Peer] = set()

    def step(self, now: int) -> None:
        """One look at who is left; ends the worker when nobody is, or when the time is up."""
        worker = self._worker
        late = now >= self._deadline
        if worker.pump.front < worker.log.head() and worker.pump.needs_log and not late:
            return
        for peer in list(worker.peers.values()):
            if worker.channel.pending:
                return  # what this process has not got rid of when it ends is lost
            if late or not peer.ready or self._is_through(peer):
                worker.close(peer, evicted=False, reason="the publisher was closed")
        if not worker.peers and not worker.channel.pending:
            worker.finished()

    def _is_through(self, peer: Peer) -> bool:
        if peer.member.blocked:
            return False
        if peer not in self._said_goodbye:
            self._said_goodbye.add(peer)
            peer.finish_sending()
        return peer.unsent_in_kernel() == 0
