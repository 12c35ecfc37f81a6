"""Totals: what is asked of a running publisher fits together."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar, cast

import pytest

from fanout.control.messages import Closed
from fanout.coordinator.figures import Figures
from fanout.coordinator.interest import Interest
from fanout.coordinator.ledger import Ledger
from fanout.coordinator.roster import Accepted
from fanout.engine.questions import BLOCKERS_EACH, LOOKS_MAX, SLICE, Questions
from fanout.observe.reader import Reader
from fanout.reasons import Reason
from fanout.shm.cards import Card
from fanout.shm.layout import PAGE, Layout
from fanout.shm.segment import Segment
from fanout.shm.subscriber_slot import NOTHING, SubscriberSlot
from fanout.statistics import InTheWay, Undelivered
from fanout.terms.slow_policy import SlowPolicy
from tests.faults.subject import every_step, raiser
from tests.helpers.fake_segment import FakeSegment
from tests.helpers.interrupting import Steps, untraced
from tests.helpers.log import SMALL

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from fanout.observe.survey import Survey

T = TypeVar("T")

CONNECTION = Accepted(7, 2, 1, "peer:1", "tcp://x", "zmtp", "3.1")


class Untold:
    """What was lost with workers."""

    def __init__(self, lost: list[Undelivered]) -> None:
        self.lost = lost

    def take(self) -> list[Undelivered]:
        lost, self.lost = self.lost, []
        return lost

    def put_back(self, taken: Sequence[Undelivered]) -> None:
        self.lost[:0] = taken


class Coordinator:
    """One subscriber, who has been sent 5 messages and leaves right after it was asked."""

    def __init__(self, segment: Segment) -> None:
        self.refreshed = False
        self._figures = Figures(segment, Ledger(segment.words), SlowPolicy())
        self._figures.admitted(CONNECTION)
        slot = SubscriberSlot(segment, CONNECTION.slot)
        slot.take(CONNECTION.subscriber)
        slot.checkpoint(NOTHING._replace(matched=5, sent=5))
        self._open = True
        self.untold = Untold([])

    def refresh(self, timeout: float) -> bool:
        self.refreshed = True
        return timeout > 0

    def owed(self) -> dict[int, tuple[int, bool]]:
        return {}

    def call(self, function: Callable[[], T]) -> T:
        result = function()
        if self._open:
            self._open = False
            closed = Closed(7, False, Reason.LEFT.number, Reason.LEFT.text, 5, 5, 0, 0, 0)
            self._figures.ended(CONNECTION, closed)
        return result


@pytest.fixture
def segment() -> Iterator[Segment]:
    segment = Segment.create(SMALL)
    yield segment
    segment.close()


def questions_to(coordinator: Coordinator | Patient, segment: Segment) -> Questions:
    return Questions(
        Reader(segment), Interest(), coordinator, nudge=lambda: None, check_gate=lambda: None
    )


def test_who_is_closed_while_totals_are_taken_is_counted_once(segment: Segment) -> None:
    questions = questions_to(Coordinator(segment), segment)

    before, after = questions.statistics(), questions.statistics()

    assert (before.sent, before.subscribers, before.disconnected) == (5, 1, 0)
    assert (after.sent, after.subscribers, after.disconnected) == (5, 0, 1)


def test_figures_are_brought_up_to_date_first(segment: Segment) -> None:
    coordinator = Coordinator(segment)

    (one,) = questions_to(coordinator, segment).subscribers()

    assert coordinator.refreshed
    assert (one.id, one.peer, one.version, one.sent) == (7, "peer:1", "3.1", 5)


class Patient:
    """A coordinator with many subscribers, one of whom leaves between two slices.

    Attributes:
        seen: how many were read in each call.
    """

    def __init__(self, segment: Segment, subscribers: int) -> None:
        self.seen: list[int] = []
        self._figures = Figures(segment, Ledger(segment.words), SlowPolicy())
        self._last = Accepted(1, subscribers - 1, 0, "peer:1", "tcp://x", "zmtp", "3.1")
        for number in range(subscribers):  # the oldest has the last slot
            who = (subscribers - number, number, 0, "peer:1", "tcp://x", "zmtp", "3.1")
            self._figures.admitted(Accepted(*who))
            SubscriberSlot(segment, number).take(subscribers - number)
        self.untold = Untold([])

    def refresh(self, timeout: float) -> bool:
        return timeout > 0

    def owed(self) -> dict[int, tuple[int, bool]]:
        return {}

    def call(self, function: Callable[[], T]) -> T:
        result = function()
        assert isinstance(result, tuple)
        self.seen.append(len(result))
        closed = Closed(1, False, Reason.LEFT.number, Reason.LEFT.text, 0, 0, 0, 0, 0)
        self._figures.ended(self._last, closed)
        return result


def test_thousands_of_subscribers_are_read_in_slices() -> None:
    """The coordinator's thread has other work: nobody is accepted while it reads."""
    count = 2 * SLICE + 3
    segment = Segment.create(Layout(16 * PAGE, 64, count))
    coordinator = Patient(segment, count)

    found = questions_to(coordinator, segment).subscribers()

    assert coordinator.seen == [SLICE, SLICE, 2], "the one who left meanwhile is not among the last"
    assert [one.id for one in found] == [*range(2, count + 1)], "by id, not by slot"
    segment.close()


