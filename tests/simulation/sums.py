"""What a worker has done for all subscribers it ever had."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.simulation.model import SubscriberModel


@dataclass
class Sums:
    """What a worker has done for all subscribers it ever had."""

    matched: int = 0
    sent: int = 0
    sent_bytes: int = 0
    dropped: int = 0
    discarded: int = 0
    matched_bytes: int = 0
    dropped_bytes: int = 0
    discarded_bytes: int = 0
    conflated: int = 0
    conflated_bytes: int = 0

    def add(self, model: SubscriberModel, *, ended: bool = False) -> None:
        """One subscriber more."""
        self.matched += model.matched
        self.matched_bytes += model.matched_bytes
        self.dropped_bytes += model.dropped_bytes
        self.sent += model.sent
        self.sent_bytes += model.counted_bytes()[0]
        self.dropped += model.dropped
        self.conflated += model.conflated
        self.conflated_bytes += model.conflated_bytes
        if ended:
            self.discarded += model.queued
            self.discarded_bytes += model.queued_bytes

    def copy(self) -> Sums:
        return replace(self)
