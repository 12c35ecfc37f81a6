"""Schedules and limits of lag, against what they say of themselves."""

from __future__ import annotations

from dataclasses import astuple

from hypothesis import given
from hypothesis import strategies as st

from fanout.workers.connections.heartbeat import GRACE_NS, Attention, Schedule, is_silent
from fanout.workers.policy.base import KeepNewest, KeepOfLog, Wait
from fanout.workers.policy.block import Block
from fanout.workers.policy.drop_oldest import DropOldest
from fanout.workers.policy.limits import Lag, Limits

DELAY = 10
amounts = st.integers(0, 1 << 40)
steps = st.lists(
    st.tuples(st.sampled_from(("put", "drop", "due")), st.integers(0, 5), st.integers(0, 7)),
    max_size=60,
)


@given(steps)
def test_a_schedule_gives_what_is_due_once_and_the_longest_waiting_first(
    happening: list[tuple[str, int, int]],
) -> None:
    schedule: Schedule[int] = Schedule(DELAY)
    model: dict[int, int] = {}
    now = 0
    for what, key, passed in happening:
        now += passed
        if what == "put":
            schedule.put(key, now)
            model[key] = now
        elif what == "drop":
            schedule.drop(key)
            model.pop(key, None)
        else:
            due = list(schedule.due(now))
            assert set(due) == {k for k, since in model.items() if now - since >= DELAY}
            times = [model.pop(k) for k in due]
            assert times == sorted(times)
        assert len(schedule) == len(model)


@given(steps)
def test_a_schedule_without_a_delay_never_gives_anything(
    happening: list[tuple[str, int, int]],
) -> None:
    schedule: Schedule[int] = Schedule(0)
    for what, key, now in happening:
        if what == "put":
            schedule.put(key, now)
    assert list(schedule.due(1 << 60)) == []
    assert len(schedule) == 0


def test_what_is_put_again_while_it_is_taken_waits_for_its_turn() -> None:
    schedule: Schedule[int] = Schedule(DELAY)
    schedule.put(1, 0)
    schedule.put(2, 1)
    taken = []
    for key in schedule.due(50):
        taken.append(key)
        schedule.put(key, 50)
    assert taken == [1, 2]
    assert list(schedule.due(59)) == []
    assert list(schedule.due(60)) == [1, 2]


@given(now=amounts, asked=amounts, last=amounts, timeout=amounts)
def test_only_a_ping_without_answer_is_held_against_a_peer(
    now: int, asked: int, last: int, timeout: int
) -> None:
    silent = is_silent(now, asked, last, timeout)

    assert silent == (asked > last and now > asked + timeout)


@given(st.lists(st.tuples(st.integers(0, 3 * GRACE_NS), st.booleans())))
def test_silence_counts_after_a_time_of_listening_without_a_gap(
    looks: list[tuple[int, bool]],
) -> None:
    attention = Attention()
    now, listened, since = 0, 0, 0
    for gap, listening in looks:
        now += gap
        counts = attention.look(now, listening)
        if listening:
            since = now if now - listened > GRACE_NS else since
            listened = now
        assert counts == (listening and now - since >= GRACE_NS)


# No policy has a limit of no message: the newest always stays.
limit_sets = st.builds(Limits, amounts, st.integers(1, 1 << 40), amounts, amounts, amounts)
lags = st.builds(Lag, amounts, amounts, amounts, amounts, amounts)


@given(limits=limit_sets, lag=lags)
def test_a_member_that_keeps_what_it_may_is_not_over(limits: Limits, lag: Lag) -> None:
    is_over = any(one > most for one, most in zip(lag, astuple(limits), strict=True))
    assert (limits.exceeded_by(lag) is not None) == is_over
    assert Block().limits.exceeded_by(lag) is None
    if not is_over:
        return

    verdict = DropOldest(limits).judge(lag)

    assert min(verdict.bytes, verdict.messages) >= 0
    if isinstance(verdict, KeepOfLog):
        lag = lag._replace(log_bytes=verdict.bytes, log_messages=verdict.messages)
    else:
        lag = Lag(
            min(lag.bytes, verdict.bytes),
            min(lag.messages, verdict.messages),
            min(lag.age_ns, verdict.age_ns),
            *lag[3:],
        )
        assert limits.exceeded_by(lag) is None
    assert lag.log_bytes <= limits.log_bytes or isinstance(verdict, KeepNewest)


def test_who_blocks_the_publisher_is_waited_for() -> None:
    assert isinstance(Block().judge(Lag(*(1 << 40,) * 5)), Wait)
