"""Sorting: each message of a batch goes into the picks of those who want it, and is found again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import pytest

from fanout.shm.layout import PAGE, Layout
from fanout.workers.policy.block import Block
from fanout.workers.stream.cohorts import Cohorts
from fanout.workers.stream.member import Member
from fanout.workers.stream.sorting import LOOKS_PER_APPEND, LOOKS_PER_MATCH, SPARSE_PART, Sorting
from fanout.workers.tuning import Tuning
from fanout.zmtp.frames import encode_message
from tests.helpers.log import SMALL, Log, always_late

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fanout.workers.stream.cohort import Cohort

T = TypeVar("T")

SHARED = pytest.mark.parametrize("shared_prefixes", [0, 4], ids=["its own picks", "shared picks"])


class Batch:
    """A sorting over a log of its own."""

    def __init__(self, layout: Layout = SMALL, **tuning: Any) -> None:
        self.log = Log(layout)
        self.cohorts: Cohorts[Member] = Cohorts(Tuning(shared_from=0, **tuning))
        self.sorting = Sorting(self.log.reader, self.cohorts)

    def join(self, *prefixes: bytes) -> Cohort[Member]:
        """A cohort with one member, which is ready."""
        cohort = self.cohorts.join(prefixes)
        assert cohort is not None
        self.cohorts.add_ready(cohort, Member(0, len, Block()))
        return cohort

    def leave(self, cohort: Cohort[Member]) -> None:
        """Its member leaves."""
        (member,) = cohort.ready
        self.cohorts.drop_ready(cohort, member)
        self.cohorts.leave(cohort)

    def sort(self, first: int, stop: int) -> dict[Cohort[Member], list[int]]:
        """The sequences that each ready cohort was given."""
        sorting = self.sorting
        sorting.sort(first, stop)
        sorting.count()
        found = {}
        given = [(cohorts, sorting.merged(prefixes)) for cohorts, prefixes, _ in sorting.shares()]
        given += [([cohort], cohort.picks) for cohort in sorting.direct if cohort.ready]
        for cohorts, picks in given:
            sequences = [sorting.sequence_of(piece) for piece in picks]
            assert picks == [self.log.reader.piece(sequence) for sequence in sequences]
            found.update(dict.fromkeys(cohorts, sequences))
        sorting.clear(0)
        return found


@SHARED
@pytest.mark.parametrize("topic_id", [0, 5], ids=["without an id", "with an id"])
@pytest.mark.parametrize("strangers", [0, 1, SPARSE_PART - 1, SPARSE_PART, 3 * SPARSE_PART])
def test_of_many_or_few_wanted_each_is_found_with_its_sequence(
    strangers: int, topic_id: int, shared_prefixes: int
) -> None:
    batch = Batch(shared_prefixes=shared_prefixes)
    wanted = batch.join(b"A")
    batch.log.publish(b"before")
    for _ in range(2):
        for _ in range(strangers):
            batch.log.publish(b"B", topic_id=9)
        batch.log.publish(b"A", topic_id=topic_id)
    stop = batch.log.publish(b"A", b"behind the batch")

    assert batch.sort(1, stop) == {wanted: [1 + strangers, stop - 1]}


@SHARED
def test_of_messages_with_the_same_bytes_each_has_its_own_sequence(shared_prefixes: int) -> None:
    batch = Batch(shared_prefixes=shared_prefixes)
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


class Looked(dict[T, None]):
    """Counts how often it is gone through."""

    times = 0

    def __iter__(self) -> Iterator[T]:
        self.times += 1
        return super().__iter__()


@SHARED
@pytest.mark.parametrize(("strangers", "times"), [(LOOKS_PER_APPEND, 0), (1, 1)])
def test_of_many_cohorts_only_those_are_looked_at_that_one_message_went_to(
    strangers: int, times: int, shared_prefixes: int
) -> None:
    batch = Batch(shared_prefixes=shared_prefixes)
    wanted = batch.join(b"A")
    for number in range(strangers):
        batch.join(b"B%d" % number)
    batch.log.publish(b"AB")
    direct = batch.cohorts.direct = Looked(batch.cohorts.direct)
    counting = batch.cohorts.counting = Looked(batch.cohorts.counting)

    assert batch.sort(0, 1) == {wanted: [0]}
    assert (direct if wanted.direct else counting).times == times


def test_of_many_cohorts_only_those_are_looked_at_that_begin_as_a_message_for_many_does() -> None:
    batch = Batch(shared_prefixes=1)
    shared, long = batch.join(b"A"), [batch.join(b"A", b"Y%d" % number) for number in range(20)]
    for number in range(4 * LOOKS_PER_MATCH):
        batch.join(b"Z%d" % number)
    batch.log.publish(b"AB")
    batch.log.publish(b"AB")
    direct = batch.cohorts.direct = Looked(batch.cohorts.direct)
    counting = batch.cohorts.counting = Looked(batch.cohorts.counting)

    assert batch.sort(0, 1) == {one: [0] for one in (shared, *long)}
    assert (direct.times, counting.times) == (0, 0)
    assert batch.sort(0, 2) == {one: [0, 1] for one in (shared, *long)}
    assert [cohort.matched for cohort in (shared, *long)] == [3] * 21


def test_of_few_messages_for_both_kinds_of_cohorts_each_is_counted_once() -> None:
    batch = Batch(shared_prefixes=1)
    shared, own, both = batch.join(b"A"), batch.join(b"A", b"B"), batch.join(b"B", b"AB")
    for number in range(4 * LOOKS_PER_APPEND):
        batch.join(b"Z%d" % number)
    before = [cohort.matched for cohort in (shared, own, both)]
    for topic in (b"AB", b"B"):
        batch.log.publish(topic)

    assert batch.sort(0, 2) == {shared: [0], own: [0, 1], both: [0, 1]}
    after = [cohort.matched for cohort in (shared, own, both)]
    assert [new - old for old, new in zip(before, after, strict=True)] == [1, 2, 2]


def test_what_several_prefixes_have_is_in_the_order_of_the_log() -> None:
    batch = Batch()
    wanted, other = batch.join(b"A", b"B"), batch.join(b"B", b"A", b"C")
    for topic in (b"B", b"A", b"x", b"B", b"C", b"A"):
        batch.log.publish(topic)

    assert batch.sort(0, 6) == {wanted: [0, 1, 3, 5], other: [0, 1, 3, 4, 5]}


@SHARED
def test_nothing_is_filled_for_a_cohort_that_nobody_is_ready_in(shared_prefixes: int) -> None:
    """A thousand that never read and have the same prefix cost one append, or none."""
    batch = Batch(shared_prefixes=shared_prefixes, parked_after=1, parked_after_ns=0)
    cohorts = [batch.join(b"A", b"Z%d" % number) for number in range(1_000)]
    for cohort in cohorts:
        (member,) = cohort.ready
        batch.cohorts.drop_ready(cohort, member)
    for _ in range(6):
        batch.log.publish(b"A", topic_id=1)
    batch.sort(0, 3)  # direct ones are parked after this
    before = [cohort.matched for cohort in cohorts]

    found = batch.sort(3, 6)

    assert found == {}
    assert len(batch.cohorts.known_ids[1]) == 1
    assert [cohort.matched for cohort in cohorts] == [matched + 3 for matched in before]


@SHARED
def test_what_was_matched_is_counted_whether_anybody_is_ready_or_not(shared_prefixes: int) -> None:
    batch = Batch(shared_prefixes=shared_prefixes, parked_after=1, parked_after_ns=0)
    cohort = batch.join(b"A", b"B", b"C")
    (member,) = cohort.ready
    counted = []
    for number in range(12):
        if number % 4 == 1:
            batch.cohorts.drop_ready(cohort, member)
        if number % 4 == 3:
            batch.cohorts.add_ready(cohort, member)
        before = cohort.matched
        for topic in (b"AB", b"A", b"x", b"CC"):
            batch.log.publish(topic)
        batch.sort(4 * number, 4 * number + 4)
        counted.append(cohort.matched - before)

    assert counted == [3] * 12


def test_topics_are_known_by_their_ids_and_matched_again_after_a_change() -> None:
    batch = Batch()
    old = batch.join(b"A")
    batch.log.publish(b"AB", topic_id=1)
    batch.log.publish(b"C", topic_id=2)

    assert batch.sort(0, 2) == {old: [0]}
    assert batch.cohorts.known_ids.keys() == {1, 2}
    new = batch.join(b"AB")
    assert batch.sort(0, 2) == {old: [0], new: [0]}
    batch.leave(old)
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
    assert wanted.prefixes[0].picks[0] == encode_message([b"AB", bytes([34]) * 7000])


@pytest.mark.parametrize("topic_id", [0, 5], ids=["without an id", "with an id"])
@pytest.mark.parametrize("strangers", [0, 1, 63, 64, 700])
def test_it_is_found_where_the_first_is_that_somebody_wants(strangers: int, topic_id: int) -> None:
    batch = Batch(Layout(16 * PAGE, 1024, 1))
    batch.join(b"A")
    for _ in range(strangers):
        batch.log.publish(b"B", topic_id=9)
    stop = batch.log.publish(b"A", topic_id=topic_id)
    stop = batch.log.publish(b"A", topic_id=topic_id)

    assert batch.sorting.wanted_from(0, stop) == strangers
    assert batch.sorting.wanted_from(0, strangers) == strangers, "nobody wants any of these"


def test_to_look_for_that_ends_when_the_time_is_over() -> None:
    batch = Batch(Layout(16 * PAGE, 1024, 1))
    batch.join(b"A")
    for number in range(900):
        batch.log.publish(b"B%d" % number, topic_id=1 + number)
    batch.sorting = Sorting(batch.log.reader, batch.cohorts, always_late())

    assert 0 < batch.sorting.wanted_from(0, 900) < 900
