"""Checkpoints: slots are brought up to date in slices, and exact when somebody asks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fanout.control.messages import SlotsWritten
from fanout.workers import checkpoints
from fanout.workers.checkpoints import LATE_MAX, RECORD_NS, Checkpoints
from fanout.workers.figures import Figures
from fanout.workers.stream.turn_part import without_clock
from fanout.workers.tuning import Tuning
from tests.helpers.around import Around
from tests.helpers.log import SMALL, Sink, Worker
from tests.helpers.ticking import Ticking

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from fanout.workers.stream.member import Member
    from fanout.workers.stream.turn_part import TurnPart


class FakePeer:
    """A member whose slot remembers what was written into it."""

    def __init__(self, member: Member, sink: Sink) -> None:
        self.id = member.id
        self.member = member
        self.sink = sink
        self.written: list[tuple[int, int]] = []
        self.rate = 0
        self.record_due = 0
        self.looks: list[int] = []

    def look(self, now: int, _unsent: Any) -> None:
        self.looks.append(now)

    def checkpoint(self, blocked_since: int) -> object:
        self.written.append((self.member.sent, blocked_since))
        return self


class FakeRecords:
    """Notes whose records are renewed, and when those of all were."""

    are_behind = False

    def __init__(self) -> None:
        self.written: list[int] = []
        self.all_noted = 0

    def write(self, peer: FakePeer, *, seen: object) -> None:
        assert seen is peer, "what was counted for the slot is not counted again"
        self.written.append(peer.id)

    def note_all(self) -> None:
        self.all_noted += 1


class FakeDeliveries:
    """Has something new to send when that is asked for the n-th time."""

    def __init__(self) -> None:
        self.answers: list[bool] = []

    @property
    def are_due(self) -> bool:
        return self.answers.pop(0) if self.answers else False


class Written:
    """Checkpoints of some members, and what was written."""

    def __init__(
        self, count: int, part: TurnPart | None = None, tuning: Tuning | None = None
    ) -> None:
        self.around = Around(SMALL)
        self.worker = Worker()
        made = (FakePeer(*self.worker.member(b"")) for _ in range(count))
        self.peers = {peer.id: peer for peer in made}
        seen: Mapping[int, Any] = self.peers
        pump, channel = self.worker.pump, self.around.channel
        self.figures = Figures(self.around, pump)
        tuning = tuning or Tuning(checkpoints_per_tick=2)
        self.part = part or without_clock()
        self.now = 0
        self.records = FakeRecords()
        records: Any = self.records
        self.deliveries = FakeDeliveries()
        deliveries: Any = self.deliveries
        self.checkpoints = Checkpoints(
            *(pump, seen, channel, self.figures, self.around.unsent, self.part),
            *(records, deliveries, tuning),
        )

    def publish(self) -> None:
        self.worker.log.publish(b"A", b"one")
        self.worker.advance(now=5)

    def tick(self) -> list[int]:
        """Who was written in a tick."""
        for peer in self.peers.values():
            peer.written.clear()
        self.checkpoints.tick(self.now)
        return [peer.id for peer in self.peers.values() for _ in peer.written]


@pytest.fixture
def three() -> Iterator[Written]:
    """Three members, two of which are written in a tick."""
    written = Written(3)
    yield written
    written.around.close()
    written.worker.log.segment.close()


def test_slots_are_brought_up_to_date_in_slices_each_once(three: Written) -> None:
    ticks = [three.tick() for _ in range(3)]
    three.publish()
    ticks += [three.tick() for _ in range(3)]

    assert ticks == [[1, 2], [3], []] * 2


def test_who_has_left_meanwhile_is_not_written(three: Written) -> None:
    three.tick()
    last = three.peers.pop(3)

    assert (three.tick(), last.written) == ([], [])


def test_who_is_behind_is_written_until_he_has_caught_up(three: Written) -> None:
    del three.peers[2], three.peers[3]
    peer = three.peers[1]
    three.tick()
    peer.sink.room = 0
    three.publish()
    while_blocked = [three.tick() for _ in range(3)]
    behind = peer.written
    peer.sink.room = 1 << 40
    three.worker.serve(peer.member)
    three.checkpoints.tick(0)
    caught_up = peer.written[-1]

    assert while_blocked == [[1]] * 3
    assert (behind[:1], caught_up) == ([(0, 5)], (1, 0))
    assert three.tick() == [], "nothing has happened since"


def test_who_was_sent_something_in_the_last_second_is_written_until_he_was_not(
    three: Written,
) -> None:
    del three.peers[2], three.peers[3]
    peer = three.peers[1]
    three.tick()
    peer.rate, three.now = 5, 7
    three.publish()

    assert [three.tick(), three.tick()] == [[1], [1]]
    due = [three.checkpoints.are_due]
    peer.rate = 0
    assert [three.tick(), three.tick()] == [[1], []]
    due.append(three.checkpoints.are_due)
    assert due == [True, False]
    assert peer.looks == [0, 7, 7, 7]


def test_who_asks_is_answered_when_the_front_is_there_and_all_slots_are_written(
    three: Written,
) -> None:
    three.worker.log.publish(b"A", b"one")
    three.checkpoints.ask(7, three.worker.log.reader.head())
    three.checkpoints.answer(0)
    early = list(three.around.channel.sent)
    three.worker.advance()
    three.checkpoints.answer(0)
    three.checkpoints.answer(0)

    assert early == []
    assert three.around.channel.sent == [SlotsWritten(7)]
    assert [peer.written for peer in three.peers.values()] == [[(1, 0)]] * 3
    assert (three.around.slot.matched, three.around.slot.sent) == (3, 3)


def test_an_answer_takes_several_turns_if_there_is_no_time_for_all_slots_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Who is asked meanwhile by another one begins anew then, and who has left is left out."""
    monkeypatch.setattr(checkpoints, "PEERS_PER_LOOK", 1)
    three = Written(3, Ticking().part(1), Tuning(behind_ns=1))
    one, two, gone = three.peers.values()
    three.checkpoints.ask(7, three.worker.log.reader.head())
    more = [three.checkpoints.answer(0)]
    three.checkpoints.ask(8, three.worker.log.reader.head())
    written = [[len(peer.written) for peer in (one, two, gone)]]
    told = [[*three.around.channel.sent]]
    three.worker.log.publish(b"A", b"one")  # it is not waited for, nor is it in the way
    del three.peers[gone.id]
    for _ in range(4):
        more.append(three.checkpoints.answer(0))
        told.append([*three.around.channel.sent])
    written.append([len(peer.written) for peer in (one, two, gone)])
    three.around.close()

    assert more == [True, True, False, True, False]
    assert written == [[1, 0, 0], [2, 2, 0]]
    assert told == [
        [],
        [],
        [SlotsWritten(7)],
        [SlotsWritten(7)],
        [SlotsWritten(7), SlotsWritten(8)],
    ]


