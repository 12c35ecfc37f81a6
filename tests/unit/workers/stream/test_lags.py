"""How much of the log is looked through at once for where a member jumps to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fanout.basics.units import NS
from fanout.reasons import Reason
from fanout.shm.layout import PAGE, Layout
from fanout.terms.slow_policy import SlowPolicy
from fanout.workers.policy.choice import policy_of
from fanout.workers.stream import lags
from fanout.workers.stream.member import LOST
from tests.helpers.log import Worker
from tests.helpers.looks import counting_looks, looked_each_time
from tests.property.test_gaps import parts_of

if TYPE_CHECKING:
    from fanout.workers.stream.member import Member
    from tests.helpers.log import Sink

LARGE = Layout(64 * PAGE, 8_192, 4)
COUNT = 3_000
LOOKED_MAX = 64


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many messages were looked through each time; no more than a few may be at once."""
    monkeypatch.setattr(lags, "LOOKED_MAX", LOOKED_MAX)
    return counting_looks(monkeypatch)


def behind(count: int = COUNT) -> tuple[Worker, Member, Sink]:
    """One that waits for half of all these and loses nothing, until it says otherwise."""
    worker = Worker(LARGE)
    member, sink = worker.member(b"A", room=0)
    worker.pump.tell_gaps(member, losses=True, conflated=False)
    worker.obey(member, SlowPolicy("block"))
    publish(worker, count)
    return worker, member, sink


def publish(worker: Worker, count: int, topics: bytes = b"AB") -> None:
    for _ in range(count):
        number = worker.log.reader.head()
        at = number % len(topics)
        worker.log.publish(topics[at : at + 1], b"%d" % number)
    worker.advance()
    worker.pump.enforce(0)


def steps(
    worker: Worker, looks: list[int], monkeypatch: pytest.MonkeyPatch, now: int = 0
) -> list[int]:
    """Have it judged as often as it is to be, a part of a turn each time; how much each took."""
    monkeypatch.setattr(worker.pump._part, "is_over", lambda: True)
    return looked_each_time(worker, looks, now, COUNT)


