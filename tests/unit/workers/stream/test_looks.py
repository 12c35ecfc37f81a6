"""What waits for a member is counted a piece at a time, and acted on when all of it is known."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from fanout.basics.units import NS
from fanout.reasons import Reason
from fanout.shm.census import Amount
from fanout.shm.layout import PAGE, Layout
from fanout.terms.slow_policy import SlowPolicy
from fanout.workers.stream import lags
from fanout.workers.stream import looks as rules
from fanout.workers.stream.catching_up import AT_MOST, CatchingUp
from fanout.workers.stream.cohort import Cohort
from fanout.workers.tuning import TUNING
from tests.helpers.log import Worker, always_late
from tests.helpers.looks import counting_looks, looked_each_time
from tests.property.test_gaps import parts_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from fanout.workers.stream.member import Member
    from tests.helpers.log import Sink

LARGE = Layout(64 * PAGE, 8_192, 4)
PIECE = 16
COUNT = 1_000
LOST = 200  # of the half of them that it wants
LIMIT = COUNT // 2 - LOST
FEW = SlowPolicy("drop_newest", limit_messages=LIMIT)
BLOCK = SlowPolicy("block")


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many messages were looked through each time."""
    monkeypatch.setattr(lags, "LOOKED_MAX", 4 * PIECE)
    return counting_looks(monkeypatch)


def behind() -> tuple[Worker, Member, Sink]:
    """One that waits for half of all these and loses nothing, until it says otherwise."""
    worker = Worker(LARGE, tuning=replace(TUNING, census_messages=PIECE), part=always_late())
    member, sink = comes(worker)
    publish(worker, COUNT)
    worker.pump.enforce(0)
    return worker, member, sink


def comes(worker: Worker) -> tuple[Member, Sink]:
    member, sink = worker.member(b"A", room=0)
    worker.pump.tell_gaps(member, losses=True, conflated=False)
    worker.obey(member, BLOCK)
    return member, sink


def publish(worker: Worker, count: int) -> None:
    for _ in range(count):
        number = worker.log.reader.head()
        worker.log.publish(b"AB"[number % 2 :][:1], b"%d" % number)
    worker.advance()


def received(worker: Worker, member: Member, sink: Sink) -> tuple[list[int], list[dict[str, Any]]]:
    """The numbers of all that it gets, and the gaps that it is told of."""
    sink.room = 1 << 30
    for _ in range(2):
        while member.blocked:
            worker.pump.serve(member, 0)
        publish(worker, 2)
    parts = parts_of(sink.taken)
    gaps = [one for one in parts if isinstance(one, dict)]
    return [one for one in parts if isinstance(one, int)], gaps


