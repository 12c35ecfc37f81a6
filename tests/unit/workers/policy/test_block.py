"""`block`: whatever is asked, the member waits, and so does the publisher."""

from __future__ import annotations

from hypothesis import given

from fanout.workers.policy.base import Wait
from fanout.workers.policy.block import Block
from fanout.workers.policy.limits import UNLIMITED, Lag, Limits
from tests.unit.workers.policy.behind import LAGS


@given(LAGS)
def test_it_waits_however_far_behind_it_is(lag: Lag) -> None:
    policy = Block()
    assert policy.limits.exceeded_by(lag) is None
    assert policy.judge(lag) == Wait()
    assert not policy.conflates, "it gets all of it"


def test_it_is_slow_and_in_the_way_as_it_is_told_to_be() -> None:
    soft, patience = Limits(log_bytes=10), Limits(log_bytes=20)
    policy = Block(soft, patience, 1_000)
    assert (policy.soft, policy.patience, policy.max_rate) == (soft, patience, 1_000)
    assert policy.min_interval_ns == 0
    assert (Block().soft, Block().patience, Block().max_rate) == (UNLIMITED, UNLIMITED, 0)


def test_who_has_held_the_publisher_up_does_so_until_it_is_a_sixteenth_below_its_limit() -> None:
    policy = Block(limits=Limits(messages=160, age_ns=32))

    assert policy.resume == Limits(messages=150, age_ns=30)
    assert Block(limits=Limits(messages=1)).resume == Limits(messages=0)
    assert Block().resume == UNLIMITED
