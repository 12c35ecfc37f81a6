"""What is the newest of each topic is looked for a piece at a time, and sent when all is known."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from fanout.reasons import Reason
from fanout.shm.layout import PAGE, Layout
from fanout.terms.slow_policy import SlowPolicy
from fanout.workers.stream import newest, sifting
from fanout.workers.stream.newest import Newest
from fanout.workers.stream.sifting import FULL_MAX, Siftings
from fanout.workers.stream.steps import Step
from fanout.workers.tuning import TUNING
from tests.helpers.log import Worker, always_late
from tests.property.test_gaps import parts_of

if TYPE_CHECKING:
    from fanout.workers.stream.judging import Targets
    from fanout.workers.stream.member import Member, Wants
    from tests.helpers.log import Sink

LARGE = Layout(64 * PAGE, 8_192, 4)
PIECE = 16
COUNT = 1_000
TOPICS = 100
CONFLATE = SlowPolicy("conflate")


@pytest.fixture
def looked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many messages, or topics, were looked at each time."""
    found: list[int] = []
    enter, match, named = Newest._enter, Newest._match_some, Siftings.__init__

    def entering(self: Newest, first: int, stop: int) -> None:
        found.append(stop - first)
        enter(self, first, stop)

    def matching(self: Newest, cohort: object) -> int:
        found.append(PIECE)
        return match(self, cohort)  # type: ignore[arg-type]

    def made(self: Siftings, *given: object) -> None:
        named(self, *given)  # type: ignore[arg-type]
        real = self._named

        def naming(wants: Wants, first: int, stop: int) -> list[tuple[bytes, int]]:
            found.append(stop - first)
            return real(wants, first, stop)

        self._named = naming

    monkeypatch.setattr(newest, "PIECE", PIECE)
    monkeypatch.setattr(newest, "TOPICS_PIECE", PIECE)
    monkeypatch.setattr(Newest, "_enter", entering)
    monkeypatch.setattr(Newest, "_match_some", matching)
    monkeypatch.setattr(Siftings, "__init__", made)
    return found


def behind(*others: bytes, policy: SlowPolicy = CONFLATE) -> tuple[Worker, Member, Sink]:
    """One that has wanted 50 of 100 topics, and perhaps others later."""
    worker = Worker(LARGE, tuning=replace(TUNING, census_messages=PIECE), part=always_late())
    member, sink = worker.member(b"t0", room=0)
    publish(worker, COUNT)
    if others:
        worker.pump.subscribe(member, others)
        publish(worker, COUNT)
    worker.obey(member, policy)
    return worker, member, sink


def two_behind() -> tuple[Worker, Member, Member, Sink]:
    """And both have wanted other topics since then; the second one with its sink."""
    worker, member, _sink = behind(b"t1")
    other, room = worker.member(b"t0", room=0)
    worker.obey(other, CONFLATE)
    publish(worker, 300)
    worker.pump.subscribe(other, [b"t1"])
    publish(worker, 300)
    return worker, member, other, room


def topic(number: int) -> bytes:
    """Each comes again, but for the first one."""
    return b"t%d%03d" % (number % 2, number % TOPICS) if number else b"t0first"


def publish(worker: Worker, count: int) -> None:
    for _ in range(count):
        number = worker.log.reader.head()
        worker.log.publish(topic(number), b"%d" % number)
    worker.advance()


def newest_of(wanted: list[tuple[int, int, tuple[bytes, ...]]]) -> list[int]:
    """The numbers of the newest on each topic, of what was wanted from one up to another."""
    last = {
        topic(number): number
        for first, stop, wants in wanted
        for number in range(first, stop)
        if topic(number).startswith(wants)
    }
    return sorted(last.values())


def steps(worker: Worker, member: Member, looked: list[int]) -> list[int]:
    """Serve it while it has more to get; how much was looked at each time."""
    found = []
    worker.pump.runnable[member] = None
    while member in worker.pump.runnable:
        del looked[:]
        worker.pump.serve_runnable(0, 10)
        found.append(sum(looked))
        assert len(found) <= COUNT
    return found


def numbers_of(sink: Sink) -> list[int]:
    return [one for one in parts_of(sink.taken) if isinstance(one, int)]


@pytest.mark.unmeasured
@pytest.mark.parametrize("others", [(), (b"t1",), (b"t0", b"t1000")], ids=["the same", "1", "2"])
def test_the_newest_are_looked_for_in_pieces(others: tuple[bytes, ...], looked: list[int]) -> None:
    worker, member, sink = behind(*others)
    sink.room = 1 << 30
    found = steps(worker, member, looked)

    assert len(found) > COUNT // PIECE // 2
    assert max(found) <= 2 * PIECE
    head = worker.log.reader.head()
    assert numbers_of(sink) == newest_of([(0, COUNT, (b"t0",)), (COUNT, head, others)])
    assert member.matched == member.sent + member.conflated
    assert worker.pump.totals.conflated == member.conflated


