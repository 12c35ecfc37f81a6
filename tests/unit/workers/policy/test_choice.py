"""Which policy: every one that users may choose, with the limits that the options give."""

from __future__ import annotations

from fanout.options import MIB, Options, choices_of
from fanout.shm.cards import POLICIES
from fanout.workers.policy.base import KeepNewest, Lag, Wait
from fanout.workers.policy.choice import policy_for
from fanout.workers.policy.limits import UNLIMITED, Limits

ENTRIES = 4_096
FAR_BEHIND = Lag(64 * MIB, ENTRIES, 1)


def test_every_choice_has_a_number_on_the_card() -> None:
    assert {*choices_of("slow_policy")} == {*POLICIES}


def test_who_blocks_has_no_limit_and_is_waited_for() -> None:
    policy = policy_for(Options(slow_policy="block"), ENTRIES)

    assert policy.limits == UNLIMITED
    assert not policy.limits.are_exceeded(1 << 62, 1 << 62)
    assert policy.judge(FAR_BEHIND) == Wait()


def test_who_drops_its_oldest_may_be_half_of_the_log_behind_and_keeps_a_sixteenth_less() -> None:
    policy = policy_for(Options(log_bytes=64 * MIB), ENTRIES)

    assert policy.limits == Limits(32 * MIB, ENTRIES // 2)
    assert policy.judge(FAR_BEHIND) == KeepNewest(30 * MIB, 1_920)


def test_a_smaller_limit_is_kept() -> None:
    policy = policy_for(Options(slow_limit_bytes=MIB), ENTRIES)

    limits = policy.limits
    assert limits.bytes == MIB
    assert not limits.are_exceeded(MIB, 0)
    assert limits.are_exceeded(MIB + 1, 0)
    assert not limits.are_exceeded(0, ENTRIES // 2)
    assert limits.are_exceeded(0, ENTRIES // 2 + 1)


def test_who_takes_nothing_is_in_the_way_near_its_limits_or_half_of_the_log_behind() -> None:
    dropping = policy_for(Options(log_bytes=64 * MIB), ENTRIES)
    blocking = policy_for(Options(log_bytes=64 * MIB, slow_policy="block"), ENTRIES)

    assert dropping.patience == Limits(28 * MIB, 1_792)
    assert blocking.patience == Limits(32 * MIB, ENTRIES // 2)


def test_who_has_just_lost_some_is_still_in_the_way() -> None:
    for size in (1, 1_000, 64 * MIB):
        policy = policy_for(Options(slow_limit_bytes=size, log_bytes=128 * MIB), ENTRIES)
        kept = policy.judge(FAR_BEHIND)
        assert isinstance(kept, KeepNewest)
        assert policy.patience.bytes <= kept.bytes
        assert policy.patience.messages < kept.messages
