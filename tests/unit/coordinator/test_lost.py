"""What a lost worker owed is counted in the log: from its checkpoint, for the wants of each."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import pytest

from fanout.control.judging import CURVE
from fanout.coordinator import lost as rules
from fanout.coordinator.changes import Changes
from fanout.coordinator.figures import final_of
from fanout.coordinator.interest import Interest
from fanout.coordinator.lost import GONE, NO_TIME, NOTHING_LATER, UNSURE, Losses, Unreported
from fanout.coordinator.roster import Accepted
from fanout.reasons import Reason
from fanout.shm import layout as at
from fanout.shm.stream_record import StreamRecord, StreamSlot
from fanout.shm.subscriber_slot import NOTHING, SubscriberSlot
from fanout.shm.worker_slot import NO_TAIL, WorkerSlot
from fanout.zmtp.frames import encode_message
from tests.helpers.log import Log

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

T = TypeVar("T")

WHO = 7


def in_one_go(steps: Generator[None, None, T]) -> tuple[T, int]:
    """The result, and how many steps it took."""
    taken = 0
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value, taken
        taken += 1


class Case:
    """Of ten messages, every other one is on "A1", the rest on "B"; one subscriber, WHO."""

    def __init__(self, *wanted: bytes, tail: int, counted: int, blocked_since: int = 0) -> None:
        self.log = log = Log()
        self.interest, self.changes = Interest(), Changes()
        self.connection = Accepted(WHO, 0, 0, "peer:1", "tcp://x", "zmtp", "3.1")
        for number in range(10):
            log.publish(b"B" if number % 2 else b"A1")
        self.interest.update(WHO, 0, wanted, ())
        WorkerSlot(log.segment, 0).tail = tail
        slot = SubscriberSlot(log.segment, 0)
        slot.take(WHO)
        slot.checkpoint(NOTHING._replace(counted=counted, blocked_since=blocked_since))

    def change(self, sequence: int, added: tuple[bytes, ...], cancelled: tuple[bytes, ...]) -> None:
        """It wants more, or less, from this message on."""
        changed = self.interest.update(WHO, 0, added, cancelled)
        self.changes.add(WHO, sequence, *changed)

    def later(self, now: Callable[[], float] = lambda: 0.0) -> Unreported:
        losses = Losses(self.log.segment, self.interest, self.changes, now)
        return in_one_go(losses.begin().since_checkpoint(self.connection))[0]


@pytest.mark.parametrize(
    ("wanted", "matched"),
    [((b"",), 6), ((b"A",), 3), ((b"A", b"A1"), 3), ((b"A", b"B"), 6), ((b"C",), 0), ((), 0)],
)
def test_what_came_after_the_checkpoint_is_counted_once(
    wanted: tuple[bytes, ...], matched: int
) -> None:
    assert Case(*wanted, tail=4, counted=4).later()[:3] == Unreported(matched, 0)[:3]


def test_what_the_tail_has_passed_was_sent_to_who_took_everything() -> None:
    assert Case(b"A", tail=8, counted=4).later()[:3] == Unreported(3, 2)[:3]
    assert Case(b"A", tail=8, counted=4, blocked_since=1).later()[:3] == Unreported(3, 0)[:3]


def test_of_what_was_sealed_nobody_knows_whether_it_was_sent() -> None:
    """Its socket may not have taken it: then its worker has kept it, and no log."""
    case = Case(b"A", tail=8, counted=4)
    case.connection.protocol = CURVE

    assert case.later()[:3] == Unreported(3, 0)[:3]


def test_a_worker_that_held_nothing_back_owed_nothing() -> None:
    assert Case(b"", tail=NO_TAIL, counted=4).later() == NOTHING_LATER


def test_counting_has_a_limit_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "COUNTING_MAX", 0.0)

    assert Case(b"A", tail=4, counted=4).later()[:3] == Unreported(0, 0, NO_TIME)[:3]
    assert Case(b"", tail=4, counted=4).later()[:3] == Unreported(6, 0)[:3], "that takes no time"


def test_counting_goes_on_in_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "PIECE", 2)
    case = Case(b"A", tail=4, counted=4)
    losses = Losses(case.log.segment, case.interest, case.changes, lambda: 0.0)

    later, steps = in_one_go(losses.begin().since_checkpoint(case.connection))
    assert (later[:2], steps) == ((3, 0), 3)


@pytest.mark.parametrize("most", [0, 65_536])
def test_many_topics_are_counted_in_pieces_few_at_once(
    most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rules, "TOPICS_MAX", most)
    monkeypatch.setattr(rules, "PIECE", 2)

    assert Case(b"A", tail=4, counted=3).later()[:3] == Unreported(3, 0)[:3]
    assert Case(b"A", b"B", tail=4, counted=6).later()[:3] == Unreported(4, 0)[:3]


def test_who_has_changed_lately_is_counted_by_what_it_wanted_when() -> None:
    """Messages 4 to 9 are A B A B A B, by their sequence numbers."""
    case = Case(b"A", tail=4, counted=4)
    case.change(6, (b"B",), ())
    case.change(9, (), (b"A", b"B", b"C"))

    assert case.later()[:3] == Unreported(4, 0)[:3], "4, 6, 7, 8"


def test_changes_before_the_checkpoint_are_in_it() -> None:
    case = Case(b"A", tail=8, counted=8)
    case.change(3, (b"B",), (b"A",))

    assert case.later()[:3] == Unreported(1, 0)[:3]


def test_what_the_tail_has_passed_is_counted_by_what_was_wanted_then() -> None:
    case = Case(b"A", tail=8, counted=4)
    case.change(6, (b"B",), (b"A",))

    assert case.later()[:3] == Unreported(3, 2)[:3], "4 and 7 were sent, 9 was not"


def test_who_changes_too_often_is_told_of_as_not_exact(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fanout.coordinator.changes.CHANGES_MAX", 2)
    case = Case(b"A", tail=4, counted=4)
    case.change(6, (b"B",), ())
    case.change(8, (), (b"B",))

    assert case.later()[:3] == Unreported(5, 0, UNSURE)[:3], (
        "4 to 8: that it did not want 5 is not known"
    )


A1, B = (len(encode_message([topic])) for topic in (b"A1", b"B"))


@pytest.mark.parametrize(
    ("wanted", "size"),
    [((b"",), 3 * A1 + 3 * B), ((b"A",), 3 * A1), ((b"A", b"B"), 3 * A1 + 3 * B), ((), 0)],
)
def test_bytes_are_counted_beside_the_messages(wanted: tuple[bytes, ...], size: int) -> None:
    later = Case(*wanted, tail=4, counted=4).later()

    assert (later.matched_bytes, later.sent_bytes, later.complete) == (size, 0, True)


def test_bytes_that_the_tail_has_passed_were_sent_to_who_took_everything() -> None:
    later = Case(b"A", tail=8, counted=4).later()

    assert (later.matched_bytes, later.sent_bytes) == (3 * A1, 2 * A1)


@pytest.mark.parametrize("settled", [True, False])
def test_what_is_overwritten_is_known_by_the_position_of_who_takes_everything(
    settled: bool,
) -> None:
    """More than a log was published since the checkpoint, and the tail has passed most of it."""
    case = Case(b"", tail=4, counted=4)
    slot, log = SubscriberSlot(case.log.segment, 0), case.log
    start = log.reader.start_of(4)
    slot.checkpoint(NOTHING._replace(counted=4, sequence=4 if settled else 3, position=start))
    for _ in range(100):
        log.publish(b"A", bytes(1000))
    WorkerSlot(log.segment, 0).tail = log.reader.head() - 1

    later = case.later()

    size = log.reader.start_of(log.reader.head()) - start
    last = len(encode_message([b"A", bytes(1000)]))
    assert later[:2] == (106, 105)
    assert later.complete is settled
    assert later.matched_bytes == (size if settled else last)


def test_what_is_overwritten_of_a_watchlist_is_in_no_figure_and_that_is_said() -> None:
    case = Case(b"A", tail=4, counted=4)
    for _ in range(100):
        case.log.publish(b"A", bytes(1000))
    WorkerSlot(case.log.segment, 0).tail = case.log.reader.head() - 1

    later = case.later()

    assert (later.matched, later.sent, later.complete) == (1, 0, False)


@pytest.mark.parametrize("wanted", [(b"",), (b"A",), (b"A", b"B")])
def test_what_a_worker_owes_that_lives_may_be_overwritten_while_it_is_counted(
    wanted: tuple[bytes, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rules, "PIECE", 2)
    case = Case(*wanted, tail=4, counted=3)
    losses = Losses(case.log.segment, case.interest, case.changes, lambda: 0.0)
    counting = losses.begin().since_checkpoint(case.connection)
    if wanted != (b"",):
        next(counting)  # the first piece, which was there
    for _ in range(100):
        case.log.publish(b"A", bytes(1000))

    later, _ = in_one_go(counting)
    assert later == Unreported(0, 0, GONE, complete=False)


def test_what_a_record_says_that_is_newer_than_the_checkpoint_is_known() -> None:
    """It has lost two messages; its tail has passed them, and it was sent none of them."""
    case = Case(b"A", tail=8, counted=0)
    figures = dict.fromkeys(StreamRecord._fields[:-1], 0)
    figures |= {"counted": 8, "sequence": 8, "matched": 4, "sent": 2, "dropped": 2}
    StreamSlot(case.log.segment, 0).write(StreamRecord(**figures, speech=b""))

    assert case.later()[:2] == (1, 0)
    last = final_of(
        case.log.segment, case.connection, Reason.WORKER_LOST, case.later(), evicted=True
    )
    assert (last.matched, last.sent, last.dropped, last.discarded) == (5, 2, 2, 1)


def test_a_record_that_is_older_than_the_checkpoint_says_nothing() -> None:
    case = Case(b"A", tail=8, counted=4)
    figures = dict.fromkeys(StreamRecord._fields[:-1], 0)
    figures |= {"counted": 3, "sequence": 3, "dropped": 2}
    StreamSlot(case.log.segment, 0).write(StreamRecord(**figures, speech=b""))

    assert case.later()[:2] == (3, 2)


def test_of_a_checkpoint_that_is_half_written_nothing_counts_if_there_is_a_record() -> None:
    """It was sent message 6 as well, which was counted below 4 and matched then: not once more."""
    case = Case(b"A", tail=8, counted=4)
    segment = case.log.segment
    figures = dict.fromkeys(StreamRecord._fields[:-1], 0)
    figures |= {"counted": 2, "sequence": 2, "matched": 1, "sent": 1}
    StreamSlot(segment, 0).write(StreamRecord(**figures, speech=b""))
    slot = SubscriberSlot(segment, 0)
    slot.words[at.S_VERSION] += 1
    slot.words[at.S_MATCHED] = slot.words[at.S_SENT] = 4

    last = final_of(segment, case.connection, Reason.WORKER_LOST, case.later(), evicted=True)

    assert (last.matched, last.sent, last.discarded, last.exact) == (5, 1, 4, False)
