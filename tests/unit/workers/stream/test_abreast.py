"""Members that are abreast: who is, and what is noted of each."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fanout.shm.layout import PAGE, Layout
from fanout.workers.stream.abreast import BROKEN, fill, in_groups
from fanout.workers.stream.effects import Lost
from fanout.workers.stream.member import BLOCKED, LOST, READY
from fanout.workers.tuning import Tuning
from tests.helpers.log import Worker, always_late

if TYPE_CHECKING:
    from fanout.workers.stream.member import Member

LAYOUT = Layout(16 * PAGE, 64, 16)


@pytest.fixture
def worker() -> Worker:
    return Worker(LAYOUT, tuning=Tuning(span_bytes=20, serve_steps=1, abreast=3))


def groups(worker: Worker, most: int = 3) -> list[tuple[int, list[int]]]:
    pump, log = worker.pump, worker.log.reader
    stop = log.start_of(pump.front)
    members = sorted(pump.blocked, key=lambda one: (one.position, one.id))
    found = in_groups(members, pump.cohorts.everything, stop, most)
    return [(place, [one.id for one in group]) for place, group in found]


def test_neighbours_at_one_place_are_in_one_group_of_so_many_at_most(worker: Worker) -> None:
    for room in (0, 0, 0, 0, 5, 7, 7):
        worker.member(b"", room=room)
    worker.log.publish(b"A", b"one")
    worker.advance()

    assert groups(worker) == [(0, [1, 2, 3]), (0, [4]), (5, [5]), (7, [6, 7])]
    assert groups(worker, most=1) == [
        *[(0, [one]) for one in (1, 2, 3, 4)],
        *[(5, [5]), (7, [6]), (7, [7])],
    ]


def test_those_are_alone_who_are_not_plain_or_want_something_else_or_have_everything(
    worker: Worker,
) -> None:
    member, _sink = worker.member(b"", room=0)
    told, _sink = worker.member(b"", room=0)
    worker.member(b"A", room=0)
    lost, _sink = worker.member(b"", room=0)
    last, _sink = worker.member(b"", room=0)
    _done, sink = worker.member(b"", room=1)
    worker.log.publish(b"A", b"one")
    worker.advance()
    worker.pump.tell_gaps(told, losses=True, conflated=False)
    lost.become(LOST)
    sink.room = 7
    worker.pump.serve(_done, 0)  # sends all, but does not see yet that it is done

    assert groups(worker) == [
        *[(0, [member.id]), (-1, [told.id]), (-1, [3]), (-1, [lost.id])],
        *[(0, [last.id]), (-1, [6])],
    ]


def test_what_each_socket_takes_is_told_of_each(worker: Worker) -> None:
    members: list[Member] = []
    for room in (3, 0, 100, 100):
        member, sink = worker.member(b"", room=room)
        sink.broken = len(members) == 2
        members.append(member)
    errors: list[tuple[Member, OSError]] = []

    assert fill(members, memoryview(b"12345"), errors) == [3, 0, BROKEN, 5]
    assert [member for member, _ in errors] == [members[2]]


def test_a_turn_notes_of_each_what_it_took_and_when(worker: Worker) -> None:
    """Of four who are abreast one takes a part, one nothing, one breaks, and one has it all."""
    pump = worker.pump
    pairs = [worker.member(b"", room=0) for _ in range(4)]
    worker.log.publish(b"A", b"one")
    worker.advance(1)
    size = worker.log.reader.start_of(1)
    for (member, sink), room in zip(pairs, (4, 0, 100, 100), strict=True):
        sink.room, sink.broken = room, room == 100 and sink is pairs[2][1]
        pump.writable(member)
    (part, _), (none, _), (broken, _), (whole, _) = pairs
    pump.serve_runnable(9, 100)
    while pump.runnable:
        pump.serve_runnable(9, 100)

    assert [one.state for one, _ in pairs] == [BLOCKED, BLOCKED, LOST, READY]
    assert [sink.taken for _, sink in pairs] == [b"\x01\x01A\x00", b"", b"", pairs[3][1].taken]
    assert [one.sent_bytes for one, _ in pairs] == [4, 0, 0, size]
    assert (part.position, none.position, broken.position) == (4, 0, 0)
    assert pump.totals.sent_bytes == 4 + size
    assert pump.blocked == {none: 1, broken: 1, part: 9}
    assert [one.member for one in pump.effects if isinstance(one, Lost)] == [broken]
    assert (whole.sent, whole.queued) == (1, 0)


def test_who_is_not_reached_in_time_is_served_in_the_next_turn() -> None:
    """The clock is looked at after a group, not within it."""
    looks = Tuning(bytes_per_look=1, sends_per_look=1, abreast=3)
    worker = Worker(LAYOUT, tuning=looks, part=always_late())
    pairs = [worker.member(b"", room=0) for _ in range(5)]
    worker.log.publish(b"A", b"one")
    worker.advance()
    for member, sink in pairs:
        sink.room = 100
        worker.pump.writable(member)
    worker.pump.serve_runnable(0, 100)

    assert [bool(sink.taken) for _, sink in pairs] == [True, True, True, False, False]
    assert [one.id for one in worker.pump.runnable] == [4, 5]
