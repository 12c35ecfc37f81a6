"""A member goes back in the log: what `tests/property/test_replays.py` meets too seldom."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fanout.reasons import Reason
from fanout.shm.header import Header
from fanout.shm.layout import PAGE, Layout
from fanout.terms.slow_policy import SlowPolicy
from fanout.workers.policy.block import Block
from fanout.workers.policy.drop_newest import DropNewest
from fanout.workers.stream.recording import record_of
from fanout.workers.stream.replaying import missed_by
from fanout.workers.stream.values import Values
from tests.helpers.log import SMALL, Worker
from tests.helpers.looks import counting_looks
from tests.property.test_gaps import parts_of

if TYPE_CHECKING:
    from fanout.workers.stream.member import Member
    from tests.helpers.log import Sink

LARGE = Layout(64 * PAGE, 8_192, 4)


def published(count: int, size: int = 0, layout: Layout = SMALL) -> Worker:
    """A worker whose log has messages on A and B in turn."""
    worker = Worker(layout)
    publish(worker, count, size)
    return worker


def publish(worker: Worker, count: int, size: int = 0) -> None:
    head = worker.log.reader.head()
    for number in range(head, head + count):
        worker.log.publish(b"AB"[number % 2 :][:1], b"%d" % number + bytes(size))
    worker.advance()


def go_back(worker: Worker, *wants: bytes, room: int = 0, first: int = 0) -> tuple[Member, Sink]:
    """A new member that has missed what is there from this message on."""
    member, sink = worker.member(*wants, room=room)
    missed = missed_by(wants, ())
    assert missed is not None
    worker.pump.tell_gaps(member, losses=True, conflated=False)
    worker.pump.replay(member, first, worker.pump.front, missed, 0)
    return member, sink


def test_the_log_is_kept_for_who_goes_back_while_another_one_is_behind() -> None:
    worker = published(10)
    worker.member(b"", room=0)
    publish(worker, 10)
    worker.pump.move_tail()
    go_back(worker, b"A", first=4)

    assert worker.pump.move_tail() == 4


def test_what_it_missed_is_not_conflated_and_what_it_has_not_taken_since_is() -> None:
    """To find the newest of half a log at once would hold up everybody else."""
    worker = published(20)
    member, sink = go_back(worker, b"A")
    worker.obey(member, SlowPolicy("conflate"))
    publish(worker, 10)
    sink.room = 5 * 6 + 5 * 7 + 3  # what it missed, and a part of a message that came
    worker.serve(member)
    publish(worker, 10)
    sink.room = 1 << 30
    worker.serve(member)

    parts = parts_of(sink.taken)
    assert parts == [*range(0, 20, 2), 28, 38]
    assert member.matched == member.sent + member.conflated == 20


def test_who_rests_since_before_gets_what_it_missed_and_the_rest_of_a_message_first() -> None:
    """What is said to it meanwhile is not said in the middle of that."""
    worker = published(20)
    pump = worker.pump
    member, sink = worker.member(b"A", room=1 << 30)
    worker.obey(member, SlowPolicy("conflate", min_interval=1.0))
    worker.serve(member)
    assert member in pump.rests
    missed = missed_by((b"A",), ())
    assert missed is not None
    pump.replay(member, 0, 20, missed, 0)
    sink.room = 8  # a message, and a part of one
    worker.serve(member)
    pump.speak(member, b"PONG", 0)
    pump.backlog.jump(member, 20, pump.front, Reason.LAG_LOG)
    pump.end_replay(member)
    publish(worker, 2)
    for room in (1, 1 << 30):
        sink.room = room
        pump.writable(member)
        pump.serve_runnable(0, 10)

    assert sink.taken.endswith(b"PONG")
    assert parts_of(sink.taken.removesuffix(b"PONG")) == [0, 2]
    assert member.sent == 2
    assert pump.totals.sent_bytes == member.sent_bytes
    assert pump.waits(member)


def test_a_limit_that_it_has_is_none_for_what_it_missed() -> None:
    worker = published(20)
    member, sink = go_back(worker, b"A")
    worker.obey(member, SlowPolicy("drop_oldest", limit_messages=2))
    worker.pump.enforce(0)
    sink.room = 1 << 30
    worker.serve(member)

    assert parts_of(sink.taken) == [*range(0, 20, 2)]
    assert member.policy.limits.messages == 2


def test_its_limit_holds_from_the_first_message_on_that_it_has_not_missed() -> None:
    worker = published(20)
    member, sink = go_back(worker, b"A")
    worker.obey(member, SlowPolicy("drop_oldest", limit_messages=2))
    publish(worker, 20)
    worker.pump.enforce(0)
    sink.room = 5 * 6 + 5 * 7  # ten of them
    worker.serve(member)
    worker.pump.enforce(0)
    sink.room = 1 << 30
    worker.serve(member)
    numbers = [part for part in parts_of(sink.taken) if isinstance(part, int)]

    assert numbers[:10] == [*range(0, 20, 2)]
    assert numbers[-1] == 38
    assert len(numbers) < 20
    assert member.matched == 20 == member.sent + member.dropped


def test_nobody_waits_for_the_past_of_who_blocks_but_for_what_comes() -> None:
    """It is five eighths of the index behind at most; since its subscription nothing is lost."""
    worker = published(30)
    member, sink = go_back(worker, b"")
    worker.obey(member, SlowPolicy("block"))
    publish(worker, 25)
    worker.pump.enforce(0)
    assert (member.sequence, member.dropped, member.replay is None) == (18, 18, False)
    publish(worker, 8)
    worker.pump.enforce(0)
    first = member.sequence
    sink.room = 1 << 30
    worker.serve(member)

    assert isinstance(member.policy, Block)
    assert first < 30
    assert parts_of(sink.taken)[1:] == [*range(first, 63)]


def test_one_that_wants_nothing_of_a_long_stretch_is_not_taken_for_one_that_waits_for_nothing() -> (
    None
):
    worker = published(5)
    for _ in range(40):
        publish(worker, 1)
    member, sink = go_back(worker, b"B", first=0)
    publish(worker, 10)
    worker.pump.enforce(0)
    sink.room = 1 << 30
    worker.serve(member)
    numbers = [part for part in parts_of(sink.taken) if isinstance(part, int)]

    assert member.matched == member.sent + member.dropped
    assert numbers == [*range(numbers[0], 55, 2)]
    assert member.dropped == len(range(1, numbers[0], 2))


def test_who_loses_what_comes_loses_that_of_what_it_missed_too() -> None:
    worker = published(10)
    member, sink = worker.member(b"A", room=0)
    worker.pump.tell_gaps(member, losses=True, conflated=False)
    worker.obey(member, SlowPolicy("drop_newest", limit_messages=2))
    publish(worker, 12)
    worker.pump.enforce(0)
    assert member.finishing is not None
    worker.pump.change(member, {b"A", b"B"}, {b"B"}, (), 0)
    missed = missed_by({b"B"}, {b"A"})
    assert missed is not None
    worker.pump.replay(member, 4, worker.pump.front, missed, 0)
    sink.room = 1 << 30
    worker.serve(member)
    parts = parts_of(sink.taken)
    numbers = [part for part in parts if isinstance(part, int)]
    told = sum(part["count"] for part in parts if not isinstance(part, int))

    assert isinstance(member.policy, DropNewest)
    assert numbers[:4] == [5, 7, 9, 10]
    assert member.dropped == told > 0
    assert member.matched == len(numbers) + told


def test_a_gap_of_before_is_told_before_what_comes_after_it() -> None:
    worker = published(2)
    member, sink = worker.member(b"A", room=0)
    worker.pump.tell_gaps(member, losses=True, conflated=False)
    worker.obey(member, SlowPolicy("drop_oldest", limit_messages=3))
    publish(worker, 20)
    worker.pump.enforce(0)
    assert member.dropped
    lost = member.dropped
    worker.pump.change(member, {b"A", b"B"}, {b"B"}, (), 0)
    missed = missed_by({b"B"}, {b"A"})
    assert missed is not None
    worker.pump.replay(member, 1, worker.pump.front, missed, 0)
    sink.room = 1 << 30
    worker.serve(member)
    parts = parts_of(sink.taken)
    (at,) = [at for at, part in enumerate(parts) if not isinstance(part, int)]
    gap = parts[at]

    assert isinstance(gap, dict)
    assert gap["count"] == lost
    assert [part for part in parts[:at] if isinstance(part, int) and part >= gap["first"]] == []


def test_the_record_of_one_in_the_middle_of_a_message_needs_the_log_from_further_back() -> None:
    worker = published(4)
    member, sink = worker.member(b"A", room=10)
    publish(worker, 6, 100)
    assert member.offset
    worker.pump.change(member, {b"A", b"B"}, {b"B"}, (), 0)
    missed = missed_by({b"B"}, {b"A"})
    assert missed is not None
    worker.pump.replay(member, 1, worker.pump.front, missed, 0)
    record = record_of(member)

    assert (record.sequence, record.following, record.needed) == (4, 1, 1)
    assert record.wanted_from == worker.pump.front == 10
    assert Header(worker.log.segment).floor <= 1
    sink.room = 1 << 30
    worker.serve(member)
    assert parts_of(sink.taken) == [4, 1, 3, 5, 6, 7, 8, 9]


@pytest.mark.parametrize(("left", "count"), [([], 2), ([1], 0)])
def test_who_wants_everything_is_told_how_many_are_gone_unless_some_wait_for_it(
    left: list[int], count: int
) -> None:
    """A pass that had nothing, or of which all was sent, is none."""
    worker = published(4)
    member, _sink = worker.member(b"", room=0)
    worker.pump.tell_gaps(member, losses=True, conflated=False)
    member.older.append((worker.pump.front, Values(left, worker.log.reader)))
    missed = missed_by({b""}, ())
    assert missed is not None
    worker.pump.tell_missed(member, 1, 3, missed)
    assert member.gaps is not None
    assert [(one.first, one.last, one.count) for one in member.gaps.pending] == [(1, 2, count)]


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many messages were looked through each time that somebody's were counted."""
    return counting_looks(monkeypatch)


