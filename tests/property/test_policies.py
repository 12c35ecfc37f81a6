"""What each policy does with what waits, against a naive queue; all of it changes in mid-stream.

Limits in bytes, messages and seconds, an interval, a rate, markers of losses and of conflation.
"""

from __future__ import annotations

from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from fanout.terms.slow_policy import SlowPolicy
from tests.property.lockstep import run
from tests.property.naive import ALL, NOTHING

TOPICS = st.sampled_from((b"A", b"AB", b"B", b"C"))
WANTS = st.sampled_from(((b"",), (b"A",), (b"A", b"C"), (b"B",)))
TOLD = st.integers(NOTHING, ALL)
TIMES = st.sampled_from((0.02, 0.05, 0.15))
LIMITS = {
    "limit_messages": st.sampled_from((0, 0, 1, 2, 4, 9)),
    "limit_bytes": st.sampled_from((0, 0, 20, 50, 120)),
    "limit_age": st.sampled_from((0.0, 0.0, 0.02, 0.05, 0.15)),
    "max_rate": st.sampled_from((0, 0, 0, 90, 400)),
    "soft": st.sampled_from((0.5, 1.0)),
}
OTHERS = st.sampled_from(("drop_oldest", "drop_oldest", "drop_newest", "disconnect", "block"))
POLICIES = st.one_of(
    st.builds(SlowPolicy, OTHERS, **LIMITS),
    st.builds(SlowPolicy, st.just("conflate"), min_interval=TIMES, **LIMITS),
    st.builds(SlowPolicy, st.just("conflate"), **LIMITS),
)
COMING = st.tuples(st.just("publish"), st.lists(TOPICS, min_size=1, max_size=5))
CHANGES = st.tuples(st.just("policy"), POLICIES)
STEPS = st.one_of(
    *(COMING, COMING, CHANGES, CHANGES),
    st.tuples(st.just("room"), st.sampled_from((0, 5, 20, 40, 200))),
    st.tuples(st.just("wait"), st.integers(1, 4)),
    st.tuples(st.just("told"), TOLD),
    st.tuples(st.just("wants"), WANTS),
)


@settings(deadline=None, max_examples=60)
@given(POLICIES, WANTS, TOLD, st.lists(STEPS, max_size=25))
@example(
    *(SlowPolicy(), (b"",), 0),
    [
        ("publish", [b"A"] * 4),
        ("room", 20),
        ("policy", SlowPolicy("conflate")),
        ("publish", [b"A"]),
    ],
)
def test_the_same_is_sent_lost_conflated_and_told_as_of_a_queue(
    policy: SlowPolicy, wants: tuple[bytes, ...], told: int, steps: list[Any]
) -> None:
    run(policy, wants, told, steps)
