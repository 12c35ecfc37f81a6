"""Limits, and members that are behind, of all kinds: for hypothesis."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import strategies as st

from fanout.workers.policy.limits import NONE, Lag, Limits

AMOUNTS = st.integers(0, 1 << 40)
_LIMIT = AMOUNTS | st.just(NONE)

LAGS = st.builds(Lag, AMOUNTS, AMOUNTS, AMOUNTS, AMOUNTS, AMOUNTS)
LIMITS = st.builds(Limits, _LIMIT, _LIMIT, _LIMIT, _LIMIT, _LIMIT)
SHARES = st.floats(0.0, 1.0)


OF_LOG = ("log_bytes", "log_messages")
OWN = ("bytes", "messages", "age_ns")


@st.composite
def exceeded(draw: st.DrawFn, *names: str) -> tuple[Limits, Lag]:
    """Limits, and somebody who is over one of these, by name; of the log's, over these alone."""
    limit = draw(AMOUNTS)
    name = draw(st.sampled_from(names))
    limits = replace(draw(LIMITS), **{one: NONE for one in OF_LOG if one not in names})
    lag = draw(LAGS)._replace(**{name: limit + draw(st.integers(1, 1 << 40))})
    return replace(limits, **{name: limit}), lag


def over(limits: Limits, lag: Lag) -> dict[str, bool]:
    """Which of the limits somebody is over, by name."""
    names = ("bytes", "messages", "age_ns", "log_bytes", "log_messages")
    return {name: getattr(lag, name) > getattr(limits, name) for name in names}
