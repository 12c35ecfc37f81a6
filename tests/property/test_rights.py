"""Rights against a naive model: what is wanted is what is asked for and may be had."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fanout.workers.connections.rights import SubscriberRights

PREFIXES = st.text("ab", max_size=4).map(str.encode)
SETS = st.frozensets(PREFIXES, max_size=6)
ALLOWED = st.none() | SETS
# What is asked for, and taken back, in one read; or new rights.
STEPS = st.lists(st.tuples(SETS, SETS) | st.tuples(st.just("renew"), ALLOWED), max_size=8)
TOPICS = [b"", *(bytes(text, "ascii") for text in ("a", "ab", "aba", "abab", "bbbbb", "baab"))]


def may(allowed: frozenset[bytes] | None, topic: bytes) -> bool:
    return allowed is None or any(topic.startswith(one) for one in allowed)


@given(ALLOWED, STEPS)
def test_what_is_wanted_is_what_is_asked_for_and_allowed(
    allowed: frozenset[bytes] | None, steps: list[tuple[object, object]]
) -> None:
    asked: set[bytes] = set()
    rights = SubscriberRights(allowed, asked)
    reported: set[bytes] = set()
    for first, second in steps:
        if first == "renew":
            allowed = second  # type: ignore[assignment]
            granted = rights.renew(allowed)
            refused = {one for one in asked if not _gets(allowed, one)}
        else:
            added, cancelled = set(first), set(second) - set(first)  # type: ignore[call-overload]
            new = added - asked
            asked -= cancelled
            asked |= added
            granted = rights.change([*added], [*cancelled])
            refused = {one for one in new if not _gets(allowed, one)}
        assert set(granted.refused) == refused
        assert not reported.intersection(granted.added)
        assert reported.issuperset(granted.cancelled)
        reported -= set(granted.cancelled)
        reported |= set(granted.added)
        assert rights.wants == reported
        for topic in TOPICS:
            wanted = any(topic.startswith(one) for one in asked) and may(allowed, topic)
            assert any(topic.startswith(one) for one in rights.wants) == wanted


def _gets(allowed: frozenset[bytes] | None, prefix: bytes) -> bool:
    return may(allowed, prefix) or any(one.startswith(prefix) for one in allowed or ())


@given(ALLOWED, SETS, SETS)
def test_who_goes_on_with_it_comes_to_the_same(
    allowed: frozenset[bytes] | None, asked: frozenset[bytes], wants: frozenset[bytes]
) -> None:
    """Whatever the worker before had reported of it."""
    fresh = SubscriberRights(allowed, asked)
    fresh.renew(allowed)
    again = SubscriberRights(None, asked, wants)
    granted = again.renew(allowed)
    assert again.wants == fresh.wants == wants - set(granted.cancelled) | set(granted.added)
