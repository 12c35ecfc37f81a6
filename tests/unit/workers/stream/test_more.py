"""More: what is written down of a member, and what becomes of that at another worker."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from fanout.shm.layout import PAGE, Layout
from fanout.terms.slow_policy import SlowPolicy
from fanout.workers.stream.cohort import Cohort
from fanout.workers.stream.more import More, more_of, segments_of
from fanout.workers.stream.recording import record_of
from fanout.workers.stream.values import Values
from tests.helpers.log import Worker

if TYPE_CHECKING:
    from typing import Protocol

    from fanout.workers.stream.member import Member

    class ToKeep(Protocol):
        """What is stored for another worker."""

        def packed(self) -> bytes: ...


LAYOUT = Layout(64 * PAGE, 4_096, 4)
LARGE = 64 * 1024 * 1024  # of which most is given back to the system at once


def resident() -> int:
    """Bytes of memory of this process that it has of the system for itself."""
    (line,) = re.findall(r"RssAnon:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(line) * 1024


def test_what_a_large_one_took_is_given_back() -> None:
    small = More(mark=7)
    as_ever = small.packed()
    before = resident()
    size = len(More(speech=bytes(LARGE)).packed())
    assert size > LARGE
    assert resident() - before < LARGE // 2
    assert small.packed() == as_ever, "the next one"


class Kept:
    """What is stored for others, in the order in which it came."""

    def __init__(self) -> None:
        self._data = b""

    def keep(self, wants: ToKeep) -> tuple[int, int]:
        packed = wants.packed()
        self._data += packed
        return len(self._data) - len(packed), len(packed)

    def read(self, offset: int, size: int) -> bytes:
        return self._data[offset : offset + size]


def _in_a_pass(*prefixes: bytes) -> tuple[Worker, Member]:
    """Somebody with an interval who is sent the newest of two topics, of which it takes none."""
    worker = Worker(LAYOUT)
    member, _sink = worker.member(*prefixes, room=0)
    worker.obey(member, SlowPolicy("conflate", min_interval=1.0))
    for topic in (b"A", b"B", b"A", b"B"):
        worker.log.publish(topic, b"12345678")
    worker.advance(0)
    worker.pump.backlog.conflate(member, worker.pump.front)
    return worker, member


def _written_down(member: Member, kept: Kept) -> More:
    more = more_of(member, kept.keep, said=(), rests_until=0, speech=b"")
    return More.unpacked(more.packed())


@pytest.mark.parametrize(("wants", "are_newest"), [((b"A", b"B"), True), ((b"B",), False)])
def test_a_pass_has_the_newest_of_what_it_wants_only_if_that_has_not_changed_since(
    wants: tuple[bytes, ...], are_newest: bool
) -> None:
    worker, member = _in_a_pass(b"A", b"B")
    kept = Kept()
    if wants != (b"A", b"B"):
        worker.pump.subscribe(member, wants)
    more = _written_down(member, kept)

    heir, _sink = worker.member(*wants, room=0)
    heir.place(member.sequence, 0, member.position)
    if not are_newest:  # the coordinator knows that it wanted something else up to there
        before: Cohort[Any] = Cohort(frozenset((b"A", b"B")))
        heir.older.append((worker.pump.front, before))
    (until, left), *others = segments_of(more, heir, worker.log.reader, kept.read)

    assert isinstance(left, Values)
    assert (until, [*left.sequences], left.are_newest) == (4, [2, 3], are_newest)
    assert others == []


@pytest.mark.parametrize("is_released", [False, True])
def test_who_lost_what_came_while_it_was_held_gets_the_rest_by_what_it_wanted_before(
    is_released: bool,
) -> None:
    """Its change was reported from message 0 on, but is late: what it lost is lost by the old."""
    worker = Worker(LAYOUT)
    member, _sink = worker.member(b"A", room=0)
    worker.obey(member, SlowPolicy("drop_newest", limit_messages=1))
    worker.pump.hold(member)
    for topic in (b"A", b"B", b"A"):
        worker.log.publish(topic, b"12345678")
        worker.advance(0)
    worker.pump.enforce(0)
    if is_released:
        worker.pump.release(member, (b"A", b"B"), 0, 0)
    assert member.finishing is not None
    assert member.queued == 1
    kept = Kept()
    more = _written_down(member, kept)

    heir, _sink = worker.member(b"A", b"B", room=0)
    heir.place(member.sequence, 0, member.position)
    found = [
        (until, wants and wants.key)
        for until, wants in segments_of(more, heir, worker.log.reader, kept.read)
    ]

    assert found == [(until, wants and wants.key) for until, wants in member.older]
    assert found[0][1] == {b"A"}
    assert more.untold_until == found[-1][0] == 3


def test_who_has_jumped_while_it_was_held_is_handed_on_a_second_time_as_it_stands() -> None:
    """Its change was reported from message 0 on, and holds from message 2 on: it was late."""
    worker = Worker(LAYOUT)
    member, _sink = worker.member(b"A", room=0)
    for _ in range(4):
        worker.log.publish(b"A", b"12345678")
        worker.advance(0)
    member.older.append((2, None))
    member.untold_until = 2
    kept = Kept()
    more = _written_down(member, kept)
    assert more.segments

    heir, _sink = worker.member(b"A", room=0)
    heir.place(member.sequence, 0, member.position)
    worker.pump._take_segments(heir, record_of(member), more, kept.read)
    assert heir.older == member.older
    assert _written_down(heir, kept) == more
