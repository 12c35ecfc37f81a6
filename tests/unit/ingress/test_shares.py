"""How much is read of a producer at a time: what takes 0.1 ms, whatever a byte costs."""

from __future__ import annotations

import pytest

from fanout.ingress.shares import (
    FIRST_BYTES,
    GROWTH,
    LEAST_BYTES,
    MOST_BYTES,
    TURN_NS,
    next_share,
)


def after(cost_ns: float, share: int, reads: int) -> int:
    """Of a producer that floods, whose bytes cost so much each."""
    for _ in range(reads):
        share = next_share(share, share, int(share * cost_ns))
    return share


@pytest.mark.parametrize("share", [LEAST_BYTES, FIRST_BYTES, MOST_BYTES])
@pytest.mark.parametrize("cost_ns", [0.5, 1.0, 4.0, 20.0])
def test_it_takes_the_same_time_whatever_a_byte_costs(cost_ns: float, share: int) -> None:
    reached = after(cost_ns, share, 8)
    assert reached * cost_ns == pytest.approx(TURN_NS, rel=0.01)
    assert after(cost_ns, reached, 1) == pytest.approx(reached, rel=0.01)


@pytest.mark.parametrize(("cost_ns", "limit"), [(0.0, MOST_BYTES), (1000.0, LEAST_BYTES)])
def test_it_stays_within_its_limits(cost_ns: float, limit: int) -> None:
    assert after(cost_ns, FIRST_BYTES, 8) == limit


def test_it_grows_step_by_step_and_shrinks_at_once() -> None:
    assert next_share(FIRST_BYTES, FIRST_BYTES, 1) == GROWTH * FIRST_BYTES
    assert next_share(MOST_BYTES, MOST_BYTES, 32 * TURN_NS) == MOST_BYTES // 32


def test_a_read_that_was_not_full_tells_only_when_it_took_long() -> None:
    assert next_share(FIRST_BYTES, 100, TURN_NS) == FIRST_BYTES
    assert next_share(FIRST_BYTES, FIRST_BYTES // 2, 2 * TURN_NS) == FIRST_BYTES // 4
