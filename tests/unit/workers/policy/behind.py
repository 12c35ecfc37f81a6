"""Limits, and members that are behind, of all kinds: for hypothesis."""

from __future__ import annotations

from hypothesis import strategies as st

from fanout.workers.policy.limits import NONE, Lag, Limits

AMOUNTS = st.integers(0, 1 << 40)
_LIMIT = AMOUNTS | st.just(NONE)

LAGS = st.builds(Lag, AMOUNTS, AMOUNTS, AMOUNTS, AMOUNTS, AMOUNTS)
LIMITS = st.builds(Limits, _LIMIT, _LIMIT, _LIMIT, _LIMIT, _LIMIT)
SHARES = st.floats(0.0, 1.0)


def over(limits: Limits, lag: Lag) -> dict[str, bool]:
    """Which of the limits somebody is over, by name."""
    names = ("bytes", "messages", "age_ns", "log_bytes", "log_messages")
    return {name: getattr(lag, name) > getattr(limits, name) for name in names}
