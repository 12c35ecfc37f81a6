"""The policy of who is sent what it had missed: its own limits do not hold, and the log's does."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fanout.reasons import Reason
from fanout.workers.policy.base import KeepOfLog
from fanout.workers.policy.conflate import Conflate
from fanout.workers.policy.limits import Lag, Limits
from fanout.workers.policy.replaying import WhileReplaying

OWN = Conflate(Limits(bytes=1), max_rate=7, min_interval_ns=5)


def test_it_may_be_five_eighths_of_the_log_behind_and_keeps_a_sixteenth_less() -> None:
    policy = WhileReplaying(OWN, 1_024, 64)

    far = Lag(1 << 40, 1 << 40, 1 << 60, 640, 40)
    assert policy.limits.exceeded_by(far) is None, "whatever its own policy says"
    for more in (far._replace(log_bytes=641), far._replace(log_messages=41)):
        assert policy.limits.exceeded_by(more) is Reason.LAG_LOG
        assert policy.judge(more) == KeepOfLog(600, 37)


@given(st.integers(1 << 16, 1 << 34), st.integers(64, 1 << 24))
def test_it_never_makes_the_publisher_wait_and_may_have_all_that_may_be_asked_for(
    log_bytes: int, entries: int
) -> None:
    """Half of the log may be asked for, and six eighths are kept at any time."""
    limits = WhileReplaying(OWN, log_bytes, entries).limits
    assert log_bytes // 2 < limits.log_bytes < log_bytes * 6 // 8
    assert entries // 2 < limits.log_messages < entries * 6 // 8


def test_it_is_sent_all_of_it_at_the_rate_that_it_has_chosen() -> None:
    policy = WhileReplaying(OWN, 1_024, 64)
    assert policy.own is OWN
    assert (policy.max_rate, policy.conflates, policy.min_interval_ns) == (7, False, 0)
