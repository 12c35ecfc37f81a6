"""Where the order of two stores matters there is a barrier between them, if the processor needs it;
of two loads likewise.

Each record is written to once; what it stored is cut at the barriers, into sets of words.
"""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest

from fanout.control.messages import Closed
from fanout.coordinator.figures import Figures
from fanout.coordinator.ledger import Ledger
from fanout.coordinator.roster import Accepted
from fanout.reasons import Reason
from fanout.shm import fence
from fanout.shm import layout as at
from fanout.shm.cards import Card, Identity
from fanout.shm.clock import Clock, Note
from fanout.shm.closed import ClosedRing, End
from fanout.shm.segment import Segment
from fanout.shm.subscriber_slot import NOTHING, SubscriberSlot
from fanout.terms.slow_policy import SlowPolicy
from tests.helpers.log import SMALL
from tests.helpers.stores import recorded, watched

if TYPE_CHECKING:
    from collections.abc import Callable

CARD = SMALL.cards // at.WORD
SLOT = SMALL.subscriber_slots // at.WORD
END = SMALL.closed // at.WORD
NOTE = SMALL.clock // at.WORD
IDENTITY = Identity(7, 1, "3.1", SlowPolicy("block"), 5, 3, "127.0.0.1:4", "tcp://127.0.0.1:5")


Written: TypeAlias = "Callable[[Callable[[Any], object]], list[set[int]]]"


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> Written:
    """What a writer stores between two barriers each."""

    def sets_of(write: Callable[[Any], object]) -> list[set[int]]:
        segment, log = recorded(SMALL)
        monkeypatch.setattr(fence, "BARRIER", lambda: log.append(None))
        write(segment)
        cut = groupby(log, lambda store: store is None)
        return [
            {store[0] for store in some if store is not None}
            for is_barrier, some in cut
            if not is_barrier
        ]

    return sets_of


def test_a_checkpoint_lies_between_two_stores_of_its_version(written: Written) -> None:
    version = {SLOT + at.S_VERSION}

    before, words, after = written(lambda memory: SubscriberSlot(memory, 0).checkpoint(NOTHING))

    assert (before, after) == (version, version)
    assert words == set(range(SLOT + at.S_POSITION, SLOT + at.S_UNCOUNTED + 1))


def test_a_slot_has_its_owner_when_its_counters_are_zero(written: Written) -> None:
    version = SLOT + at.S_VERSION

    before, words, after = written(lambda memory: SubscriberSlot(memory, 0).take(7))

    assert (before, after) == ({version}, {version, SLOT + at.S_ID})
    records = {SLOT + at.S_BANK, SLOT + at.S_ACTED}
    records |= {SLOT + at.S_HANDED, SLOT + at.S_TAKEN, SLOT + at.S_TAKING}
    assert records < words, "another's record would be taken for its own"
    assert len(words) == len(NOTHING) + len(records)


def test_a_card_has_its_owner_when_all_else_is_written(written: Written) -> None:
    version = {CARD + at.C_VERSION}

    before, words, owner, after = written(lambda memory: Card(memory, 0).write(IDENTITY))

    assert (before, after) == (version | {at.H_SLOTS_USED}, version)
    assert owner == {CARD + at.C_ID}
    assert {CARD + at.C_WORKER, CARD + at.C_PEER, CARD + at.C_ENDPOINT} < words


def test_a_note_has_its_number_when_it_is_written_and_is_counted_then(written: Written) -> None:
    number = {NOTE + at.K_NUMBER}

    before, words, after, count = written(lambda memory: Clock(memory).add(Note(1, 2, 3)))

    assert (before, after, count) == (number, number, {at.H_CLOCK_COUNT})
    assert words == {NOTE + at.K_TIME, NOTE + at.K_HEAD, NOTE + at.K_POSITION}


def test_an_end_is_said_to_be_booked_before_and_after_it_is(written: Written) -> None:
    connection = Accepted(7, 0, 1, "peer:1", "tcp://x", "zmtp", "3.1")
    closed = Closed(7, True, Reason.TTL.number, "silent", 100, 60, 30, 10, 0)

    def end(memory: Any) -> None:
        Figures(memory, Ledger(memory.words), SlowPolicy("block")).ended(connection, closed)

    begun, card, slot, words, number, count, booked = written(end)

    assert (begun, booked) == ({at.H_ENDS_BEGUN}, {at.H_ENDS_BOOKED})
    assert count == {at.H_CLOSED_COUNT}
    assert CARD + at.C_ID in card, "the card is free before the slot"
    assert min(card) > at.H_LEDGER
    assert slot == {SLOT + at.S_ID, SLOT + at.S_VERSION, END + at.E_NUMBER}
    assert {END + at.E_ID, END + at.E_REASON, END + at.E_POLICY} < words
    assert number == {END + at.E_NUMBER}


@pytest.mark.parametrize("record", ["slot", "card", "note", "end"])
def test_a_reader_looks_at_the_version_apart_from_the_words(
    record: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    segment = Segment.create(SMALL)
    slot, card = SubscriberSlot(segment, 0), Card(segment, 0)
    slot.take(7)
    card.write(IDENTITY)
    Clock(segment).add(Note(1, 2, 3))
    ClosedRing(segment).add(End(7, 1, 2, 3, Reason.TTL, 0, 0, 0, 0, 0, "peer:1", "silent"))
    steps = ""

    def load() -> None:
        nonlocal steps
        steps += "."

    def barrier() -> None:
        nonlocal steps
        steps += "|"

    memory = watched(segment, load)
    monkeypatch.setattr(fence, "BARRIER", barrier)
    read: dict[str, Callable[[], object]] = {
        "slot": lambda: SubscriberSlot(memory, 0).read(7),
        "card": Card(memory, 0).read,
        "note": Clock(memory).notes,
        "end": lambda: list(ClosedRing(memory).since(0)),
    }

    assert read[record]()
    before, words, after = steps.split("|")
    assert before.endswith(".")
    assert len(words) == {"slot": at.S_BANKS, "card": 56, "note": 4, "end": 64}[record]
    assert after == "."


@pytest.mark.skipif(not fence.STORES_STAY_IN_ORDER, reason="this processor needs them")
def test_there_are_no_barriers_where_none_are_needed() -> None:
    assert fence.BARRIER is None