def named(questions: Questions) -> int | None:
    who = questions.in_the_way()
    return None if who is None else who.id


def test_who_is_in_the_way_is_named_no_longer_than_it_is() -> None:
    """Whoever is told acts by that, and tries again at once: others must be named then."""
    fake, nobody, block = FakeSegment(), cast("Any", None), SlowPolicy("block")
    for slot in (1, 2, 3):
        fake.connect(slot, slot, slow_policy=block)
        fake.count(slot, matched=9, sent=slot, oldest=slot)
    questions = Questions(fake.reader(), Interest(), nobody, lambda: None, lambda: None)

    assert [named(questions), named(questions)] == [1, 1]
    Card(fake.segment, 1).chosen("", SlowPolicy("drop_oldest"), "call")
    assert named(questions) == 2
    Card(fake.segment, 2).free()
    assert named(questions) == 3
    fake.connect(4, 3, slow_policy=block)  # another one has its place, and is not behind
    fake.count(3, matched=9, sent=9)
    assert named(questions) is None
    fake.close()


def test_nobody_is_looked_for_again_each_time_a_send_fails() -> None:
    fake, nobody = FakeSegment(), cast("Any", None)
    reader = fake.reader()
    surveys = 0
    survey = reader.survey

    def counted() -> Survey:
        nonlocal surveys
        surveys += 1
        return survey()

    reader.survey = counted  # type: ignore[method-assign]
    questions = Questions(reader, Interest(), nobody, lambda: None, lambda: None)
    began = time.monotonic()
    for _ in range(50):
        assert named(questions) is None
    assert surveys <= 1 + (time.monotonic() - began) / BLOCKERS_EACH
    fake.workers[1].holding = 7  # which has left
    for _ in range(50):
        assert named(questions) is None
    assert surveys <= 2 + (time.monotonic() - began) / BLOCKERS_EACH
    for number in range(50):
        fake.workers[1].holding = 8 + number % 2
        assert named(questions) is None
    assert surveys <= LOOKS_MAX * (2 + (time.monotonic() - began) / BLOCKERS_EACH)
    fake.close()


def test_who_is_interrupted_anywhere_leaves_what_was_lost_to_the_next(segment: Segment) -> None:
    lost = Undelivered(3, "peer:3", 5, 0)
    coordinator = Coordinator(segment)
    coordinator.untold = Untold([lost])
    questions = questions_to(coordinator, segment)

    def at(number: int) -> Steps:
        steps, got = Steps(number, raiser(KeyboardInterrupt)), list[Undelivered]()
        with suppress(KeyboardInterrupt), steps:
            got += questions.undelivered(0)
        assert [*got, *coordinator.untold.take()] == [lost]
        coordinator.untold.put_back([lost])
        return steps

    with untraced():
        every_step(at)


def test_who_is_over_a_limit_is_named_before_who_is_furthest_behind() -> None:
    fake, nobody = FakeSegment(), cast("Any", None)
    limited = SlowPolicy("block", limit_messages=5)
    for slot, policy in ((1, SlowPolicy("block")), (2, limited), (3, limited)):
        fake.connect(slot, slot, slow_policy=policy)
        fake.count(slot, matched=9, sent=slot, oldest=slot)
    questions = Questions(fake.reader(), Interest(), nobody, lambda: None, lambda: None)
    worker = fake.workers[1]
    assert questions.in_the_way() == InTheWay(1, "10.0.0.1:1", "")

    worker.holding = 3
    who = questions.in_the_way()
    assert who is not None
    assert (who.id, who.over) == (3, "block limit_messages=5")
    worker.holding = 2
    assert named(questions) == 2, "at once"
    assert fake.reader().totals().held_by == (2,)
    assert [one.holds for one in fake.reader().subscribers()] == [False, True, False]
    worker.holding = 9
    assert named(questions) == 1, "that one has left"
    worker.holding = 0
    assert questions.in_the_way() == InTheWay(1, "10.0.0.1:1", "")
