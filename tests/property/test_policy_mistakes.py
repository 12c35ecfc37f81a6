"""The naive queue is able to fail: each rule of the policies, broken on purpose, is noticed.

Each is a *mutation*, as in `tests/simulation/mutations/`: a small, plausible mistake. The steps
are random ones with seeds, so that what is found is found again.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest

from fanout.reasons import Reason
from fanout.terms.slow_policy import SlowPolicy
from fanout.workers.policy.ages import Ages
from fanout.workers.policy.bounded import Bounded
from fanout.workers.policy.choice import policy_of
from fanout.workers.policy.limits import Lag, Limits
from fanout.workers.policy.rate import Rate
from fanout.workers.stream.backlog import Backlog
from fanout.workers.stream.conflating import Conflating
from fanout.workers.stream.gaps import CONFLATED, Gap, Gaps
from fanout.workers.stream.judging import Judging
from fanout.workers.stream.lags import Lags
from fanout.workers.stream.member import Member
from fanout.workers.stream.rests import Rests
from fanout.workers.stream.telling import Telling
from tests.helpers.replacing import replacing
from tests.property.lockstep import TICK, run
from tests.property.naive import NS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from fanout.shm.census import Amount

SEEDS = 100  # most are caught by the first few
LIMITED = 0.8  # of all policies
# One that is closed ends a run.
ACTIONS = ("drop_oldest",) * 3 + ("drop_newest", "conflate") * 2 + ("disconnect", "block")
MISTAKES: dict[str, tuple[Any, str, Any]] = {}
replaces = replacing(MISTAKES)


# Limits.


@replaces(Limits, "exceeded_by")
def call_it_too_old_at_its_limit(original: Any, limits: Limits, lag: Lag) -> Reason | None:
    return original(limits, lag._replace(age_ns=lag.age_ns + 1))  # type: ignore[no-any-return]


@replaces(Limits, "exceeded_by")
def allow_one_message_more(original: Any, limits: Limits, lag: Lag) -> Reason | None:
    return original(limits, lag._replace(messages=lag.messages - 1))  # type: ignore[no-any-return]


@replaces(Limits, "exceeded_by")
def look_at_messages_before_bytes(original: Any, limits: Limits, lag: Lag) -> Reason | None:
    if lag.messages > limits.messages:
        return Reason.LAG_MESSAGES
    return original(limits, lag)  # type: ignore[no-any-return]


@replaces(Ages, "first_within")
def keep_what_is_a_turn_too_old(original: Any, ages: Ages, age_ns: int, now: int) -> int:
    return original(ages, age_ns, now - TICK)  # type: ignore[no-any-return]


@replaces(Ages, "first_within")
def keep_nothing_that_has_an_age(original: Any, self: Ages, _age: int, now: int) -> int:
    first: int = original(self, 0, now)
    return first


@replaces(Ages, "age_of")
def take_the_age_of_the_one_before(original: Any, ages: Ages, sequence: int, now: int) -> int:
    return original(ages, sequence - 1, now)  # type: ignore[no-any-return]


@replaces(Lags, "_age")
def begin_to_count_the_age_when_it_is_next(
    original: Any, lags: Lags, member: Member, *known: int
) -> int:
    return 0 if member.spill else original(lags, member, *known)


@replaces(Bounded, "__init__")
def drop_to_the_limit_and_not_below(
    original: Any, self: Bounded, limits: Limits, soft: float = 1.0, max_rate: int = 0
) -> None:
    original(self, limits, soft, max_rate)
    self.kept = limits


@replaces(Bounded, "__init__")
def report_at_the_limit_only(
    original: Any, self: Bounded, limits: Limits, _soft: float = 1.0, max_rate: int = 0
) -> None:
    original(self, limits, 1.0, max_rate)


# What is counted.


@replaces(Member, "lose")
def forget_the_reason_of_a_jump(
    original: Any, member: Member, lost: Amount, _reason: Reason
) -> None:
    original(member, lost, Reason.LAG)


@replaces(Member, "lose")
def count_messages_by_reason_alone(
    original: Any, member: Member, lost: Amount, reason: Reason
) -> None:
    sizes = member.drops[3:]
    original(member, lost, reason)
    member.drops = (*member.drops[:3], *sizes)


@replaces(Conflating, "_leave_out")
def count_what_was_begun_among_the_conflated(
    original: Any, self: Conflating, member: Member, *of: Any
) -> None:
    original(self, member, *of)
    member.conflated_bytes += len(member.spill)


# When it is sent something.


@replaces(Judging, "rest")
def count_the_interval_from_the_turn_before(
    original: Any, self: Judging, member: Member, now: int
) -> None:
    original(self, member, now - TICK)


@replaces(Backlog, "_end_pass")
def begin_the_next_pass_at_once(_original: Any, self: Backlog, member: Member, until: int) -> Any:
    return self._end_segment(member, until)


@replaces(Rests, "end")
def let_it_rest_on_with_another_policy(_original: Any, _self: Rests, _member: Member) -> None:
    pass


@replaces(Rests, "wake")
def let_it_rest_again_where_nothing_has_come(original: Any, self: Rests, now: int, _: int) -> Any:
    return original(self, now, 1 << 60)


@replaces(Rate, "allowance")
def allow_a_byte_more(original: Any, self: Rate, now: int) -> int:
    return original(self, now) + 1  # type: ignore[no-any-return]


@replaces(Rate, "__init__")
def allow_a_second_at_once(original: Any, self: Rate, limit: int, now: int) -> None:
    original(self, limit, now)
    self._most = self._filled = limit * NS


@replaces(Judging, "begin")
def throttle_anew_with_each_policy(
    original: Any, self: Judging, member: Member, now: int, **_more: Any
) -> None:
    original(self, member, now)


# What it is told.


@replaces(Gap, "__init__")
def tell_of_one_too_many(
    original: Any, self: Gap, first: int, last: int, count: int, reason: str
) -> None:
    original(self, first, last, count + 1, reason)


@replaces(Gap, "take_in")
def tell_the_reason_of_the_first(_original: Any, self: Gap, other: Gap) -> None:
    if other.first < self.first:
        self.reason = other.reason
    self.first, self.last = min(self.first, other.first), max(self.last, other.last)
    self.count += other.count


@replaces(Gaps, "take")
def tell_of_conflation_when_it_is_passed(
    _original: Any, self: Gaps, cursor: int, encoding: Any
) -> bytes:
    later = [gap for gap in self.pending if gap.last >= cursor]
    self.pending = [gap for gap in self.pending if gap.last < cursor]
    told: bytes = _original(self, cursor, encoding)
    self.pending = later
    return told


@replaces(Gaps, "tell_conflated")
def tell_of_conflation_that_was_before(_original: Any, self: Gaps, *, also: bool) -> None:
    self.conflated = also


@replaces(Telling, "due_until")
def tell_of_what_is_still_to_come(original: Any, self: Telling, member: Member) -> int:
    return original(self, member) + 4  # type: ignore[no-any-return]


@replaces(Gaps, "note")
def tell_of_conflation_as_of_losses(original: Any, self: Gaps, gap: Gap, cursor: int) -> None:
    if gap.reason == CONFLATED:
        gap.reason = Reason.LAG.label
    original(self, gap, cursor)


# When the policy is another one.


@replaces(Backlog, "end_finishing")
def lose_on_with_another_policy(_original: Any, self: Backlog, member: Member, front: int) -> None:
    self.settle(member, front)


@replaces(Judging, "_look_anew")
def look_when_the_old_policy_says(
    original: Any, self: Judging, member: Member, **when: Any
) -> None:
    if not member.slow:
        original(self, member, **when)


def policy_by(random: Random) -> SlowPolicy:
    action: Any = random.choice(ACTIONS)
    limits: dict[str, Any] = {
        "limit_messages": random.choice((0, 0, 1, 2, 4, 9)),
        "limit_bytes": random.choice((0, 0, 20, 50, 120)),
        "limit_age": random.choice((0.0, 0.0, 0.02, 0.05, 0.15)),
    }
    chosen = limits if random.random() < LIMITED else {}
    policy = SlowPolicy(action, **chosen, max_rate=random.choice((0, 0, 0, 0, 90, 400)))
    if action == "conflate" and random.random() < LIMITED:
        policy = replace(policy, min_interval=random.choice((0.02, 0.05, 0.15)))
    return policy


def steps_by(random: Random) -> list[Any]:
    """Much that comes, little room."""
    topics = (b"A", b"AB", b"B", b"C")
    kinds: dict[Callable[[], Any], int] = {
        lambda: ("publish", random.choices(topics, k=random.randint(1, 5))): 6,
        lambda: ("room", random.choice((0, 5, 20, 40, 200))): 3,
        lambda: ("wait", random.randint(1, 4)): 2,
        lambda: ("policy", policy_by(random)): 4,
        lambda: ("told", random.randint(0, 2)): 1,
        lambda: ("wants", random.choice(((b"",), (b"A", b"C"), (b"B",)))): 1,
    }
    return [make() for make in random.choices([*kinds], [*kinds.values()], k=30)]


def is_noticed(seed: int) -> bool:
    random = Random(seed)
    policy, wants, told = policy_by(random), random.choice(((b"",), (b"A",))), random.randint(1, 2)
    try:
        run(policy, wants, told, steps_by(random))
    except AssertionError:
        return True
    return False


@contextmanager
def only_here() -> Iterator[None]:
    """Policies are kept to be used again, those that were made by mistake as well."""
    policy_of.cache_clear()
    try:
        yield
    finally:
        policy_of.cache_clear()


@pytest.mark.parametrize("name", MISTAKES)
def test_the_naive_queue_notices(name: str) -> None:
    owner, attribute, broken = MISTAKES[name]
    with mock.patch.object(owner, attribute, broken), only_here():
        assert any(map(is_noticed, range(SEEDS))), "this mistake would not be seen"


def test_nothing_is_noticed_where_nothing_is_broken() -> None:
    assert not any(map(is_noticed, range(5)))
