"""What is written of workers, subscribers and ends is what is read of them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from fanout.reasons import NUMBERS_MAX, Reason
from fanout.shm import layout as at
from fanout.shm.cards import POLICIES, Card, Cards, Identity
from fanout.shm.clock import BEING_WRITTEN, Clock, Note, age_of
from fanout.shm.closed import ClosedRing, End
from fanout.shm.header import Header, PublisherState, SharedTotals, reason_counters
from fanout.shm.segment import Segment
from fanout.shm.subscriber_slot import NOTHING, Checkpoint, SubscriberSlot, SubscriberSlots
from fanout.shm.words import StuckRecord
from fanout.shm.worker_slot import NO_TAIL, Tails, WorkerSlot, sleepers
from fanout.terms.slow_policy import ACTIONS, SlowPolicy
from tests.helpers.log import SMALL

if TYPE_CHECKING:
    from collections.abc import Iterator

CHECKPOINT = Checkpoint(1, 2, 3, 100, 60, 6_000, 30, 8, 9)
IDENTITY = Identity(7, 1, "3.1", SlowPolicy("block"), 5, 3, "127.0.0.1:4", "tcp://127.0.0.1:5")


@pytest.fixture
def segment() -> Iterator[Segment]:
    segment = Segment.create(SMALL)
    yield segment
    segment.close()


def end_of(number: int) -> End:
    return End(
        number,
        1,
        2,
        3,
        Reason.SEND_TIMEOUT,
        9,
        5,
        3,
        1,
        64,
        "peer:1",
        "took nothing",
        version="3.1",
        name="desk7",
    )


def test_a_checkpoint_is_read_as_it_was_written(segment: Segment) -> None:
    slot = SubscriberSlot(segment, 1)
    slot.take(7)
    before = slot.read(7)
    slot.checkpoint(CHECKPOINT)

    assert (before, slot.read(7), slot.read(8)) == (NOTHING, CHECKPOINT, NOTHING)
    assert CHECKPOINT.queued == 10


def test_every_word_of_a_checkpoint_is_read_as_it_was_written(segment: Segment) -> None:
    slot = SubscriberSlot(segment, 1)
    slot.take(7)
    slot.checkpoint(Checkpoint(*range(1, 1 + len(NOTHING))))

    assert slot.read(7) == Checkpoint(*range(1, 1 + len(NOTHING)))


def test_what_was_never_used_is_not_read(segment: Segment) -> None:
    """To touch a slot for the first time takes the kernel long, and most are never used."""
    header, slots, cards = Header(segment), SubscriberSlots(segment), Cards(segment)
    SubscriberSlot(segment, 2).take(3)
    assert (cards.ids(), slots.ids(), slots.sums()) == ([], [], NOTHING)
    Card(segment, 1).write(IDENTITY)
    assert header.slots_used == 2
    assert (cards.ids(), slots.ids()) == ([0, IDENTITY.subscriber], [0, 0])
    Card(segment, 2).write(IDENTITY)
    Card(segment, 0).write(IDENTITY)
    assert header.slots_used == 3
    assert slots.ids() == [0, 0, 3]
    header.slots_used = 1 << 40
    assert len(slots.ids()) == segment.layout.subscribers, "it is shared memory: anything may be"


def test_the_sums_are_those_of_the_slots_that_are_taken(segment: Segment) -> None:
    Header(segment).slots_used = 4
    for index in (0, 1, 3):
        SubscriberSlot(segment, index).take(index + 1)
        SubscriberSlot(segment, index).checkpoint(CHECKPOINT._replace(sent=10**index))
    SubscriberSlot(segment, 1).free()

    sums = SubscriberSlots(segment).sums()

    assert (sums.matched, sums.sent, sums.dropped) == (200, 1_001, 60)


@pytest.mark.parametrize("subscriber", [1, 256, 1 << 40])
def test_the_sums_look_no_further_than_the_last_that_is_taken(
    segment: Segment, subscriber: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There may be thousands behind it, of which each takes time."""
    Header(segment).slots_used = 4
    monkeypatch.setattr("fanout.shm.subscriber_slot.read_consistent", None)  # for torn ones
    SubscriberSlot(segment, 2).words[at.S_VERSION] += 1
    nobody = SubscriberSlots(segment).sums()
    SubscriberSlot(segment, 1).take(subscriber)
    SubscriberSlot(segment, 1).checkpoint(CHECKPOINT)

    assert nobody == NOTHING
    assert SubscriberSlots(segment).sums() == CHECKPOINT