def test_what_is_too_much_is_counted_in_pieces_and_lost_at_once(looks: list[int]) -> None:
    """Strangers choose that, and would hold up all others."""
    worker, member, sink = behind()
    worker.obey(member, FEW)

    found, states = [], set()
    more = True
    while more:
        del looks[:]
        more = worker.pump.enforce(0)
        found.append(sum(looks))
        states.add((member.queued, member.dropped, member.finishing))
        assert member.matched == COUNT // 2

    assert len(found) > COUNT // PIECE // 4
    assert max(found) <= 16 * PIECE
    assert states == {(COUNT // 2, 0, None), (LIMIT, LOST, Reason.LAG_MESSAGES)}
    numbers, (gap,) = received(worker, member, sink)
    assert numbers[:LIMIT] == [*range(0, 2 * LIMIT, 2)]
    assert numbers[LIMIT:] == [COUNT, COUNT + 2]
    assert (gap["first"], gap["last"], gap["count"]) == (2 * LIMIT, COUNT - 2, LOST)
    assert not len(worker.pump.lags.looks)


def _served(worker: Worker, member: Member, sink: Sink) -> None:
    sink.room += 500
    worker.pump.serve(member, 0)


MEANWHILE: dict[str, Callable[[Worker, Member, Sink], object]] = {
    "it is sent some": _served,
    "more comes": lambda worker, _member, _sink: publish(worker, 100),
    "it wants something else": lambda worker, member, _sink: worker.pump.subscribe(member, [b"B"]),
    "it may have more": lambda worker, member, _sink: worker.obey(
        member, SlowPolicy("drop_newest", limit_messages=LIMIT + 50)
    ),
    "it may have all": lambda worker, member, _sink: worker.obey(member, BLOCK),
    "it jumps": lambda worker, member, _sink: worker.pump.backlog.jump(
        member, 300, worker.pump.front, Reason.LAG
    ),
    "it is held": lambda worker, member, _sink: worker.pump.hold(member),
}


@pytest.mark.unmeasured
@pytest.mark.parametrize("what", MEANWHILE)
def test_whatever_happens_meanwhile_it_gets_or_is_told_of_all_that_it_wanted(
    what: str, looks: list[int]
) -> None:
    worker, member, sink = behind()
    worker.obey(member, FEW)
    for _ in range(8):
        assert worker.pump.enforce(0)
    MEANWHILE[what](worker, member, sink)
    changed = worker.pump.front
    publish(worker, 100)
    looked_each_time(worker, looks, 0, COUNT)
    if what == "it is held":
        changed = worker.pump.front  # what it has lost by then is what it wanted before
        worker.pump.release(member, [b"B"], changed, 0)
    assert (member.finishing is not None) is (what != "it may have all")
    numbers, gaps = received(worker, member, sink)

    other = what in ("it wants something else", "it is held")
    wanted = [one for one in range(worker.pump.front) if one % 2 == (other and one >= changed)]
    missing = sorted(set(wanted).difference(numbers))
    assert numbers == [one for one in wanted if one not in missing]
    assert sum(gap["count"] for gap in gaps) == len(missing) == member.dropped
    for gap in gaps:
        of_it = [one for one in missing if gap["first"] <= one <= gap["last"]]
        assert (of_it[0], of_it[-1], len(of_it)) == (gap["first"], gap["last"], gap["count"])
    assert member.matched == member.sent + member.dropped == len(wanted)
    assert (worker.pump.totals.sent, worker.pump.totals.dropped) == (member.sent, member.dropped)


@pytest.mark.usefixtures("looks")
def test_one_for_whom_more_comes_than_there_is_time_to_count_is_done_all_the_same() -> None:
    worker, member, _sink = behind()
    worker.obey(member, FEW)
    for _ in range(30):
        publish(worker, 5 * PIECE)
        if not worker.pump.enforce(0):
            break

    assert member.finishing is not None


def test_what_is_known_of_when_messages_came_is_kept_until_it_is_judged(looks: list[int]) -> None:
    """Nobody is to be looked at when a time has passed: it is to be looked at now."""
    worker, member, _sink = behind()
    worker.obey(member, SlowPolicy("drop_newest", limit_age=0.5))
    worker.pump.enforce(0)
    looked_each_time(worker, looks, 2 * NS, COUNT)

    assert member.finishing is Reason.LAG_AGE
    assert (member.queued, member.dropped) == (COUNT // 2, 0)


def test_no_more_than_so_many_are_counted_for_at_once(
    looks: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rules, "MEMBERS_MAX", 1)
    worker, member, _sink = behind()
    others = [comes(worker)[0] for _ in range(2)]
    publish(worker, COUNT)
    for one in (member, *others):
        worker.obey(one, FEW)

    while worker.pump.enforce(0):
        assert len(worker.pump.lags.looks) <= 1
    assert [one.queued for one in (member, *others)] == [LIMIT] * 3
    assert max(looks) <= 4 * PIECE


NO_MORE: dict[str, Callable[[Worker, Member, Sink], object]] = {
    "it may have all": MEANWHILE["it may have all"],
    "it has taken what was too much": lambda worker, member, _sink: worker.pump.backlog.jump(
        member, 2 * COUNT - 10, worker.pump.front, Reason.LAG
    ),
}


@pytest.mark.parametrize("what", NO_MORE)
@pytest.mark.usefixtures("looks")
def test_who_is_over_no_limit_any_more_holds_up_nobody(
    what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is behind for as long as it likes, and others have limits of their own."""
    monkeypatch.setattr(rules, "MEMBERS_MAX", 1)
    worker, member, sink = behind()
    other = comes(worker)[0]
    publish(worker, COUNT)
    worker.obey(member, FEW)
    for _ in range(4):
        assert worker.pump.enforce(0)
    NO_MORE[what](worker, member, sink)
    worker.obey(other, FEW)
    for _ in range(COUNT):
        if not worker.pump.enforce(0):
            break

    assert member.finishing is None
    assert member.blocked
    assert other.queued == LIMIT


@pytest.mark.usefixtures("looks")
def test_nothing_is_kept_of_who_has_gone() -> None:
    worker, member, _sink = behind()
    worker.obey(member, FEW)
    for _ in range(4):
        worker.pump.enforce(0)
    assert len(worker.pump.lags.looks) == 1
    worker.pump.remove(member)
    worker.pump.enforce(0)

    assert not len(worker.pump.lags.looks)


def test_what_is_known_of_a_piece_holds_for_it_alone_and_for_who_wants_the_same() -> None:
    look = rules.Look(0)
    wants: Cohort[Member] = Cohort(frozenset((b"A",)))
    look.note(wants, 16, 32, Amount(3, 30))

    assert look.at(wants, 16, 32) == (3, 30)
    assert look.at(wants, 16, 31) is None
    assert look.at(wants, 17, 32) is None
    assert look.at(Cohort(frozenset((b"B",))), 16, 32) is None


def test_what_is_looked_through_in_any_case_is_twice_what_came_and_has_a_bound() -> None:
    one = CatchingUp(100)
    one.begin(100)
    assert one.is_enough(1)
    one.begin(110)
    assert not one.is_enough(19)
    assert one.is_enough(1)
    one.begin(110 + AT_MOST)
    assert one.is_enough(AT_MOST)


def test_what_is_lost_as_it_comes_is_counted_before_it_is_much(
    looks: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else all of it is looked through at once, when its socket has room after long."""
    monkeypatch.setattr(lags, "LOSING_MAX", 4 * PIECE)
    worker = Worker(LARGE, tuning=replace(TUNING, census_messages=PIECE))
    member, sink = comes(worker)
    worker.obey(member, SlowPolicy("drop_newest", limit_bytes=2_000))
    while member.finishing is None:
        publish(worker, 10)
        worker.pump.enforce(0)
    found = []
    while worker.pump.front < COUNT:
        publish(worker, 10)
        del looks[:]
        worker.pump.enforce(0)
        found.append(sum(looks))
    del looks[:]
    worker.pump.settle(member)
    assert 4 * PIECE < max(*found, sum(looks)) < 5 * PIECE
    kept = member.queued
    numbers, (gap,) = received(worker, member, sink)
    assert numbers[:kept] == [*range(0, 2 * kept, 2)]
    assert (gap["first"], gap["last"], gap["count"]) == (2 * kept, COUNT - 2, COUNT // 2 - kept)
