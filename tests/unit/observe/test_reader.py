"""The reader: what the records say is what it shows, and nothing that is half-written."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fanout.control.messages import Closed
from fanout.coordinator.figures import Figures
from fanout.coordinator.ledger import Ledger
from fanout.coordinator.roster import Accepted
from fanout.errors import ClosedError
from fanout.observe.reader import ATTEMPTS, Reader
from fanout.reasons import Reason
from fanout.shm import layout as at
from fanout.shm.cards import Card
from fanout.shm.header import Header, PublisherState
from fanout.shm.subscriber_slot import NOTHING, SubscriberSlot
from fanout.shm.worker_slot import NO_TAIL, WorkerSlot, WorkerState
from fanout.terms.slow_policy import SlowPolicy
from tests.helpers.log import Log

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Publisher:
    """The writers of one segment, with two workers."""

    def __init__(self) -> None:
        self.log = Log()
        self.segment = self.log.segment
        self.header = Header(self.segment)
        self.header.workers = 2
        self.ledger = Ledger(self.segment.words)
        self.figures = Figures(self.segment, self.ledger, SlowPolicy(), clock=lambda: 0)
        for index in range(2):
            WorkerSlot(self.segment, index).release()

    def connect(self, subscriber: int, slot: int, sent: int = 0, version: str = "3.1") -> Accepted:
        """Admit a subscriber and have it sent so many messages."""
        connection = Accepted(subscriber, slot, 1, f"peer:{subscriber}", "tcp://x", "zmtp")
        self.ledger.accepted += 1
        self.figures.admitted(connection)
        taken = SubscriberSlot(self.segment, slot)
        taken.take(subscriber)
        taken.checkpoint(NOTHING._replace(matched=sent + 3, sent=sent, dropped=2))
        connection.version = version or None
        self.figures.connected(connection)
        self.figures.subscribed(connection, 4)
        return connection

    def close(self, connection: Accepted, sent: int) -> None:
        """It leaves, having been sent so many messages."""
        left = Reason.LEFT
        closed = Closed(
            connection.subscriber, False, left.number, left.text, sent + 3, sent, 2, 1, 0
        )
        self.figures.ended(connection, closed)

    def reader(self, pause: Callable[[], None] = lambda: None) -> Reader:
        """One that does not wait."""
        return Reader(self.segment, pause)


@pytest.fixture
def publisher() -> Iterator[Publisher]:
    publisher = Publisher()
    yield publisher
    publisher.segment.close()


def test_subscribers_are_those_whose_handshake_is_done_by_id(publisher: Publisher) -> None:
    publisher.connect(9, 0, 5)
    publisher.connect(3, 2, 6)
    publisher.connect(4, 1, version="")
    reader = publisher.reader()

    first, second = reader.subscribers()

    assert (first.id, first.peer, first.sent, first.queued) == (3, "peer:3", 6, 1)
    assert (second.id, second.peer, second.sent, second.subscriptions) == (9, "peer:9", 5, 4)
    assert [(row.identity.subscriber, row.half_open) for row in reader.rows()] == [
        (3, False),
        (4, True),
        (9, False),
    ]


def test_totals_are_of_who_is_there_and_of_who_has_left(publisher: Publisher) -> None:
    for _ in range(3):
        size = publisher.log.publish(b"topic", b"payload")
    gone = publisher.connect(1, 0, 5)
    publisher.connect(2, 1, 7)
    publisher.close(gone, 5)

    totals = publisher.reader().totals()

    assert size == 2
    assert (totals.published, totals.published_bytes) == (3, publisher.log.writer.position)
    assert (totals.accepted, totals.subscribers, totals.disconnected) == (2, 1, 1)
    assert (totals.sent, totals.dropped, totals.discarded) == (12, 4, 1)
    assert publisher.reader().reasons()[Reason.LEFT] == 1


def test_a_free_slot_keeps_no_figures(publisher: Publisher) -> None:
    publisher.close(publisher.connect(1, 0, 5), 5)
    publisher.close(publisher.connect(2, 0, 6), 6)

    reader = publisher.reader()
    totals = reader.totals()
    assert (totals.sent, totals.subscribers, reader.rows()) == (11, 0, [])


def test_a_half_written_card_is_waited_for(publisher: Publisher) -> None:
    publisher.connect(1, 0, 5)
    card = Card(publisher.segment, 0)
    card.words[at.C_VERSION] += 1

    def finish() -> None:
        card.words[at.C_VERSION] += 1

    assert [one.id for one in publisher.reader(finish).subscribers()] == [1]


def test_a_card_that_stays_half_written_is_left_out(publisher: Publisher) -> None:
    publisher.connect(1, 0, 5)
    publisher.connect(2, 1, 6)
    Card(publisher.segment, 0).words[at.C_VERSION] += 1
    pauses: list[None] = []

    reader = publisher.reader(lambda: pauses.append(None))

    assert [one.id for one in reader.subscribers()] == [2]
    assert len(pauses) == ATTEMPTS


def test_an_end_that_is_being_booked_is_waited_for(publisher: Publisher) -> None:
    connection = publisher.connect(1, 0, 5)
    publisher.ledger.sent += 5  # booked by half
    publisher.header.ends_begun += 1

    def finish() -> None:
        publisher.ledger.sent -= 5
        publisher.close(connection, 5)

    assert publisher.reader(finish).totals().sent == 5


def test_totals_of_who_died_while_it_booked_an_end_are_shown_as_they_are(
    publisher: Publisher,
) -> None:
    publisher.connect(1, 0, 5)
    publisher.header.ends_begun += 1

    assert publisher.reader().totals().sent == 5


def test_workers_by_index(publisher: Publisher) -> None:
    slot = WorkerSlot(publisher.segment, 1)
    slot.pid, slot.state, slot.restarts, slot.subscribers = 77, WorkerState.READY, 3, 9
    slot.tail, slot.flushed, slot.sent, slot.cpu_ns = 5, 6, 1_000, 8

    first, second = publisher.reader().workers()

    assert (first.index, first.pid, first.state, first.tail) == (0, 0, WorkerState.STARTING, None)
    assert (second.index, second.pid, second.state, second.tail) == (1, 77, WorkerState.READY, 5)
    assert (second.restarts, second.subscribers, second.sent, second.cpu_ns) == (3, 9, 1_000, 8)
    assert publisher.reader().flushed() == [NO_TAIL, 6]
    statistics = publisher.reader().totals().workers[1]
    assert (statistics.pid, statistics.subscribers, statistics.restarts) == (77, 9, 3)


def test_ends_say_why_and_go_on_from_a_number(publisher: Publisher) -> None:
    for subscriber in (1, 2, 3):
        publisher.close(publisher.connect(subscriber, 0, 5), 5)
    reader = publisher.reader()

    assert [number for number, _end in reader.closed()] == [1, 2, 3]
    ((number, end),) = reader.closed(since=2)
    assert (number, end.subscriber, end.reason, end.sent) == (3, 3, Reason.LEFT, 5)


def test_what_a_publisher_is(publisher: Publisher) -> None:
    publisher.header.name = "prices"
    publisher.header.state = PublisherState.SERVING
    publisher.header.started = 6
    publisher.figures.turned(8)
    reader = publisher.reader()
    publisher.log.publish(b"topic", b"payload")

    assert (reader.name, reader.state, reader.started, reader.heartbeat) == (
        "prices",
        PublisherState.SERVING,
        6,
        8,
    )
    assert (reader.head, reader.poisoned, reader.epoch) == (1, False, publisher.header.epoch)
    assert [note.head for note in reader.notes()] == [0]
    publisher.header.poison = 2
    assert reader.poisoned


@pytest.mark.parametrize("what", ["totals", "workers", "rows", "subscribers", "closed", "notes"])
def test_a_publisher_that_has_ended_is_no_publisher_of_zeros(
    publisher: Publisher, what: str
) -> None:
    publisher.connect(1, 0, 5)
    reader = publisher.reader()
    publisher.segment.discard()

    with pytest.raises(ClosedError, match="ended"):
        getattr(reader, what)()
    assert reader.state is PublisherState.NONE


def test_who_looks_early_sees_the_workers_as_soon_as_they_are_named(publisher: Publisher) -> None:
    publisher.header.workers = 0
    reader = Reader(publisher.segment)
    early = reader.workers()
    publisher.header.workers = 2

    assert (len(early), len(reader.workers()), len(reader.flushed())) == (0, 2, 2)
