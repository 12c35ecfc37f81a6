"""Shares: what one of many may have, where nobody has said how much. Pure."""

from __future__ import annotations

CONNECTS_PER_S = 500.0  # new connections of one address
CONNECTS_LEAST, CONNECTS_MOST = 0.1, 1_000_000
FEW = 4  # places: as few as that are for those who are expected, who may all be on one host


def share_of(places: int) -> int:
    """How many of so many places one address may have: half of them, or all, if there are few."""
    return max(min(places, FEW), places // 2)
