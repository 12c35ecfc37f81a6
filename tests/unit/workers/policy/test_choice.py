"""Which policy: every one that users may choose, with the limits that they give."""

from __future__ import annotations

import pytest

from fanout.options import MIB, Options, choices_of
from fanout.reasons import Reason
from fanout.shm.cards import POLICIES
from fanout.terms.slow_policy import SlowPolicy
from fanout.workers.policy.base import FinishThenJump, KeepNewest, KeepOfLog, Part, Wait
from fanout.workers.policy.choice import policy_for, policy_of
from fanout.workers.policy.limits import NONE, UNLIMITED, Lag, Limits

LOG = 64 * MIB
ENTRIES = 4_096
SECOND = 1_000_000_000
FAR_BEHIND = Lag(0, 0, 0, LOG, ENTRIES)


def test_every_choice_has_a_number_on_the_card() -> None:
    assert {*choices_of("slow_policy")} <= {*POLICIES}


def test_who_blocks_has_no_limit_and_is_waited_for() -> None:
    policy = policy_for(Options(slow_policy="block", slow_limit_bytes=1), ENTRIES)

    assert policy.limits == UNLIMITED
    assert policy.limits.exceeded_by(FAR_BEHIND) is None
    assert policy.judge(FAR_BEHIND) == Wait()
    assert policy.soft == Limits(log_bytes=LOG // 2, log_messages=ENTRIES // 2)


def test_who_blocks_holds_the_publisher_up_at_its_own_limits() -> None:
    policy = policy_of(SlowPolicy("block", limit_messages=100, limit_age=2.5), LOG, ENTRIES)

    assert policy.limits == Limits(messages=99, age_ns=5 * SECOND // 2), "what is beyond is at it"
    assert policy.soft.messages == 50


def test_whoever_does_not_block_may_be_half_of_the_log_behind_and_keeps_a_sixteenth_less() -> None:
    policy = policy_for(Options(), ENTRIES)

    assert policy.limits == Limits(log_bytes=32 * MIB, log_messages=2_048)
    assert policy.judge(FAR_BEHIND) == KeepOfLog(30 * MIB, 1_920)
    assert policy.soft == Limits(log_bytes=16 * MIB, log_messages=1_024)


def test_the_short_form_is_a_limit_in_bytes() -> None:
    policy = policy_for(Options(slow_limit_bytes=MIB), ENTRIES)

    assert policy is policy_of(SlowPolicy(limit_bytes=MIB), LOG, ENTRIES)
    assert policy.limits.bytes == MIB
    assert policy.limits.exceeded_by(Lag(MIB, 9_999, 9_999, 0, 0)) is None
    assert policy.limits.exceeded_by(Lag(MIB + 1, 0, 0, 0, 0)) is Reason.LAG


def test_whichever_limit_comes_first_is_the_reason_and_only_it_is_cut_down() -> None:
    chosen = SlowPolicy("drop_oldest", 1_600, 32, 1.6)
    policy = policy_of(chosen, LOG, ENTRIES)

    judge = policy.judge
    assert judge(Lag(1_601, 32, 0, 0, 0)) == KeepNewest(Reason.LAG, bytes=1_500)
    assert judge(Lag(1_600, 33, 0, 0, 0)) == KeepNewest(Reason.LAG_MESSAGES, messages=30)
    assert judge(Lag(0, 0, 2 * SECOND, 0, 0)) == KeepNewest(Reason.LAG_AGE, age_ns=3 * SECOND // 2)
    assert judge(Lag(1_601, 33, 0, 0, 0)) == KeepNewest(Reason.LAG, bytes=1_500, messages=30)


@pytest.mark.parametrize("action", ["drop_oldest", "drop_newest"])
def test_the_log_is_the_last_limit_of_those_who_lose_messages(action: str) -> None:
    policy = policy_of(SlowPolicy(action, limit_messages=1), LOG, ENTRIES)  # type: ignore[arg-type]

    assert isinstance(policy.judge(FAR_BEHIND._replace(messages=2)), KeepOfLog)


def test_the_others_finish_or_part() -> None:
    lag = Lag(0, 2, 0, 0, 0)

    newest = policy_of(SlowPolicy("drop_newest", limit_messages=1), LOG, ENTRIES)
    closed = policy_of(SlowPolicy("disconnect", limit_messages=1), LOG, ENTRIES)

    assert newest.judge(lag) == FinishThenJump(Reason.LAG_MESSAGES)
    assert closed.judge(lag) == Part(Reason.LAG_MESSAGES)
    assert closed.judge(FAR_BEHIND) == Part(Reason.LAG_LOG)


def test_who_takes_nothing_is_in_the_way_near_its_limits_or_half_of_the_log_behind() -> None:
    dropping = policy_of(SlowPolicy(limit_messages=800), LOG, ENTRIES)
    blocking = policy_of(SlowPolicy("block"), LOG, ENTRIES)

    assert dropping.patience == Limits(NONE, 700, NONE, 28 * MIB, 1_792)
    assert blocking.patience == Limits(log_bytes=32 * MIB, log_messages=ENTRIES // 2)


def test_who_has_just_lost_some_is_still_in_the_way() -> None:
    for size in (1, 1_000, LOG):
        policy = policy_of(SlowPolicy(limit_bytes=size), LOG, ENTRIES)
        kept = policy.judge(Lag(size + 1, 0, 0, 0, 0))
        assert isinstance(kept, KeepNewest)
        assert policy.patience.bytes <= kept.bytes