def test_the_sums_are_not_torn_by_who_writes_meanwhile(
    segment: Segment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is changed before, while and after all are copied; in between it is read by itself."""
    Header(segment).slots_used = 2
    slot, slots = SubscriberSlot(segment, 1), SubscriberSlots(segment)
    slot.take(7)
    slot.checkpoint(CHECKPOINT)
    steps = iter(range(10))

    def change() -> None:
        if next(steps) == 0:
            slot.words[at.S_SENT] = 99  # the copy has this, and the old figures beside it
        else:
            slot.checkpoint(CHECKPOINT._replace(matched=200, sent=160))

    monkeypatch.setattr("fanout.shm.subscriber_slot.keep_order", change)
    sums = slots.sums()

    assert (sums.matched, sums.sent, sums.queued) == (200, 160, 10)


def test_who_takes_a_slot_finds_nothing_of_its_predecessor(segment: Segment) -> None:
    slot = SubscriberSlot(segment, 1)
    slot.take(7)
    slot.checkpoint(CHECKPOINT)
    slot.free()
    slot.take(8)

    assert (slot.read(7), slot.read(8)) == (NOTHING, NOTHING)


def test_a_version_never_comes_again(segment: Segment) -> None:
    """Else a reader that was stopped between would take two subscribers for one."""
    slot = SubscriberSlot(segment, 1)
    seen = []
    for subscriber in (7, 8, 9):
        slot.take(subscriber)
        seen.append(slot.words[at.S_VERSION])
        slot.words[at.S_VERSION] += subscriber == 8  # its worker died while it wrote
        slot.free()

    assert all(version % 2 == 0 for version in seen)
    assert len(set(seen)) == 3
    assert slot.words[at.S_VERSION] % 2 == 0


def test_a_released_worker_holds_nothing_back_and_keeps_its_totals(segment: Segment) -> None:
    slot = WorkerSlot(segment, 0)
    slot.tail, slot.flushed, slot.subscribers, slot.sent, slot.restarts = 5, 4, 3, 1_000, 2
    slot.fall_asleep(9)
    asleep = sleepers(segment)[0]
    slot.release()

    assert asleep != 0
    assert (slot.tail, slot.flushed, slot.subscribers, sleepers(segment)[0]) == (
        NO_TAIL,
        NO_TAIL,
        0,
        0,
    )
    assert (slot.sent, slot.restarts) == (1_000, 2)


@pytest.mark.parametrize(("sent", "total"), [(60, 100), (80, 120)])
def test_totals_of_a_worker_that_died_add_up(segment: Segment, sent: int, total: int) -> None:
    """What was queued went with it; or it died between two stores."""
    slot = WorkerSlot(segment, 0)
    slot.matched, slot.sent, slot.dropped, slot.discarded = 100, sent, 30, 10

    slot.release()
    slot.release()

    assert (slot.matched, slot.sent, slot.dropped) == (total, sent, 30)
    assert slot.matched == slot.sent + slot.dropped + slot.discarded


def test_tails_are_those_of_the_workers_in_their_order(segment: Segment) -> None:
    for index in range(4):
        slot = WorkerSlot(segment, index)
        slot.tail, slot.resume = 10 + index, NO_TAIL

    assert Tails(segment, 3).read() == [10, 11, 12]


@pytest.mark.parametrize(("tail", "resume"), [(30, 20), (20, 30), (20, NO_TAIL)])
def test_what_others_may_have_to_read_holds_the_log_back_too(
    segment: Segment, tail: int, resume: int
) -> None:
    slot = WorkerSlot(segment, 0)
    slot.tail, slot.resume = tail, resume

    assert Tails(segment, 1).read() == [20]


def test_a_card_says_who_it_is(segment: Segment) -> None:
    card = Card(segment, 2)
    before = card.read()
    card.write(IDENTITY)
    known = card.read()
    card.subscriptions = 4
    card.free()

    assert (before, known, card.read()) == (None, IDENTITY, None)


def test_a_card_is_known_before_its_handshake(segment: Segment) -> None:
    card = Card(segment, 2)
    card.write(Identity(7, 1, "", SlowPolicy(), 5, 0, "unknown", "ipc:///run/feed"))
    first = card.read()
    Cards(segment).note_version(2, "1.0")
    second = card.read()

    assert first is not None
    assert second is not None
    assert (first.version, second.version, second.policy) == ("", "1.0", "drop_oldest")


def test_a_card_says_how_it_is_called_and_what_was_chosen_for_it(segment: Segment) -> None:
    card = Card(segment, 2)
    card.write(IDENTITY)
    policy = SlowPolicy("conflate", 1, 2, 2.5, soft=0.3, min_interval=0.25, max_rate=7)
    name = "d" * 63 + "é"  # a byte too long
    card.chosen(name, policy, "subscriber")

    chosen = IDENTITY._replace(name="d" * 63, slow_policy=policy, chosen_by="subscriber")
    assert card.read() == chosen
    card.write(IDENTITY)  # the next one with this slot
    assert card.read() == IDENTITY


def test_every_action_has_a_number_on_a_card() -> None:
    assert {*POLICIES} == {*ACTIONS}
    assert POLICIES[:2] == ("drop_oldest", "block")  # as they have always been


def test_half_a_card_is_not_read(segment: Segment) -> None:
    card = Card(segment, 2)
    card.write(IDENTITY)
    card.words[at.C_VERSION] += 1

    with pytest.raises(StuckRecord):
        card.read()


def test_the_header_tells_what_a_publisher_is_called(segment: Segment) -> None:
    header = Header(segment)
    header.name = "feed of prices"
    header.state = PublisherState.SERVING

    assert (header.name, header.state) == ("feed of prices", PublisherState.SERVING)
    assert header.pid != 0
    assert header.epoch != 0


def test_totals_and_counters_do_not_share_a_word(segment: Segment) -> None:
    totals, counters = SharedTotals(segment.words), reason_counters(segment.words)
    counters[:] = memoryview(bytearray(b"\xff" * at.REASONS * at.WORD)).cast("Q")
    totals.accepted, totals.discarded = 1, 2

    assert (totals.accepted, totals.refused, totals.discarded) == (1, 0, 2)
    assert set(counters.tolist()) == {at.NO_TAIL}


def test_an_end_for_a_reason_of_a_later_version_is_read(segment: Segment) -> None:
    ring = ClosedRing(segment)
    ring.add(end_of(1))
    ring._entry(1)[at.E_REASON] = 63

    assert [end.reason for _number, end in ring.since(0)] == [Reason.OTHER]


def test_every_reason_has_a_counter_a_number_and_a_label_of_its_own() -> None:
    assert max(reason.number for reason in Reason) <= NUMBERS_MAX < at.REASONS
    assert len({reason.number for reason in Reason}) == len(Reason)
    assert len({reason.label for reason in Reason}) == len(Reason)
    assert [Reason.of(reason.number) for reason in Reason] == list(Reason)


def test_ends_are_read_in_their_order_once_each(segment: Segment) -> None:
    ring = ClosedRing(segment)
    for number in range(1, 4):
        ring.add(end_of(number))

    assert list(ring.since(1)) == [(2, end_of(2)), (3, end_of(3))]
    assert list(ring.since(ring.count)) == []


def test_an_end_is_read_with_all_its_figures(segment: Segment) -> None:
    ring = ClosedRing(segment)
    end = replace(
        end_of(7),
        matched_bytes=1,
        sent_bytes=2,
        dropped_bytes=3,
        discarded_bytes=4,
        conflated=5,
        conflated_bytes=6,
        drops=(7, 8, 9, 10, 11, 12),
        exact=False,
        policy=SlowPolicy("conflate", 1, 2, 3.5, 0.25, 4.5, 5),
        chosen_by="call",
        user="desk7@" + "x" * 58,
    )
    ring.add(end)

    assert list(ring.since(0)) == [(1, end)]


def test_an_end_with_a_policy_of_a_later_version_is_left_out(segment: Segment) -> None:
    ring = ClosedRing(segment)
    ring.add(end_of(1))
    ring.add(end_of(2))
    ring._entry(1)[at.E_POLICY] = len(POLICIES)

    assert [number for number, _end in ring.since(0)] == [2]


@pytest.mark.unmeasured
def test_the_ring_of_ends_keeps_the_last_ones(segment: Segment) -> None:
    ring = ClosedRing(segment)
    for number in range(1, at.CLOSED_ENTRIES + 3):
        ring.add(end_of(number))
    found = [number for number, _end in ring.since(0)]

    assert found == list(range(3, at.CLOSED_ENTRIES + 3))


def test_an_end_that_is_being_overwritten_is_left_out(segment: Segment) -> None:
    ring = ClosedRing(segment)
    ring.add(end_of(1))
    ring.add(end_of(2))
    ring._entry(1)[at.E_NUMBER] = 0

    assert [number for number, _end in ring.since(0)] == [2]


def test_the_clock_tells_how_old_a_message_is(segment: Segment) -> None:
    clock = Clock(segment)
    for time in range(100, 500, 100):
        clock.add(Note(time, time // 10, time))  # 10 messages each 100 ns
    notes = clock.notes()

    assert notes == [Note(t, t // 10, t) for t in range(100, 500, 100)]
    assert [age_of(s, notes, 450) for s in (0, 9, 10, 39, 40)] == [350, 350, 250, 50, 0]


def test_the_clock_says_who_has_seen_a_message_each_head_once(segment: Segment) -> None:
    clock = Clock(segment)
    for time, head in ((100, 10), (200, 20), (300, 20), (400, 30), (500, 40)):
        clock.add(Note(time, head, 0))

    assert clock.earlier(9, 1_000) == [(10, 100), (20, 200), (30, 400), (40, 500)]
    assert clock.earlier(10, 1_000) == [(20, 200), (30, 400), (40, 500)]
    assert clock.earlier(10, 400) == [(20, 200)]
    assert clock.earlier(10, 200) == clock.earlier(40, 1_000) == []


def test_what_is_older_than_all_notes_was_seen_by_all_of_them(segment: Segment) -> None:
    """But not by those that may be written anew while somebody looks."""
    clock = Clock(segment)
    for number in range(1, 2 * at.CLOCK_NOTES + 1):
        clock.add(Note(number, number, 0))

    first, *_others = found = clock.earlier(0, 1 << 63)

    assert first == (at.CLOCK_NOTES + BEING_WRITTEN + 1,) * 2
    assert len(found) == at.CLOCK_NOTES - BEING_WRITTEN


def test_the_clock_keeps_the_last_notes(segment: Segment) -> None:
    clock = Clock(segment)
    for number in range(at.CLOCK_NOTES + 2):
        clock.add(Note(number, number, number))
    notes = clock.notes()

    assert (len(notes), notes[0].time, notes[-1].time) == (at.CLOCK_NOTES, 2, at.CLOCK_NOTES + 1)
