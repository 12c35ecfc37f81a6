"""Cohorts: who shares one, what it wants, and what is remembered of topics."""

from __future__ import annotations

import gc

import pytest

from fanout.workers.stream import wanted
from fanout.workers.stream.cohort import EVERYTHING, Cohort, Prefix
from fanout.workers.stream.cohorts import Cohorts
from fanout.workers.tuning import Tuning
from tests.helpers.wanting import picks_of, wanting


class Framing:
    """An encoding."""

    def __init__(self, *, shared: bool = True) -> None:
        self.shared = shared

    def encode(self, piece: bytes, number: int) -> bytes:
        return b"%d:" % number + piece


def joined(cohorts: Cohorts[str], *prefixes: bytes, encoding: Framing | None = None) -> Cohort[str]:
    cohort = cohorts.join(prefixes, encoding)
    assert cohort is not None
    return cohort


@pytest.mark.parametrize(
    ("topic", "wanted"),
    [
        (b"", False),
        (b"A", False),
        (b"AB", True),
        (b"ABC", True),
        (b"C", True),
        (b"CAB", True),
        (b"BA", False),
    ],
)
def test_a_topic_is_wanted_that_begins_with_a_prefix(topic: bytes, wanted: bool) -> None:
    cohort: Cohort[str] = Cohort(frozenset((b"AB", b"C")))

    assert cohort.wants(topic) is wanted


def test_who_wants_the_same_shares_a_cohort_until_the_last_has_left() -> None:
    cohorts: Cohorts[str] = Cohorts()
    first = joined(cohorts, b"A", b"AB")

    assert joined(cohorts, b"A") is first
    assert (first.members, cohorts.in_use) == (2, 1)
    cohorts.leave(first)
    assert (wanting(cohorts, b"A"), [*cohorts.filtered]) == ([first], [first])
    cohorts.leave(first)
    assert (wanting(cohorts, b"A"), [*cohorts.filtered], cohorts.in_use) == ([], [], 0)
    assert joined(cohorts, b"A") is not first


def test_who_wants_nothing_has_no_cohort() -> None:
    cohorts: Cohorts[str] = Cohorts()

    assert (cohorts.join([]), len(cohorts)) == (None, 1)