def asks_for_b(worker: Worker, member: Member, most: int) -> int:
    """It wants B, too, and has missed all of it; from which message on it is sent that."""
    pump = worker.pump
    pump.change(member, {b"A", b"B"}, {b"B"}, (), 0)
    missed = missed_by({b"B"}, {b"A"})
    assert missed is not None
    first = pump.first_within(member, 0, pump.front, missed, most)
    pump.tell_missed(member, 0, first, missed)
    pump.replay(member, first, pump.front, missed, 0)
    return first


@pytest.mark.unmeasured
@pytest.mark.parametrize("is_finishing", [False, True])
def test_of_what_waits_for_who_asks_for_more_no_more_than_some_is_looked_through(
    is_finishing: bool, looks: list[int]
) -> None:
    """Strangers would else hold up all others for as long as it takes to look through half a log.

    What it does not get by that it is told of.
    """
    worker = published(2, layout=LARGE)
    member, sink = worker.member(b"A", room=0)
    worker.pump.tell_gaps(member, losses=True, conflated=False)
    if is_finishing:
        worker.obey(member, SlowPolicy("drop_newest", limit_messages=2))
    for _ in range(30):
        publish(worker, 100)
        worker.pump.enforce(0)
    assert (member.finishing is not None) is is_finishing
    del looks[:]

    assert asks_for_b(worker, member, 64) == 3_002 - 64
    assert sum(looks) <= 4 * 64
    sink.room = 1 << 30
    worker.serve(member)
    parts = parts_of(sink.taken)
    numbers = [part for part in parts if isinstance(part, int)]
    markers = [part for part in parts if not isinstance(part, int)]

    assert (markers[0]["reason"], markers[0]["last"]) == ("expired", 3_002 - 65)
    assert parts[0] == markers[0]
    assert member.matched == len(numbers) + member.dropped
    assert is_finishing or numbers == sorted([*range(2, 3_002, 2), *range(3_002 - 63, 3_002, 2)])