@pytest.mark.parametrize("others", [(), (b"t1",)])
def test_what_comes_and_is_wanted_otherwise_meanwhile_is_right(
    others: tuple[bytes, ...], looked: list[int]
) -> None:
    worker, member, sink = behind(*others)
    sink.room = 1 << 30
    wanted: list[tuple[int, int, tuple[bytes, ...]]] = [(0, COUNT, (b"t0",))]
    before = others
    for wants in ((b"t0",), (b"t1",), (b"t0001", b"t1")):
        for _ in range(9):
            worker.pump.serve(member, 0)
            assert not sink.taken
        publish(worker, 2 * PIECE)
        wanted.append((wanted[-1][1], worker.pump.front, before or (b"t0",)))
        before = wants
        worker.pump.subscribe(member, wants)
        assert (member.sent, member.conflated) == (0, 0)
    steps(worker, member, looked)

    assert member.matched == member.sent + member.conflated
    assert numbers_of(sink) == newest_of(wanted)


@pytest.mark.unmeasured
@pytest.mark.usefixtures("looked")
def test_what_it_wants_of_what_was_looked_at_may_be_something_else_then() -> None:
    """It was held meanwhile, and from the message on that was named it wants this."""
    worker, member, sink = behind(b"t1", policy=SlowPolicy("conflate", limit_messages=200))
    since = worker.pump.front
    worker.pump.hold(member)
    publish(worker, 300)
    siftings = worker.pump._conflating._siftings
    worker.pump.enforce(0)
    while siftings._current is not None and siftings._current.wanted[-1][1] <= since + PIECE:
        assert worker.pump.enforce(0)
    assert not member.conflated
    worker.pump.release(member, [b"t0"], since, 0)
    worker.enforce()
    sink.room = 1 << 30
    while member.blocked:
        worker.pump.serve(member, 0)

    wanted = (0, COUNT, (b"t0",)), (COUNT, since, (b"t1",)), (since, since + 300, (b"t0",))
    assert numbers_of(sink) == newest_of([*wanted])
    assert member.matched == member.sent + member.conflated


@pytest.mark.unmeasured
@pytest.mark.parametrize(("count", "jumps"), [(4_500, False), (5_200, True)])
@pytest.mark.usefixtures("looked")
def test_who_is_too_far_behind_to_be_thinned_first_jumps(count: int, jumps: bool) -> None:
    worker, member, _sink = behind()
    publish(worker, count - COUNT)
    worker.pump.enforce(0)
    assert (member.dropped > 0) is jumps
    worker.enforce()

    assert LARGE.entries // 2 * 15 // 16 >= count - member.sequence
    assert jumps or member.queued == TOPICS // 2


@pytest.mark.parametrize("jump", [5 * PIECE, 2 * COUNT - 10], ids=["within", "beyond"])
def test_one_that_jumps_meanwhile_gets_what_it_has_not_jumped_over(
    jump: int, looked: list[int]
) -> None:
    """Within what was looked at, or beyond that."""
    worker, member, sink = behind(b"t1")
    for _ in range(9):
        worker.pump.serve(member, 0)
    worker.pump.backlog.jump(member, jump, worker.pump.front, Reason.LAG_LOG)
    sink.room = 1 << 30
    steps(worker, member, looked)

    wanted = (jump, max(jump, COUNT), (b"t0",)), (max(jump, COUNT), 2 * COUNT, (b"t1",))
    assert numbers_of(sink) == newest_of([*wanted])
    assert member.matched == member.sent + member.conflated + member.dropped


def test_who_is_over_a_limit_is_thinned_in_pieces(looked: list[int]) -> None:
    worker, member, _sink = behind(b"t1", policy=SlowPolicy("conflate", limit_messages=200))
    found = []
    more = True
    while more:
        del looked[:]
        more = worker.pump.enforce(0)
        found.append(sum(looked))

    assert len(found) > COUNT // PIECE
    assert max(found) <= 2 * PIECE
    assert (member.queued, member.conflated) == (TOPICS + 1, COUNT - TOPICS - 1)


@pytest.mark.usefixtures("looked")
def test_who_is_over_a_limit_with_the_newest_alone_is_thinned_once() -> None:
    """Else it would be looked for again and again, and would hold up all others."""
    worker, member, _sink = behind(b"t1", policy=SlowPolicy("conflate", limit_messages=10))
    turns = 0
    while worker.pump.enforce(0):
        turns += 1
        assert turns <= COUNT
    assert member.queued == TOPICS + 1
    assert worker.pump._conflating._siftings._current is None


@pytest.mark.usefixtures("looked")
def test_it_is_done_for_one_after_the_other_and_who_has_gone_holds_up_nobody() -> None:
    worker, member, other, room = two_behind()
    room.room = 1 << 30
    for _ in range(3):
        worker.pump.serve(member, 0)
        worker.pump.serve(other, 0)
        worker.pump.enforce(0)
    assert not room.taken
    worker.pump.remove(member)
    worker.pump.enforce(0)
    for _ in range(100):
        worker.pump.serve(other, 0)
    assert len(numbers_of(room)) == TOPICS


