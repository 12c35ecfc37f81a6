"""A cohort: who wants what, running numbers of it, and what another worker is told of it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanout.shm.census import minimal
from fanout.workers.stream.cohort import LENGTHS_MAX, Cohort, Prefix, cohort_of

TOPICS = st.binary(max_size=5).map(lambda one: bytes(byte % 3 for byte in one))
KEYS = st.frozensets(TOPICS, min_size=1, max_size=8)


def made(*prefixes: bytes) -> Cohort[Any]:
    return Cohort(frozenset(prefixes))


@given(KEYS, st.frozensets(TOPICS, max_size=4), TOPICS)
def test_it_wants_what_begins_with_one_and_with_none_that_it_goes_without(
    key: frozenset[bytes], without: frozenset[bytes], topic: bytes
) -> None:
    cohort: Cohort[Any] = Cohort(minimal(key), None, Cohort(without) if without else None)
    excluded = any(topic.startswith(one) for one in without)
    assert cohort.wants(topic) == (any(map(topic.startswith, key)) and not excluded)


@given(st.integers(0, 2 * LENGTHS_MAX), st.binary(max_size=3))
def test_prefixes_of_very_many_lengths(size: int, more: bytes) -> None:
    """Of these not every length is tried."""
    key = {b"\x01" * length + b"\x02" for length in range(2 * LENGTHS_MAX)}
    for cohort in (Cohort[Any](frozenset(key)), Cohort[Any](key | {b"\x01\x02\x03"})):
        for topic in (b"\x01" * size + b"\x02" + more, b"\x01" * size + b"\x00" + more, more):
            assert cohort.wants(topic) == any(map(topic.startswith, key))


def test_what_was_known_of_its_key_is_forgotten_when_that_is_changed() -> None:
    key = {b"a"}
    cohort: Cohort[Any] = Cohort(key)
    cohort.topics = 1, 1, {b"a": None}
    assert not cohort.wants(b"bc")
    key.add(b"bc")
    cohort.changed()
    assert cohort.wants(b"bc")
    assert cohort.topics is None


def test_everything_is_what_lies_in_the_log() -> None:
    assert made(b"").everything
    assert not made(b"a").everything
    assert not Cohort[Any](frozenset((b"",)), None, made(b"a")).everything
    encoding: Any = object()
    assert not Cohort[Any](frozenset((b"",)), encoding).everything


def test_what_is_kept_for_who_leaves_never_changes() -> None:
    one = made(b"a")
    assert one.keep() is one
    assert one.kept
    key = {b"a", b"ab"}
    own: Cohort[Any] = Cohort(key)
    kept = own.keep()
    key.add(b"b")
    assert (kept is own, kept.wants(b"b"), kept.wants(b"a")) == (False, False, True)
    assert (own.is_minimal, one.is_minimal) == (False, True)
    assert own.minimal_key == {b"a", b"b"}


@pytest.mark.unmeasured
@given(KEYS, st.frozensets(TOPICS, max_size=3))
def test_another_worker_is_told_all_of_it(key: frozenset[bytes], without: frozenset[bytes]) -> None:
    cohort: Cohort[Any] = Cohort(minimal(key), None, Cohort(without) if without else None)
    other = cohort_of(cohort.packed(), None)
    assert other.key == cohort.key
    assert (other.without.key if other.without else frozenset()) == without


def test_its_picks_are_measured_once_and_count_until_they_are_emptied() -> None:
    cohort = made(b"a")
    [append] = cohort.appends
    append(b"12345")
    assert (cohort.matched, cohort.matched_bytes) == (0, 5)
    assert cohort.size == 5, "whoever asks for them next need not look again"
    cohort.counted, cohort.counted_bytes = 3, 100
    cohort.picks.clear()
    cohort.size = 0
    assert (cohort.matched, cohort.matched_bytes) == (3, 100)


def test_who_counts_by_prefixes_adds_up_theirs() -> None:
    prefixes = [Prefix[Any](), Prefix[Any]()]
    cohort = made(b"a", b"b")
    cohort.counted, cohort.counted_bytes = 10, 1_000
    cohort.prefixes = tuple(prefixes)
    prefixes[0].counting = 1
    prefixes[0].members = 3
    prefixes[0].changed()
    for message in (b"12", b"345"):
        for append in prefixes[0].appends:
            append(message)
    prefixes[1].total, prefixes[1].total_bytes = 7, 70

    assert cohort.matched_bytes == 1_000 + 5 + 70
    assert prefixes[0].count() == 2 * 3, "messages, for each member"
    assert cohort.matched == 10 + 2 + 7


def send(prefix: Prefix[Any], message: bytes) -> int:
    """To all to whom it goes; how many they are."""
    for append in prefix.appends:
        append(message)
    return len(prefix.appends)


def test_a_message_goes_to_all_that_are_filled_directly_and_to_who_counts() -> None:
    prefix = Prefix[Any]()
    one, other = made(b"a"), made(b"ab")
    assert send(prefix, b"for nobody") == 0
    prefix.direct = {one: None, other: None}
    assert send(prefix, b"for nobody") == 0, "the same until it is told that it has changed"
    prefix.changed()
    assert prefix.appends is prefix.appends
    assert send(prefix, b"x") == 2
    assert (one.picks, other.picks, prefix.picks) == ([b"x"], [b"x"], [])
    prefix.counting = 1
    prefix.changed()
    assert send(prefix, b"y") == 3
    assert (one.picks, other.picks, prefix.picks) == ([b"x", b"y"], [b"x", b"y"], [b"y"])