def test_who_loses_what_comes_has_what_it_missed_looked_for_when_it_comes_to_it(
    looks: list[int],
) -> None:
    """What lies before all that waits for it, however much: nothing of it is counted at once."""
    worker = published(3_000, layout=LARGE)
    member, sink = worker.member(b"A", room=0)
    worker.pump.tell_gaps(member, losses=True, conflated=False)
    worker.obey(member, SlowPolicy("drop_newest", limit_messages=2))
    publish(worker, 12)
    worker.pump.enforce(0)
    assert member.finishing is not None
    del looks[:]

    assert asks_for_b(worker, member, 64) == 0
    assert sum(looks) <= 4 * 64
    sink.room = 1 << 30
    worker.serve(member)
    parts = parts_of(sink.taken)
    numbers = [part for part in parts if isinstance(part, int)]

    assert numbers[:1_501] == [*range(1, 3_000, 2), 3_000]
    assert member.matched == len(numbers) + member.dropped
    assert member.dropped == sum(part["count"] for part in parts if not isinstance(part, int)) > 0


def test_a_gap_far_in_front_of_who_is_sent_what_it_missed_is_not_looked_for_at_each_send(
    looks: list[int],
) -> None:
    """Whether it is due depends on whether something waits before it: that may be all of a log."""
    worker = published(7_000, layout=LARGE)
    member, sink = worker.member(b"A", room=0)
    worker.pump.tell_gaps(member, losses=True, conflated=False)
    worker.obey(member, SlowPolicy("drop_newest", limit_messages=2))
    publish(worker, 12)
    worker.pump.enforce(0)
    asks_for_b(worker, member, 64)
    del looks[:]
    sink.room = 10
    worker.serve(member)

    assert member.gaps is not None
    assert member.gaps.pending
    assert max(looks, default=0) <= 4_096