def test_who_has_left_and_is_not_taken_out_yet_keeps_nothing_of_a_look(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its picks are still filled; a round ends them, and so does the look of these tests."""
    monkeypatch.setattr(wanted, "TAKEN_AT_ONCE", 1)
    cohorts: Cohorts[str] = Cohorts()
    cohorts.leave(cohorts.join_own({b"A", b"AB"}))

    assert (cohorts.left, wanting(cohorts, b"AB")) == (1, [])
    assert [owner.picks for owner in cohorts.owners.values()] == [[]]


def test_the_cohort_of_everything_is_always_there_and_never_matched() -> None:
    cohorts: Cohorts[str] = Cohorts()
    everything = joined(cohorts, b"", b"A")

    assert everything is cohorts.everything
    assert (everything.key, cohorts.in_use, [*cohorts.filtered]) == (EVERYTHING, 1, [])
    cohorts.leave(everything)
    assert (cohorts.in_use, list(cohorts.filtered), wanting(cohorts, b"A")) == (0, [], [])
    assert joined(cohorts, b"") is everything


def test_everything_in_an_encoding_is_picked_like_any_other_wants() -> None:
    cohorts: Cohorts[str] = Cohorts()
    framed = joined(cohorts, b"", encoding=Framing())

    assert not framed.everything
    assert list(cohorts.filtered) == [framed] == wanting(cohorts, b"") == wanting(cohorts, b"A")


def test_each_encoding_has_cohorts_of_its_own() -> None:
    cohorts: Cohorts[str] = Cohorts()
    one, other = Framing(), Framing()
    first = joined(cohorts, b"A", encoding=one)

    assert joined(cohorts, b"A", encoding=one) is first
    assert joined(cohorts, b"A", encoding=other) is not first
    assert joined(cohorts, b"A") is not first
    assert len(wanting(cohorts, b"A")) == 3


def test_an_encoding_that_is_not_shared_serves_one() -> None:
    cohorts: Cohorts[str] = Cohorts()
    alone = Framing(shared=False)
    first = joined(cohorts, b"A", encoding=alone)

    with pytest.raises(AssertionError):
        cohorts.join([b"A"], alone)
    cohorts.leave(first)
    assert joined(cohorts, b"A", encoding=alone).members == 1


@pytest.mark.parametrize("more_lengths", [0, 9], ids=["few lengths", "more than the topic has"])
def test_each_cohort_is_matched_once(more_lengths: int) -> None:
    cohorts: Cohorts[str] = Cohorts()
    short, both = joined(cohorts, b"A"), joined(cohorts, b"AB", b"C")
    joined(cohorts, b"ABCD")
    for length in range(more_lengths):
        joined(cohorts, b"Z" * (length + 1))

    assert set(wanting(cohorts, b"ABC")) == {short, both}
    assert len(wanting(cohorts, b"ABC")) == 2
    assert wanting(cohorts, b"CAB") == [both]
    assert wanting(cohorts, b"") == []


def test_a_length_that_one_still_has_is_looked_up() -> None:
    cohorts: Cohorts[str] = Cohorts()
    gone, left = joined(cohorts, b"AB"), joined(cohorts, b"CD")
    shared = joined(cohorts, b"CD", b"E")
    cohorts.leave(gone)
    cohorts.leave(shared)

    assert (wanting(cohorts, b"CDE"), wanting(cohorts, b"AB"), wanting(cohorts, b"E")) == (
        [left],
        [],
        [],
    )


def test_remembered_matches_are_forgotten_when_wants_change_and_names_are_not() -> None:
    cohorts: Cohorts[str] = Cohorts()
    first = joined(cohorts, b"A")
    (append,) = cohorts.remember(7, b"AB")
    append(b"piece")
    assert (picks_of(first), list(cohorts.known_ids)) == ([[b"piece"]], [7])

    second = joined(cohorts, b"AB")
    assert (dict(cohorts.known_ids), cohorts.name(7)) == ({}, b"AB")
    assert len(cohorts.remember(7, b"AB")) == 2
    joined(cohorts, b"A")
    assert list(cohorts.known_ids) == [7], "one more who wants the same"
    cohorts.leave(second)
    assert dict(cohorts.known_ids) == {}


def test_as_many_ids_are_remembered_as_there_is_room_for() -> None:
    cohorts: Cohorts[str] = Cohorts(Tuning(topics_remembered=3))
    cohorts.remember(1, b"A")
    cohorts.remember(2, b"B")

    assert not cohorts.make_room(1)
    assert (cohorts.name(1), cohorts.name(3)) == (b"A", None)
    assert cohorts.make_room(2)
    assert (cohorts.name(1), cohorts.name(2), dict(cohorts.known_ids)) == (None, None, {})


def test_what_is_remembered_of_all_topics_together_is_bounded() -> None:
    """Of topics that begin with two prefixes; the others share what their prefix has."""
    cohorts: Cohorts[str] = Cohorts(Tuning(appends_remembered=10, shared_prefixes=0))
    for number in range(3):
        joined(cohorts, b"A", b"Z%d" % number)
        joined(cohorts, b"AB", b"Z%d" % number)

    assert cohorts.remember(1, b"A1") is cohorts.remember(2, b"A2")
    assert len(cohorts.remember(3, b"AB3")) == 6
    assert not cohorts.make_room(1)
    cohorts.remember(4, b"AB4")
    assert cohorts.make_room(1)
    assert (dict(cohorts.known_ids), cohorts.name(3)) == ({}, None)


def test_who_is_ready_again_has_picks_of_its_own_again() -> None:
    tuning = Tuning(shared_prefixes=1, parked_after=10, parked_after_ns=100)
    cohorts: Cohorts[str] = Cohorts(tuning)
    cohort = joined(cohorts, b"A", b"B")
    cohorts.add_ready(cohort, "member")
    cohorts.drop_ready(cohort, "member")
    cohorts.picked_for_nobody(cohort, 11, 1000)
    cohorts.add_ready(cohort, "member")
    cohorts.drop_ready(cohort, "member")
    cohorts.picked_for_nobody(cohort, 11, 1050)
    cohorts.picked_for_nobody(cohort, 100, 1149)
    assert cohort.direct, "who is full in a flood has room again before"
    cohorts.add_ready(cohort, "member")
    cohorts.drop_ready(cohort, "member")
    cohorts.picked_for_nobody(cohort, 11, 1200)
    cohorts.picked_for_nobody(cohort, 0, 1400)
    assert cohort.direct, "as few are picked in vain as parking costs"

    cohorts.picked_for_nobody(cohort, 1, 1401)
    assert (cohort.direct, list(cohorts.direct), len(cohorts.counting)) == (False, [], 2)
    assert not cohorts._idle, "only who may be parked is kept there"
    cohorts.add_ready(cohort, "member")
    assert (cohort.direct, list(cohorts.direct), len(cohorts.counting)) == (True, [cohort], 0)


def test_a_short_list_shares_picks_when_many_others_want_one_of_its_prefixes() -> None:
    cohorts: Cohorts[str] = Cohorts(Tuning(shared_prefixes=2, shared_from=2))
    few = [joined(cohorts, b"feed", b"inbox%d" % number) for number in range(2)]
    long = joined(cohorts, b"feed", b"A", b"B")
    more = [joined(cohorts, b"feed", b"inbox%d" % number) for number in range(2, 5)]
    other = joined(cohorts, b"inbox4")

    assert [cohort.direct for cohort in (*few, long, *more, other)] == [
        *(True, True, True),
        *(False, False, False),
        True,
    ]
    assert len(cohorts.appends(b"feed")) == 4, "however many share them"


def test_who_is_ready_again_with_a_short_list_has_picks_of_its_own_if_few_others_want_them() -> (
    None
):
    cohorts: Cohorts[str] = Cohorts(Tuning(shared_from=2, parked_after=0, parked_after_ns=0))
    inboxes = [joined(cohorts, b"feed", b"inbox%d" % number) for number in range(3)]
    first, *_, last = inboxes
    cohorts.picked_for_nobody(first, 10, 0)
    assert [cohort.direct for cohort in inboxes] == [False, True, False]
    for cohort in first, last:
        cohorts.add_ready(cohort, "member")
    assert [cohort.direct for cohort in inboxes] == [False, True, False], "three share the feed"
    cohorts.drop_ready(last, "member")
    cohorts.drop_ready(first, "member")

    cohorts.leave(first)
    cohorts.add_ready(last, "member")

    assert last.direct
    assert list(cohorts.direct) == inboxes[1:]
    assert not cohorts.counting
    for cohort in inboxes[1:]:
        cohorts.leave(cohort)
    assert not cohorts._sharers


def kept() -> int:
    """How many cohorts and prefixes there are in this process."""
    return sum(isinstance(one, (Cohort, Prefix)) for one in gc.get_objects())


def test_what_nobody_wants_any_more_is_gone_without_the_collector() -> None:
    """Workers run without it: a circle would stay for ever, and strangers choose how many."""
    cohorts: Cohorts[str] = Cohorts()
    gc.collect()
    before = kept()
    gc.disable()
    try:
        for number in range(20):
            few = joined(cohorts, b"few%d" % number)
            many = joined(cohorts, *(b"%d/%d" % (number, other) for other in range(20)))
            own = cohorts.join_own([b"own%d" % number])
            for cohort in (few, many, own):
                cohorts.add_ready(cohort, "member")
                cohorts.drop_ready(cohort, "member")
                cohorts.leave(cohort)
        del few, many, own, cohort
        after = kept()
    finally:
        gc.enable()

    assert after == before


def test_what_is_remembered_stays_true_when_an_own_cohort_has_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its prefixes are taken out later, and until then imply one another as before."""
    monkeypatch.setattr(wanted, "TAKEN_AT_ONCE", 0)
    cohorts: Cohorts[str] = Cohorts()
    cohort = cohorts.join_own({b"A", b"AB"})
    remembered = cohorts.remember(1, b"AB")
    cohorts.leave(cohort)

    assert cohorts.appends(b"AB") == remembered
    cohorts.take_out(1_000)
    assert cohorts.appends(b"AB") == ()