def test_slots_and_figures_wait_for_the_end_of_a_round(three: Written) -> None:
    three.tick()
    three.tick()
    pump, slot = three.worker.pump, three.around.slot
    pump._part = Ticking().part(0)  # each look finds the time over: a round takes some calls
    pump._sends_per_look = 1
    three.worker.log.publish(b"A", b"one")
    head = three.worker.log.reader.head()
    assert pump.advance(head, 0)
    in_round = [three.tick() for _ in range(LATE_MAX)], three.checkpoints.are_late, slot.sent
    three.checkpoints.end_round(0)
    still = [[*peer.written] for peer in three.peers.values()]
    while pump.in_round:
        pump.advance(head, 0)
    three.checkpoints.end_round(0)

    assert in_round == ([[]] * LATE_MAX, True, 0)
    assert still == [[], [], []]
    assert [peer.written for peer in three.peers.values()] == [[(1, 0)], [(1, 0)], []]
    assert (three.checkpoints.are_late, slot.sent) == (False, 3)


def test_a_round_that_takes_long_does_not_keep_slots_from_being_written(three: Written) -> None:
    three.tick()
    three.tick()
    pump = three.worker.pump
    pump._part = Ticking().part(0)
    pump._sends_per_look = 1
    three.worker.log.publish(b"A", b"one")
    pump.advance(three.worker.log.reader.head(), 0)
    ticks = [three.tick() for _ in range(LATE_MAX + 1)]

    assert pump.in_round
    assert ticks == [*[[]] * LATE_MAX, [1, 2]]


@pytest.fixture
def five(monkeypatch: pytest.MonkeyPatch) -> Iterator[Written]:
    """Five members whose slots are one slice, and written one by one."""
    monkeypatch.setattr(checkpoints, "PEERS_PER_LOOK", 1)
    five = Written(5, tuning=Tuning(checkpoints_per_tick=5))
    yield five
    five.around.close()
    five.worker.log.segment.close()


def ends(five: Written) -> list[int]:
    """Who is written once what came is sent."""
    before = {peer.id: len(peer.written) for peer in five.peers.values()}
    five.checkpoints.end_round(five.now)
    return [peer.id for peer in five.peers.values() if len(peer.written) > before[peer.id]]


def test_what_comes_while_slots_are_written_goes_before_the_rest(five: Written) -> None:
    five.deliveries.answers = [False, False, True]
    first = five.tick(), five.checkpoints.are_late, five.records.all_noted
    five.deliveries.answers = [False, True]
    then = ends(five), five.checkpoints.are_late, five.records.all_noted
    last = ends(five), five.checkpoints.are_late, five.records.all_noted

    assert (first, then, last) == (
        ([1, 2], True, 0),
        ([3], True, 0),
        ([4, 5], False, 1),
    )


@pytest.mark.parametrize("is_late", [False, True])
def test_slots_do_not_wait_for_what_comes_all_the_time_or_for_another_tick(
    five: Written, is_late: bool
) -> None:
    if is_late:
        five.deliveries.answers = [False, True]
        assert five.tick() == [1]
    five.deliveries.answers = [not is_late, *[True] * 9]

    assert five.tick() == ([2, 3, 4, 5] if is_late else [1, 2, 3, 4, 5])
    assert not five.checkpoints.are_late


def test_records_are_renewed_each_half_second_and_once_when_nothing_moves(three: Written) -> None:
    def ticks(count: int) -> list[int]:
        three.records.written.clear()
        for _ in range(count):
            three.tick()
        return three.records.written

    assert ticks(2) == [1, 2, 3]
    assert three.records.all_noted == 1
    for _ in range(4):
        three.now += RECORD_NS // 5
        three.publish()
        assert ticks(2) == [], "something is sent all the time: that is often enough"
    three.now += RECORD_NS // 5
    three.publish()
    assert ticks(2) == [1, 2, 3]
    three.publish()
    assert ticks(2) == []
    three.records.are_behind = True
    assert ticks(2) == [1, 2, 3], "the log would be kept for them for ever"
