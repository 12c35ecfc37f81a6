"""Rate: how many bytes may be sent now, if it may be only so many a second. Pure."""

from __future__ import annotations

from fanout.basics.units import NS

BURST_PART = 10  # of a second: what was not sent earlier may be sent at once, and is waited for


class Rate:
    """One allowance, which fills up with time and is taken from.

    Its mutable state: what there was of it, in billionths of a byte, and when.

    Args:
        limit: bytes a second, above 0.
        now: monotonic ns, as all times here.
    """

    __slots__ = ("_filled", "_limit", "_most", "_since")

    def __init__(self, limit: int, now: int) -> None:
        self._limit = limit
        self._most = max(limit // BURST_PART, 1) * NS
        self._filled = self._most
        self._since = now

    def allowance(self, now: int) -> int:
        """Bytes that may be sent now."""
        passed = max(0, now - self._since)
        self._filled = min(self._most, self._filled + passed * self._limit)
        self._since += passed
        return self._filled // NS

    def take(self, count: int) -> None:
        """So many were sent, no more than there was."""
        self._filled -= count * NS

    @property
    def full_at(self) -> int:
        """When as much may be sent as ever may at once."""
        return self._since - (self._filled - self._most) // self._limit
