"""Surveys: columns of all subscribers, in the order of their slots."""

from __future__ import annotations

import pytest

from fanout.shm import layout as at
from fanout.shm.cards import Card
from fanout.shm.subscriber_slot import SubscriberSlot
from tests.helpers.fake_segment import FakeSegment


def test_columns_are_of_those_whose_handshake_is_done(fake: FakeSegment) -> None:
    fake.connect(9, 0, worker=1, subscriptions=3)
    fake.connect(4, 2, version="")
    fake.connect(5, 6)
    fake.count(0, matched=20, sent=12, dropped=5, sent_bytes=100)

    survey = fake.reader().survey()

    assert (survey.slots, survey.ids) == ([0, 6], [9, 5])
    assert (survey.column("sent"), survey.column("sent_bytes")) == ([12, 0], [100, 0])
    assert survey.queued() == [3, 0]
    assert (survey.workers(), survey.subscriptions()) == ([1, 0], [3, 1])


def test_nobody_has_the_figures_of_who_had_the_slot_before(fake: FakeSegment) -> None:
    fake.connect(1, 0)
    fake.count(0, matched=9, sent=9)
    Card(fake.segment, 0).id = 2  # no worker has taken the slot for it yet

    assert fake.reader().survey().column("sent") == [0]


def test_cards_are_read_again_only_when_they_have_changed(fake: FakeSegment) -> None:
    fake.connect(1, 0)
    reader = fake.reader()
    (before,) = reader.survey().identities()
    (same,) = reader.survey().identities()
    fake.connect(2, 0, peer="10.0.0.2:5")
    (after,) = reader.survey().identities()

    assert before is same
    assert before is not None
    assert after is not None
    assert (before.peer, after.peer) == ("10.0.0.1:1", "10.0.0.2:5")


def test_cards_of_those_who_have_left_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fanout.observe.survey._KEPT", 0)
    fake = FakeSegment(20)
    fake.fill(range(1, 21))
    reader = fake.reader()
    reader.survey().identities()
    for slot in range(18):
        SubscriberSlot(fake.segment, slot).free()
        Card(fake.segment, slot).free()
    reader.survey().identities()

    assert reader._known.keys() == {18, 19}
    fake.close()


def test_a_card_that_stays_half_written_is_nobody(fake: FakeSegment) -> None:
    fake.fill([1])
    fake.connect(2, 1, name="desk7", user="ann")
    Card(fake.segment, 0).words[at.C_VERSION] += 1

    survey = fake.reader().survey()
    first, second = survey.identities()

    assert first is None
    assert second is not None
    assert survey.texts() == [
        ("1",),
        ("2", "desk7", "ann", "10.0.0.1:2", "tcp://10.0.0.9:5556", "drop_oldest"),
    ]


def test_garbage_in_every_word_is_shown_as_it_is(fake: FakeSegment) -> None:
    fake.fill([1, 2])
    words = Card(fake.segment, 0).words
    for word in range(len(words)):
        words[word] = (1 << 64) - 2
    SubscriberSlot(fake.segment, 0).words[at.S_MATCHED] = (1 << 64) - 1
    fake.header.workers = 1 << 40
    fake.header.state = 77

    reader = fake.reader()
    survey = reader.survey()

    assert len(survey.queued()) == 2
    assert [who and who.subscriber for who in survey.identities()] == [None, 2]
    assert [row.identity.subscriber for row in reader.rows()] == [2]
    assert (len(reader.workers()), reader.state.name) == (at.WORKERS_MAX, "NONE")


@pytest.mark.parametrize(
    ("tail", "used"), [(3, 0), (1, 2), (0, 3), (at.NO_TAIL, 0)], ids=["none", "two", "all", "free"]
)
def test_the_log_is_used_from_the_smallest_tail_on(fake: FakeSegment, tail: int, used: int) -> None:
    for _ in range(3):
        fake.log.publish(b"topic", b"payload")
    fake.workers[1].tail = tail
    each = fake.log.writer.position // 3

    assert fake.reader().log_used() == used * each


def test_a_tail_out_of_reach_is_a_full_log(fake: FakeSegment) -> None:
    for _ in range(100):
        fake.log.publish(b"topic", b"payload")
    fake.workers[1].tail = 0

    reader = fake.reader()

    assert reader.log_used() == reader.log_bytes == 16 * at.PAGE
