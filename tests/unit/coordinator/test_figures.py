"""Statistics of one subscriber, out of its slot, whatever state its worker left it in."""

from __future__ import annotations

import socket
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from fanout.basics.records import changed
from fanout.control.messages import Closed
from fanout.coordinator.figures import Figures, final_of
from fanout.coordinator.ledger import Ledger
from fanout.coordinator.lives import Life
from fanout.coordinator.roster import Accepted
from fanout.reasons import Reason
from fanout.shm import layout as at
from fanout.shm.cards import Card
from fanout.shm.clock import Clock, Note
from fanout.shm.closed import ClosedRing
from fanout.shm.header import Header
from fanout.shm.segment import Segment
from fanout.shm.stream_record import Kind, StreamRecord, StreamSlot
from fanout.shm.subscriber_slot import Checkpoint, SubscriberSlot
from fanout.shm.worker_slot import WorkerSlot, WorkerState
from fanout.terms.slow_policy import SlowPolicy
from fanout.workers.connections.peer import Peer
from fanout.workers.policy.block import Block
from fanout.zmtp import Session
from tests.helpers.limits import LIMITS
from tests.helpers.log import SMALL, Log

if TYPE_CHECKING:
    from collections.abc import Iterator

CONNECTION = Accepted(7, 2, 1, "peer:1", "tcp://x", "zmtp", "3.1")
CLOSED = Closed(
    7, True, Reason.SEND_TIMEOUT.number, "took nothing for too long", 100, 60, 30, 10, 0
)
CHECKPOINT = Checkpoint(
    position=8_000,
    sequence=90,
    offset=0,
    matched=100,
    sent=60,
    sent_bytes=6_000,
    dropped=30,
    blocked_since=0,
    stream_bytes=6_100,
)


@pytest.fixture
def segment() -> Iterator[Segment]:
    segment = Segment.create(SMALL)
    slot = SubscriberSlot(segment, CONNECTION.slot)
    slot.take(7)
    slot.checkpoint(CHECKPOINT)
    yield segment
    segment.close()


def _no_time() -> int:
    return 0


def figures_of(segment: Segment, ledger: Ledger | None = None) -> Figures:
    return Figures(segment, ledger or Ledger(segment.words), SlowPolicy("block"), clock=_no_time)


@pytest.mark.parametrize("version", [2, 3])
def test_what_a_dead_worker_had_not_sent_is_discarded(segment: Segment, version: int) -> None:
    """With an odd version it died in the middle of an update."""
    slot = SubscriberSlot(segment, CONNECTION.slot)
    slot.words[at.S_VERSION] = version

    final = final_of(segment, CONNECTION, Reason.WORKER_LOST, evicted=True)

    assert (final.matched, final.sent, final.dropped, final.discarded) == (100, 60, 30, 10)
    assert (final.evicted, final.cause) == (True, Reason.WORKER_LOST.number)
    assert final.reason == "its worker was lost"


@pytest.mark.parametrize(
    "words",
    [
        {at.S_SENT: 80},  # more than what had matched before: the other words are older
        {at.S_DROPPED: 50, at.S_MATCHED: 0},
    ],
)
def test_figures_of_a_checkpoint_that_was_cut_short_add_up(
    segment: Segment, words: dict[int, int]
) -> None:
    """They are booked as well: no counter of the ledger can take a negative number."""
    slot = SubscriberSlot(segment, CONNECTION.slot)
    slot.words[at.S_VERSION] = 3
    for word, value in words.items():
        slot.words[word] = value

    final = final_of(segment, CONNECTION, Reason.WORKER_LOST, evicted=True)
    figures_of(segment).ended(CONNECTION, final)

    assert final.discarded >= 0
    assert final.matched == final.sent + final.dropped + final.discarded


def test_a_card_follows_its_connection(segment: Segment) -> None:
    figures = figures_of(segment)
    card = Card(segment, CONNECTION.slot)
    half_open = Accepted(7, 2, 1, "peer:1", "tcp://x", "zmtp")

    figures.admitted(half_open)
    first = card.read()
    half_open.version = "3.1"
    figures.connected(half_open)
    figures.subscribed(half_open, 5)
    second = card.read()

    assert first is not None
    assert (first.subscriber, first.worker, first.version) == (7, 1, "")
    assert (first.peer, first.endpoint, first.policy) == ("peer:1", "tcp://x", "block")
    assert second == first._replace(version="3.1", subscriptions=5)


