"""What `sub --latency` shows: how long after a time in its payload a message has come. Pure.

ZMTP says nothing of when a message was sent, and what numbers a publisher of fanout's appends
neither. So the service has to write it into the message, and the user says where it is.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from fanout.subscriber.message import Message

WHOLE = "."  # the payload is the time
# What a number is, by its size: the first limit is in March 1973, the last is in the year 5138, and
# between two units lie a thousand years of one and a day of the other.
UNITS = ((1e8, 1e11, 1.0), (1e11, 1e14, 1e-3), (1e14, 1e17, 1e-6), (1e17, 1e20, 1e-9))
DIGITS = 3  # of which latencies are told apart, so that a minute of them takes little memory


def seconds_of(time: Any) -> float | None:
    """Seconds since 1970 of a time in seconds, or in ms, us or ns; None: it is none."""
    if isinstance(time, bool) or not isinstance(time, (int, float)):
        return None
    for least, over, unit in UNITS:
        if least <= time < over:
            return time * unit
    return None


class Latencies:
    """Reads times out of messages, and sums latencies up. Owned by one thread.

    They are those of live messages: what was published before is late because it was asked for.

    Args:
        field: where the time is in a payload: a key, keys of maps in maps with dots between them,
            or `WHOLE`.
        decode: reads a payload.

    Attributes:
        now: when the messages that are looked at have come: seconds since 1970.
    """

    def __init__(self, field: str, decode: Callable[[bytes], Any]) -> None:
        self._keys = [] if field == WHOLE else field.split(".")
        self._decode = decode
        self._counts: Counter[float] = Counter()  # by seconds
        self._without = 0
        self.now = 0.0

    def of(self, message: Message) -> float | None:
        """Seconds from its time until now; None: it has none, or is no live one."""
        if message.kind != "live":
            return None
        try:
            found = self._decode(message.payload)
        except (ValueError, TypeError, RecursionError, OverflowError):
            return None
        for key in self._keys:
            if not isinstance(found, dict):
                return None
            found = found.get(key)
        began = seconds_of(found)
        return None if began is None else self.now - began

    def take(self, messages: Sequence[Message]) -> None:
        """Count theirs."""
        for message in messages:
            latency = self.of(message)
            if latency is not None:
                self._counts[float(f"{latency:.{DIGITS}g}")] += 1
            elif message.kind == "live":
                self._without += 1

    def take_sums(self) -> dict[str, Any]:
        """Those since the last call, in milliseconds, which are forgotten; 0 messages: no more."""
        counts, self._counts = self._counts, Counter()
        without, self._without = self._without, 0
        total = sum(counts.values())
        sums: dict[str, Any] = {"messages": total, "without_time": without}
        if total:
            ordered = sorted(counts)
            shares = {"min": 0.0, "p50": 0.5, "p99": 0.99, "max": 1.0}
            sums |= {name: _at(ordered, counts, share * total) for name, share in shares.items()}
        return sums


def milliseconds(latency: float) -> float:
    """For people and JSON: whole nanoseconds are more than any clock knows."""
    return round(latency * 1e3, 6)


def text_of(sums: dict[str, Any]) -> str:
    """For people."""
    text = ""
    if sums["messages"]:
        told = ", ".join(f"{name} {sums[name]:,g}" for name in ("min", "p50", "p99", "max"))
        text = f", latency in ms: {told}"
    if sums["without_time"]:
        text += f", {sums['without_time']:,} without a time"
    return text


def _at(ordered: Sequence[float], counts: Counter[float], place: float) -> float:
    """The least of which so many messages have no more."""
    passed = 0
    for latency in ordered:
        passed += counts[latency]
        if passed >= max(1, math.ceil(place)):
            return milliseconds(latency)
    return milliseconds(ordered[-1])
