"""What `sub --rate` prints: how many messages and bytes came in each second. Pure."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from fanout.cli.sub.latencies import text_of
from fanout.cli.units import short_size
from fanout.subscriber.message import CONFLATED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fanout.cli.sub.latencies import Latencies
    from fanout.subscriber.message import Message

EACH_S = 1.0  # between two lines


class Rates:
    """Counts; owned by one thread. Time is passed in, in seconds.

    Args:
        as_json: lines of JSON instead of such for people.
        latencies: those of all that comes are told, too.

    Attributes:
        due: when the next line is.
    """

    def __init__(self, now: float, *, as_json: bool, latencies: Latencies | None = None) -> None:
        self._as_json = as_json
        self._latencies = latencies
        self._began = now  # of what the next line is about
        self._messages = 0
        self._bytes = 0
        self._total = 0
        self._missing = 0
        self.due = now + EACH_S

    def take(self, messages: Sequence[Message]) -> None:
        """Count these."""
        self._messages += len(messages)
        self._total += len(messages)
        for message in messages:
            self._bytes += message.size
            gap = message.gap
            if gap is not None and gap.reason != CONFLATED:
                self._missing += gap.count or 0
        if self._latencies is not None:
            self._latencies.take(messages)

    def line(self, now: float) -> bytes:
        """What came since the last one."""
        seconds = max(now - self._began, 1e-9)
        rates = self._messages / seconds, self._bytes / seconds
        self._began, self._messages, self._bytes = now, 0, 0
        self.due = now + EACH_S
        sums = None if self._latencies is None else self._latencies.take_sums()
        if self._as_json:
            told: dict[str, Any] = {
                "messages_per_second": round(rates[0], 1),
                "bytes_per_second": round(rates[1], 1),
                "messages": self._total,
                "missing": self._missing,
            }
            if sums is not None:
                told["latency_ms"] = sums
            return json.dumps(told, separators=(",", ":")).encode() + b"\n"
        missing = f", {self._missing:,} missing" if self._missing else ""
        text = f"{rates[0]:,.0f} msg/s, {short_size(rates[1])}/s, {self._total:,} in all{missing}"
        text += "" if sums is None else text_of(sums)
        return text.encode() + b"\n"