def test_an_end_frees_card_and_slot_and_is_booked(segment: Segment) -> None:
    ledger = Ledger(segment.words)
    figures = figures_of(segment, ledger)
    connection = replace(CONNECTION, user="ann")
    figures.admitted(connection)
    identity = Card(segment, CONNECTION.slot).read()
    slot = SubscriberSlot(segment, CONNECTION.slot)

    figures.ended(connection, CLOSED)

    ((number, end),) = ClosedRing(segment).since(0)
    assert identity is not None
    assert (number, end.subscriber, end.opened, end.peer) == (1, 7, identity.since, "peer:1")
    assert end.user == "ann"
    assert (end.matched, end.sent, end.dropped, end.discarded) == (100, 60, 30, 10)
    assert (end.reason, end.text) == (Reason.SEND_TIMEOUT, "took nothing for too long")
    assert (end.policy, end.chosen_by, end.name) == (SlowPolicy("block"), "publisher", "")
    assert (ledger.evicted, ledger.sent, ledger.dropped, ledger.discarded) == (1, 60, 30, 10)
    assert Card(segment, CONNECTION.slot).read() is None
    assert (slot.id, slot.words[at.S_VERSION] & 1) == (0, 0)


def test_an_end_says_the_policy_and_the_name_that_it_had(segment: Segment) -> None:
    figures = figures_of(segment)
    policy = SlowPolicy("conflate", limit_messages=3, limit_age=2.5)
    figures.admitted(CONNECTION)
    figures.chosen(CONNECTION, "desk7", policy, "call")

    figures.ended(CONNECTION, CLOSED)

    ((_number, end),) = ClosedRing(segment).since(0)
    assert (end.policy, end.chosen_by, end.name) == (policy, "call", "desk7")


@pytest.mark.parametrize("went_by", [SlowPolicy("block"), SlowPolicy("disconnect", 1_000)])
def test_an_end_says_by_which_policy_it_was_served(segment: Segment, went_by: SlowPolicy) -> None:
    """Another one may have been chosen since, of which its worker had not heard when it closed."""
    figures = figures_of(segment)
    figures.admitted(CONNECTION)
    is_publishers = went_by == SlowPolicy("block")
    chosen_by = "publisher" if is_publishers else "subscriber"
    figures.chosen(CONNECTION, "desk7", SlowPolicy("conflate"), "call")

    fields = {} if is_publishers else went_by.as_dict()
    figures.ended(CONNECTION, changed(CLOSED, chosen_by=chosen_by, policy=fields))

    ((_number, end),) = ClosedRing(segment).since(0)
    assert (end.policy, end.chosen_by, end.name) == (went_by, chosen_by, "desk7")


def test_an_end_says_who_chose_the_same_policy_in_the_end(segment: Segment) -> None:
    """A worker is told nothing of that."""
    figures = figures_of(segment)
    policy = SlowPolicy("disconnect", 1_000)
    figures.admitted(CONNECTION)
    figures.chosen(CONNECTION, "", policy, "call")

    figures.ended(CONNECTION, changed(CLOSED, chosen_by="rule", policy=policy.as_dict()))

    ((_number, end),) = ClosedRing(segment).since(0)
    assert (end.policy, end.chosen_by) == (policy, "call")


def test_who_never_became_a_subscriber_pushes_no_end_out(segment: Segment) -> None:
    ledger = Ledger(segment.words)
    figures = figures_of(segment, ledger)
    header = Header(segment)
    stranger = Accepted(8, 2, 1, "peer:8", "tcp://x", "zmtp")
    figures.admitted(stranger)

    figures.ended(stranger, changed(CLOSED, subscriber=8))

    assert list(ClosedRing(segment).since(0)) == []
    assert ledger.failed_handshakes == 1
    assert (header.ends_begun, header.ends_booked) == (1, 1), "it is booked all the same"
    assert Card(segment, stranger.slot).read() is None


def test_an_end_of_which_not_all_was_counted_says_so_and_no_counter_is_wrong(
    segment: Segment,
) -> None:
    """Of the past what it has come to is counted: so the law holds, without a lost worker."""
    ledger = Ledger(segment.words)

    figures_of(segment, ledger).ended(CONNECTION, changed(CLOSED, uncounted=True))

    ((_number, end),) = ClosedRing(segment).since(0)
    assert (end.exact, ledger.inexact) == (False, 0)


