"""Sorting: each message of a batch goes into the picks of those who want it, and is found again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fanout.shm.layout import PAGE, Layout
from fanout.workers.stream.cohorts import Cohort, Cohorts
from fanout.workers.stream.sorting import COHORTS_PER_MATCH, SPARSE_PART, Sorting
from fanout.zmtp.frames import encode_message
from tests.helpers.log import SMALL, Log

if TYPE_CHECKING:
    from fanout.workers.stream.member import Member


class Batch:
    """A sorting over a log of its own."""

    def __init__(self, layout: Layout = SMALL, topics_remembered: int = 100) -> None:
        self.log = Log(layout)
        self.cohorts: Cohorts[Member] = Cohorts(topics_remembered)
        self.sorting = Sorting(self.log.reader, self.cohorts)

    def join(self, *prefixes: bytes) -> Cohort[Member]:
        cohort = self.cohorts.join(prefixes)
        assert cohort is not None
        return cohort

    def sort(self, first: int, stop: int) -> dict[Cohort[Member], list[int]]:
        """The sequences that each cohort was given, of those that are to be looked at."""
        found = {}
        for cohort in self.sorting.sort(first, stop):
            picks = cohort.picks
            sequences = [self.sorting.sequence_of(piece) for piece in picks]
            assert picks == [self.log.reader.piece(sequence) for sequence in sequences]
            found[cohort] = sequences
            picks.clear()
        return found


@pytest.mark.parametrize("topic_id", [0, 5], ids=["without an id", "with an id"])
@pytest.mark.parametrize("strangers", [0, 1, SPARSE_PART - 1, SPARSE_PART, 3 * SPARSE_PART])
def test_of_many_or_few_wanted_each_is_found_with_its_sequence(
    strangers: int, topic_id: int
) -> None:
    batch = Batch()
    wanted = batch.join(b"A")
    batch.log.publish(b"before")
    for _ in range(2):
        for _ in range(strangers):
            batch.log.publish(b"B", topic_id=9)
        batch.log.publish(b"A", topic_id=topic_id)
    stop = batch.log.publish(b"A", b"behind the batch")

    assert batch.sort(1, stop) == {wanted: [1 + strangers, stop - 1]}


def test_of_messages_with_the_same_bytes_each_has_its_own_sequence() -> None:
    batch = Batch()
    one, other = batch.join(b"A"), batch.join(b"A", b"B")
    for _ in range(3):
        batch.log.publish(b"A", b"same", topic_id=1)

    assert batch.sort(0, 3) == {one: [0, 1, 2], other: [0, 1, 2]}
    assert batch.sort(1, 3) == {one: [1, 2], other: [1, 2]}, "of the batch before"


def test_a_batch_that_nobody_wants_leaves_nobody_to_look_at() -> None:
    batch = Batch()
    batch.join(b"A")
    batch.log.publish(b"B", topic_id=1)
    batch.log.publish(b"C")

    assert batch.sort(0, 2) == {}


@pytest.mark.parametrize("looked_at", [1, COHORTS_PER_MATCH - 1], ids=["matched again", "all"])
def test_for_one_message_among_many_cohorts_only_those_that_want_it(looked_at: int) -> None:
    batch = Batch()
    wanted = batch.join(b"A")
    cohorts = COHORTS_PER_MATCH if looked_at == 1 else looked_at
    for number in range(cohorts - 1):
        batch.join(b"B%d" % number)
    batch.log.publish(b"AB")

    found = batch.sort(0, 1)

    assert (len(found), found[wanted]) == (looked_at, [0])


def test_topics_are_known_by_their_ids_and_matched_again_after_a_change() -> None:
    batch = Batch()
    old = batch.join(b"A")
    batch.log.publish(b"AB", topic_id=1)
    batch.log.publish(b"C", topic_id=2)

    assert batch.sort(0, 2) == {old: [0]}
    assert batch.cohorts.known_ids.keys() == {1, 2}
    new = batch.join(b"AB")
    assert batch.sort(0, 2) == {old: [0], new: [0]}
    batch.cohorts.leave(old)
    assert batch.sort(0, 2) == {new: [0]}


def test_ids_that_make_room_for_others_are_found_in_the_log_again() -> None:
    batch = Batch(topics_remembered=3)
    a, b = batch.join(b"A"), batch.join(b"B")
    for topic_id, topic in enumerate([b"A", b"B", b"A2", b"B2"], 1):
        batch.log.publish(topic, topic_id=topic_id)
    batch.log.publish(b"A", topic_id=1)

    assert batch.sort(0, 2) == {a: [0], b: [1]}
    assert batch.sort(2, 5) == {a: [2, 4], b: [3]}  # 1 and 2 go for 3 and 4; 1 is needed again
    assert [batch.cohorts.name(i) for i in range(1, 5)] == [b"A", None, b"A2", b"B2"]


def test_no_topic_is_remembered_for_the_id_of_none() -> None:
    batch = Batch()
    a, b = batch.join(b"A"), batch.join(b"B")
    batch.log.publish(b"A")
    batch.log.publish(b"B", topic_id=1)
    batch.log.publish(b"B")

    assert batch.sort(0, 3) == {a: [0], b: [1, 2]}
    assert (list(batch.cohorts.known_ids), batch.cohorts.name(0)) == ([1], None)


def test_a_batch_goes_around_the_end_of_the_log() -> None:
    batch = Batch(Layout(16 * PAGE, 16, 1))
    wanted = batch.join(b"A")
    for number in range(40):
        batch.log.publish(b"AB"[number % 2 :], bytes([number]) * 7000, topic_id=1 + number % 2)

    assert batch.sort(33, 40) == {wanted: [34, 36, 38]}
    batch.sorting.sort(33, 40)
    assert wanted.picks[0] == encode_message([b"AB", bytes([34]) * 7000])