@pytest.mark.unmeasured
@pytest.mark.parametrize(
    "policy", [SlowPolicy("block"), SlowPolicy("conflate", limit_messages=2000)]
)
@pytest.mark.usefixtures("looked")
def test_who_is_not_conflated_any_more_loses_its_turn_at_once(policy: SlowPolicy) -> None:
    """Others would be sent nothing meanwhile, and looked at again and again."""
    worker, member, other, room = two_behind()
    worker.pump.serve(member, 0)
    worker.obey(member, policy)
    worker.enforce()
    room.room = 1 << 30
    for _ in range(100):
        worker.pump.serve(other, 0)

    assert len(numbers_of(room)) == TOPICS


@pytest.mark.parametrize("is_told", [False, True])
@pytest.mark.usefixtures("looked")
def test_who_has_a_part_of_a_message_and_no_room_for_the_rest_holds_up_nobody(
    is_told: bool,
) -> None:
    worker, member, other, room = two_behind()
    pump = worker.pump
    sink: Sink = member.send  # type: ignore[assignment]
    for one in member, other:
        pump.tell_gaps(one, losses=is_told, conflated=is_told)
    worker.obey(member, SlowPolicy("block"))
    sink.room = 3
    worker.serve(member)
    assert len(sink.taken) == 3
    worker.obey(member, CONFLATE)
    pump.serve(member, 0)
    room.room = 1 << 30
    for _ in range(200):
        pump.serve(other, 0)
    assert len(numbers_of(room)) == TOPICS

    sink.room = 1 << 30
    worker.serve(member)
    assert not member.blocked
    assert member.matched == member.sent + member.conflated


@pytest.mark.usefixtures("looked")
def test_who_has_no_room_for_an_answer_holds_up_nobody() -> None:
    worker, member, other, room = two_behind()
    pump = worker.pump
    pump.serve(member, 0)
    assert pump._conflating._siftings._current is not None
    pump.speak(member, b"an answer to a PING", 0)
    pump.serve(member, 0)
    room.room = 1 << 30
    for _ in range(200):
        pump.serve(other, 0)
    assert len(numbers_of(room)) == TOPICS


@pytest.mark.usefixtures("looked")
def test_who_does_not_ask_again_loses_its_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sifting, "IDLE_MAX", 3)
    worker, member, _sink = behind(b"t1")
    worker.pump.serve(member, 0)
    assert worker.pump._conflating._siftings._current is not None
    for _ in range(4):
        worker.pump.enforce(0)

    assert worker.pump._conflating._siftings._current is None


def test_who_is_looked_for_takes_every_second_turn_only(looked: list[int]) -> None:
    """It is furthest behind, and each piece takes all the time that there is."""
    worker, member, sink = behind(b"t1")
    others = [worker.member(b"t1", room=0) for _ in range(3)]
    publish(worker, 4)
    sink.room = 1 << 30
    pump = worker.pump
    pump.runnable[member] = None
    for other, its_sink in others:
        its_sink.room = 1 << 30
        pump.writable(other)
    served = []
    for _ in range(6):
        del looked[:]
        pump.serve_runnable(0, 10)
        served.append((bool(looked), sum(bool(its_sink.taken) for _, its_sink in others)))

    assert served == [(True, 0), (False, 1), (True, 1), (False, 2), (True, 2), (False, 3)]


def showing_without_room() -> tuple[Worker, Member, Member, Sink]:
    """The first one has begun to be looked for, and is sent last values: it has no room for them.

    The second one is over a limit and is to be thinned, with its sink.
    """
    worker, member, other, room = two_behind()
    pump, full = worker.pump, lambda _member: Step.FULL
    pump.serve(member, 0)
    assert pump._conflating._siftings._current is not None
    pump.backlog.show = full
    pump.show(member, member.sequence, -1, [b"t1"], [b"t1"], is_told=False, now=0)
    worker.obey(other, SlowPolicy("conflate", limit_messages=200))
    return worker, member, other, room


@pytest.mark.usefixtures("looked")
def test_who_has_no_room_for_last_values_has_nobody_judged_for_long() -> None:
    """The worker does not rest while somebody is judged in every turn."""
    worker, member, other, _room = showing_without_room()
    pump, turns = worker.pump, 0
    pump.serve(member, 0)
    while pump.enforce(0):
        turns += 1
        assert turns <= FULL_MAX + 3 * COUNT // PIECE
    assert other.conflated
    assert member.conflated == 0


def test_who_waits_for_the_turn_of_another_is_judged_once_a_turn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It was judged until the time of the turn was over, for nothing."""
    worker, _member, other, _room = showing_without_room()
    judged: list[Member] = []
    judge = worker.pump._judge

    def judging(member: Member, now: int, targets: Targets) -> None:
        judged.append(member)
        assert len(judged) < 10
        judge(member, now, targets)

    monkeypatch.setattr(worker.pump, "_judge", judging)
    monkeypatch.setattr(worker.pump._part, "_now", lambda: -1)
    assert worker.pump.enforce(0)
    assert judged.count(other) == 1