@pytest.mark.parametrize(("until", "is_counted"), [(91, False), (90, True)])
def test_a_dead_worker_had_not_counted_what_a_replay_had_not_come_to(
    segment: Segment, until: int, is_counted: bool
) -> None:
    """Its last record says how far that goes, and its last checkpoint how far it has come."""
    numbers = dict.fromkeys(StreamRecord._fields[:-1], 0)
    numbers |= {"following": 10, "wanted_from": until}
    record = StreamSlot(segment, CONNECTION.slot)
    record.write(StreamRecord(**numbers, speech=b""))

    final = final_of(segment, CONNECTION, Reason.WORKER_LOST, evicted=True)

    assert final.uncounted is not is_counted
    assert not final.exact


@pytest.mark.parametrize("kind", [None, Kind.GOES_ON, Kind.SEALED])
def test_a_dead_worker_had_said_that_more_of_the_past_was_to_come(
    segment: Segment, kind: Kind | None
) -> None:
    """Of last values, and of who is encrypted, no record says it, if there is one at all."""
    SubscriberSlot(segment, CONNECTION.slot).checkpoint(CHECKPOINT._replace(sent=70, uncounted=1))
    if kind is not None:
        numbers = dict.fromkeys(StreamRecord._fields[:-1], 0) | {"kind": kind}
        StreamSlot(segment, CONNECTION.slot).write(StreamRecord(**numbers, speech=b""))

    final = final_of(segment, CONNECTION, Reason.WORKER_LOST, evicted=True)

    assert final.discarded == 0, "all that was counted was sent"
    assert (final.uncounted, final.exact) == (True, False)


def test_a_reader_sees_that_an_end_is_being_booked(segment: Segment) -> None:
    header = Header(segment)
    seen: list[tuple[int, int]] = []

    class Watched(Ledger):
        def close(self, connection: Accepted, closed: Closed, *, exact: bool = True) -> None:
            seen.append((header.ends_begun, header.ends_booked))
            super().close(connection, closed, exact=exact)

    figures_of(segment, Watched(segment.words)).ended(CONNECTION, CLOSED)

    assert seen == [(1, 0)]
    assert (header.ends_begun, header.ends_booked) == (1, 1)


def test_where_a_worker_is_in_its_life(segment: Segment) -> None:
    figures = figures_of(segment)
    entry = Life(1, restarts=3)
    slot = WorkerSlot(segment, 1)

    figures.worker(entry, 4_321)
    started = slot.started
    entry.state = WorkerState.READY
    figures.worker(entry, 4_321)

    assert (slot.pid, slot.state, slot.restarts) == (4_321, WorkerState.READY, 3)
    assert 0 < started == slot.started

    entry.state = WorkerState.GONE
    figures.worker(entry, 0)

    assert (slot.pid, slot.state) == (0, WorkerState.GONE)


def test_the_length_of_the_log_is_noted_while_it_changes_and_each_second_else() -> None:
    log = Log()
    figures = figures_of(log.segment)
    clock = Clock(log.segment)

    for step in range(12):  # 0.05 s each, a message in the first four
        if step < 4:
            log.publish(b"topic", b"payload")
        figures.turned(step * 50_000_000)
    figures.turned(1_199_999_999)
    figures.turned(1_200_000_000)

    size = log.writer.position // 4
    assert clock.notes() == [
        Note(0, 1, size),
        Note(100_000_000, 3, 3 * size),
        Note(200_000_000, 4, 4 * size),
        Note(1_200_000_000, 4, 4 * size),
    ]


def test_no_message_is_noted_for_older_than_it_is() -> None:
    """Others may have had the processor between the look at the clock and that at the log."""
    log = Log()
    figures = Figures(log.segment, Ledger(log.segment.words), SlowPolicy(), clock=lambda: 700)
    log.publish(b"topic", b"payload")

    figures.turned(100)

    assert [note.time for note in Clock(log.segment).notes()] == [700]


def test_each_turn_is_a_sign_of_life(segment: Segment) -> None:
    figures_of(segment).turned(77)

    assert Header(segment).heartbeat == 77


def test_what_a_worker_has_closed_is_known_until_it_is_told(segment: Segment) -> None:
    """It may die before its report is out."""
    theirs, ours = socket.socketpair()
    record = StreamSlot(segment, CONNECTION.slot)
    slot = SubscriberSlot(segment, CONNECTION.slot)
    slot.take(7)
    peer = Peer(7, slot, ours, Session(LIMITS), Block(), 0, record=record)
    peer.member.matched_before, peer.member.sent, peer.member.dropped = 20, 15, 3
    peer.checkpoint(0)

    peer.close()
    theirs.close()

    final = final_of(segment, CONNECTION, Reason.WORKER_LOST, evicted=True)
    assert (final.matched, final.sent, final.dropped, final.discarded) == (20, 15, 3, 2)
