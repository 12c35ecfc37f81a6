"""The invariants of a simulated coordinator."""

from __future__ import annotations

from fanout.events import EventKind
from tests.simulation.coordinator.acting import Acting
from tests.simulation.violated import require

PREFIXES = (b"", b"A", b"AB", b"B", b"C")


class Checking(Acting):
    """It is held against what the model knows, after each step."""

    def check(self) -> None:
        """What must hold after each step."""
        state, ledger, live = self.state, self.state.ledger, self.live
        require(set(state.roster.connections) == set(live), "the roster lists others")
        half_open = sum(not peer.was_connected for peer in live.values())
        require(state.roster.half_open == half_open, f"half open: {state.roster.half_open}")
        require(self.accepted == self.refused + len(live) + self.ended, "one was lost")
        require((ledger.accepted, ledger.refused) == (self.accepted, self.refused), "miscounted")
        ends = ledger.evicted + ledger.disconnected + ledger.failed_handshakes
        require(ends == self.ended, f"{ends} of {self.ended} ends are booked")
        told = self.told
        require(told[EventKind.SUBSCRIBER_EVICTED] == ledger.evicted, "told otherwise than counted")
        told_ends = told[EventKind.SUBSCRIBER_EVICTED] + told[EventKind.SUBSCRIBER_DISCONNECTED]
        told_ends += told[EventKind.HANDSHAKE_FAILED]
        require(told_ends == self.ended, "an end was not told, or twice")
        require(told[EventKind.WORKER_LOST] == self.lost, "a loss was not told, or twice")
        times = told[EventKind.WORKER_GIVEN_UP]
        require(times == self.times_given_up, "that one is given up was not told, or twice")
        require(self.open == set(state.duplicates.values()), "descriptors leak")
        require(self.open == {peer.descriptor for peer in live.values()}, "descriptors leak")
        self._check_interest()
        ends = self.finishing_until is not None
        require(ends or self.is_broken == self.is_over, "broken without a cause, or not told")

    def _check_interest(self) -> None:
        if not self.has_news:
            return
        self.has_news = False
        interest = self.state.interest
        wanting = [peer for peer in self.live.values() if peer.told_wants]
        require(interest.count(None) == len(wanting), "others are interested")
        for topic in PREFIXES:
            workers = {
                peer.connection.worker
                for peer in wanting
                if any(topic.startswith(prefix) for prefix in peer.told_wants)
            }
            require(interest.workers_for(topic) == workers, f"others want {topic!r}")