@pytest.mark.parametrize(
    ("policy", "kept"),
    [
        (SlowPolicy("drop_oldest", limit_messages=1), 1),
        (SlowPolicy("drop_oldest", limit_messages=200), 200),
        (SlowPolicy("drop_oldest", limit_bytes=100), 100 // len(b"\1\1A\0\0042998")),
    ],
)
def test_who_jumps_far_has_what_it_loses_looked_for_in_parts(
    policy: SlowPolicy, kept: int, looks: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Strangers choose that, and would hold up all others; what is lost is exact all the same."""
    worker, member, sink = behind()
    worker.obey(member, policy)

    found = steps(worker, looks, monkeypatch)
    assert len(found) > 10
    assert max(found) <= 8 * LOOKED_MAX
    sink.room = 1 << 30
    monkeypatch.undo()
    worker.serve(member)
    gap, *numbers = parts_of(sink.taken)

    assert isinstance(gap, dict)
    assert kept * 15 // 16 <= len(numbers) <= kept
    assert numbers == [*range(COUNT - 2 * len(numbers), COUNT, 2)]
    assert (gap["first"], gap["last"]) == (0, COUNT - 2 * len(numbers) - 2)
    assert gap["count"] == member.dropped == COUNT // 2 - len(numbers)
    assert member.matched == member.sent + member.dropped


@pytest.mark.unmeasured
@pytest.mark.parametrize("policy", [SlowPolicy("drop_oldest"), SlowPolicy("drop_newest")])
def test_who_is_over_half_of_the_log_gives_it_up_in_parts(
    policy: SlowPolicy, looks: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    worker, member, sink = behind(6_000)
    worker.obey(member, policy)

    found = steps(worker, looks, monkeypatch)
    assert len(found) > 10
    assert max(found) <= 8 * LOOKED_MAX
    sink.room = 1 << 30
    monkeypatch.undo()
    worker.serve(member)
    gap, *numbers = parts_of(sink.taken)

    assert isinstance(gap, dict)
    assert numbers == [*range(6_000 - 2 * len(numbers), 6_000, 2)]
    assert 3_600 <= 2 * len(numbers) <= 4_096
    assert gap["count"] == member.dropped == 3_000 - len(numbers)
    assert member.matched == member.sent + member.dropped


@pytest.mark.parametrize(
    "policy", [SlowPolicy("disconnect", limit_age=1), SlowPolicy("drop_oldest", limit_age=1)]
)
def test_how_old_what_waits_is_is_found_in_parts_and_nobody_is_called_slow_too_soon(
    policy: SlowPolicy, looks: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Thousands of old messages that it does not want stand before a young one that it does."""
    worker, member, _sink = behind(2)
    worker.obey(member, policy)
    publish(worker, COUNT, b"B")
    worker.pump.ages.note(worker.pump.front, 0)
    worker.pump.backlog.jump(member, 1, worker.pump.front, Reason.LAG)
    member.slow = False  # it was while it waited for that
    worker.log.publish(b"A", b"young")
    worker.pump.advance(worker.log.reader.head(), 2 * NS)
    worker.pump.effects.clear()
    worker.pump._look_anew(member)

    found = steps(worker, looks, monkeypatch, 2 * NS)
    assert len(found) > 10
    assert max(found) <= 8 * LOOKED_MAX
    assert COUNT - LOOKED_MAX <= member.sequence <= COUNT + 2
    assert (member.slow, member.dropped, worker.pump.effects) == (False, 1, [])
    assert steps(worker, looks, monkeypatch, 4 * NS)
    assert member.slow, "then the other one is old, too"
    assert (member.state is LOST) == (policy.action == "disconnect")


@pytest.mark.parametrize("others", [10, COUNT], ids=["in sight", "out of sight"])
@pytest.mark.usefixtures("looks")
def test_who_is_in_the_way_is_not_found_by_the_age_of_what_it_does_not_want(others: int) -> None:
    """Near its limit, but within it, where nobody is judged, and so nothing is passed."""
    worker, member, _sink = behind(2)
    worker.obey(member, SlowPolicy("drop_oldest", limit_age=1, soft=1.0))
    publish(worker, others, b"B")
    worker.pump.ages.note(worker.pump.front, 0)
    worker.pump.backlog.jump(member, 1, worker.pump.front, Reason.LAG)
    young = NS * 15 // 16
    worker.log.publish(b"A", b"young")
    worker.pump.advance(worker.log.reader.head(), young)

    assert member.policy.patience.age_ns < young < member.policy.soft.age_ns
    assert not worker.pump.is_in_the_way(member, young)
    worker.pump.backlog.jump(member, member.sequence + others, worker.pump.front, Reason.LAG)
    assert worker.pump.is_in_the_way(member, 2 * young), "then it is old itself"


def test_what_somebody_far_behind_does_not_want_is_passed_in_parts(
    looks: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it does not want does not wait for it: it is not slow, and loses nothing more."""
    worker, member, sink = behind(2)
    publish(worker, 6_000, b"B")
    publish(worker, 2)
    worker.obey(member, SlowPolicy("drop_oldest"))
    worker.pump.backlog.jump(member, 1, worker.pump.front, Reason.LAG)
    member.slow = False  # it was while it waited for that

    found = steps(worker, looks, monkeypatch)
    assert len(found) > 10
    assert max(found) <= 8 * LOOKED_MAX
    assert member.sequence > 3_900
    assert (member.slow, member.dropped) == (False, 1)
    sink.room = 1 << 30
    monkeypatch.undo()
    worker.serve(member)
    assert parts_of(sink.taken)[1:] == [6_002]
    assert (member.matched, member.sent) == (2, 1)


@pytest.mark.unmeasured
@pytest.mark.parametrize(
    ("prefix", "policy", "looked_through"),
    [
        (b"A", SlowPolicy("drop_newest", limit_messages=5), COUNT),
        (b"", SlowPolicy("drop_newest", limit_messages=5), 0),
        (b"", SlowPolicy("conflate"), COUNT),
    ],
)
def test_what_a_change_of_policy_may_take_goes_by_what_waits(
    prefix: bytes, policy: SlowPolicy, looked_through: int
) -> None:
    """Of who wants everything two positions say it, unless only the newest of each topic stay."""
    worker = Worker(LARGE)
    member, _ = worker.member(prefix, room=0)
    new = policy_of(policy, worker.log.reader.size, LARGE.entries)
    worker.obey(member, SlowPolicy("block"))
    assert worker.pump.set_policy(member, new, 0) == 0, "it has everything"
    worker.obey(member, SlowPolicy("block"))
    publish(worker, COUNT)
    assert member.blocked

    assert worker.pump.set_policy(member, new, 0) == looked_through * lags.LOOK_NS
