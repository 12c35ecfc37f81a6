"""What one gets of what he asks for; tests/property/test_rights.py has the rule."""

from __future__ import annotations

import pytest

from fanout.workers.connections.rights import Allowed, SubscriberRights


@pytest.mark.parametrize(
    ("asked", "granted"),
    [
        (b"", [b"md.eu.", b"md.us.1", b"news"]),
        (b"md", [b"md.eu.", b"md.us.1"]),
        (b"md.eu.", [b"md.eu."]),
        (b"md.eu.5", [b"md.eu.5"]),
        (b"md.us", [b"md.us.1"]),
        (b"newsletter", [b"newsletter"]),
        (b"secret", []),
        (b"\x00", []),
    ],
)
def test_of_what_is_broader_it_gets_what_lies_within(asked: bytes, granted: list[bytes]) -> None:
    allowed = Allowed([b"news", b"md.eu.", b"md.us.1"])
    assert list(allowed.of(asked)) == granted


def test_everything_and_nothing() -> None:
    assert list(Allowed(None).of(b"x")) == [b"x"]
    assert list(Allowed([]).of(b"")) == []
    assert list(Allowed([b""]).of(b"x")) == [b"x"]


def test_what_two_things_lead_to_is_wanted_until_both_are_taken_back() -> None:
    asked = {b"", b"md.eu."}
    rights = SubscriberRights([b"md.eu."], asked)
    assert rights.change([b"", b"md.eu."], []).added == [b"md.eu."]
    asked.discard(b"")
    assert rights.change([], [b""]).cancelled == []
    asked.clear()
    assert rights.change([], [b"md.eu."]).cancelled == [b"md.eu."]


def test_what_comes_and_goes_at_once_is_as_if_it_had_not() -> None:
    """A summary of what was read has only the last of both."""
    asked = {b"a"}
    rights = SubscriberRights([b"a"], asked)
    rights.renew([b"a"])
    assert rights.change([b"a"], [b"b"]) == ([], [], [])
    asked.clear()
    assert rights.change([], [b"a"]).cancelled == [b"a"]


def test_broad_ones_cost_no_more_than_the_rights_have_bytes() -> None:
    """1,000 long rights, and all that is broader: each right is within its own bytes of these."""
    allowed = [b"x" * 60 + b"%03d" % number for number in range(1_000)]
    asked = {b"x" * size for size in range(61)}
    rights = SubscriberRights(allowed, asked)
    rights.change(sorted(asked), [])
    assert sum(rights._reasons.values()) == 61 * 1_000
    assert rights.wants == set(allowed)


def test_what_it_is_told_it_is_told_once() -> None:
    rights = SubscriberRights([], set())
    rights.denied = b"told"
    assert (rights.take_denied(), rights.take_denied()) == (b"told", b"")
