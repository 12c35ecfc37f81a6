"""What reserved subscriptions say, and what counts for nothing."""

from __future__ import annotations

import re
from typing import Any

import pytest

from fanout.terms.reserved import NAME_BYTES_MAX, RESERVED, RESERVED_MAX
from fanout.terms.slow_policy import ACTIONS
from fanout.workers.connections.reserved import (
    DECLINED_MAX,
    Reserved,
    UnknownError,
    Wishes,
    understood,
)
from fanout.workers.connections.since import Since


def reserved(*said: bytes, may_block: bool = False) -> Reserved:
    made = Reserved(may_block=may_block)
    for one in said:
        assert made.add(RESERVED + one) == ""
    return made


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        (b"limit_messages=1000", ("limit_messages", 1000)),
        (b"limit_bytes=0", ("limit_bytes", 0)),
        (b"limit_age=2.5", ("limit_age", 2.5)),
        (b"min_interval=1", ("min_interval", 1.0)),
        (b"max_rate=1024", ("max_rate", 1024)),
        (b"gap", ("gap", 1)),
        (b"gap=all", ("gap=all", 2)),
        (b"since", ("since, told", True)),
        (b"since=-3", ("since", Since(messages=3))),
        (b"values=off", ("values", "off")),
        (b"values=all", ("values", "all")),
        (b"name=desk7", ("name", "desk7")),
        (b"name=a=b", ("name", "a=b")),
        ("name=Büro".encode(), ("name", "Büro")),
        (b"name=" + b"x" * NAME_BYTES_MAX, ("name", "x" * NAME_BYTES_MAX)),
        *((f"policy={action}".encode(), ("action", action)) for action in ACTIONS),
    ],
)
def test_what_is_understood(said: bytes, meant: tuple[str, Any]) -> None:
    assert understood(RESERVED + said) == meant


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (b"", "no such thing"),
        (b"policy", "no such thing"),
        (b"gap=", "no such thing"),
        (b"gap=some", "no such thing"),
        (b"limit_age", "no such thing"),
        (b"soft=0.5", "no such thing"),
        (b"Policy=conflate", "no such thing"),
        (b"policy=drop", "one of drop_oldest, drop_newest"),
        (b"policy=Conflate", "one of .*; did you mean 'conflate'"),
        (b"policy=" + b"x" * 200, "one of"),
        (b"limit_message=5", "no such thing to say; did you mean 'limit_messages'"),
        (b"action=block", "no such thing to say; did you mean 'policy'"),
        (b"gap=ALL", "it is gap or gap=all"),
        (b"values=on", "it is values=off or values=all"),
        (b"limit_messages=", "not a whole number"),
        (b"limit_messages=-1", "not a whole number"),
        (b"limit_messages=1.5", "not a whole number"),
        (b"limit_messages=4M", "not a whole number"),
        (b"limit_messages= 1", "not a whole number"),
        (b"limit_messages=" + b"9" * 16, "not a whole number"),
        (b"limit_messages=" + b"9" * 15, "out of range"),
        ("limit_messages=\N{ARABIC-INDIC DIGIT SIX}".encode(), "not a whole number"),
        (b"limit_age=nan", "not a number of seconds"),
        (b"limit_age=1e3", "not a number of seconds"),
        (b"limit_age=86401", "out of range"),
        (b"name=", "not printable, or empty"),
        (b"name=\x1b[31m", "not printable"),
        (b"name=a\nb", "not printable"),
        (b"name=\xff", "not text"),
        (b"\xff=1", "not text"),
        (b"name=" + b"x" * (NAME_BYTES_MAX + 1), "longer than 64 bytes"),
    ],
)
def test_what_is_not_understood_and_why(said: bytes, why: str) -> None:
    with pytest.raises(UnknownError, match=why) as caught:
        understood(RESERVED + said)
    assert len(str(caught.value)) < 400
    made = Reserved(may_block=True)
    assert re.search(why, made.add(RESERVED + said))
    assert made.wishes == Wishes()


def test_of_several_with_one_key_the_last_one_counts_and_cancelling_goes_back() -> None:
    made = reserved(b"limit_age=1", b"limit_age=2", b"name=a", b"limit_age=3")
    assert made.wishes == Wishes("a", {"limit_age": 3.0})
    made.cancel(RESERVED + b"limit_age=2")
    assert made.wishes.settings == {"limit_age": 3.0}
    made.cancel(RESERVED + b"limit_age=3")
    assert made.wishes.settings == {"limit_age": 1.0}
    made.cancel(RESERVED + b"name=a")
    made.cancel(RESERVED + b"limit_age=1")
    made.cancel(RESERVED + b"limit_age=1")
    assert made.wishes == Wishes()


def test_last_values_are_none_or_all_or_those_that_are_newer_than_what_it_has() -> None:
    made = reserved(b"values=off", b"values=all")
    assert (made.wishes.values, made.wishes.older) == (True, True)
    made.cancel(RESERVED + b"values=all")
    assert (made.wishes.values, made.wishes.older) == (False, False)
    made.cancel(RESERVED + b"values=off")
    assert (made.wishes.values, made.wishes.older) == (True, False)


def test_what_is_said_again_is_the_last_one() -> None:
    made = reserved(b"policy=conflate", b"policy=drop_newest", b"policy=conflate")
    assert made.wishes.settings == {"action": "conflate"}
    made.cancel(RESERVED + b"policy=conflate")
    assert made.wishes.settings == {"action": "drop_newest"}


def test_what_is_wrong_leaves_what_was_right() -> None:
    made = reserved(b"limit_age=1")
    assert made.add(RESERVED + b"limit_age=never")
    assert made.wishes.settings == {"limit_age": 1.0}


def test_who_may_not_block_does_not() -> None:
    made = reserved(b"policy=conflate")
    assert "not for subscribers" in made.add(RESERVED + b"policy=block")
    assert made.wishes.settings == {"action": "conflate"}
    assert reserved(b"policy=block", may_block=True).wishes.settings == {"action": "block"}


def test_one_says_so_much_and_no_more() -> None:
    made = reserved(*(b"limit_age=%d" % number for number in range(RESERVED_MAX)))
    assert f"more than {RESERVED_MAX}" in made.add(RESERVED + b"name=one too many")
    assert made.wishes.name == ""
    made.cancel(RESERVED + b"limit_age=7")
    assert made.add(RESERVED + b"name=now there is room") == ""


def test_who_is_told_often_enough_is_told_no_more() -> None:
    made = Reserved(may_block=False)
    reasons = [made.add(RESERVED + b"x%d" % number) for number in range(DECLINED_MAX + 5)]
    assert [bool(reason) for reason in reasons] == [True] * DECLINED_MAX + [False] * 5
    says_so = [reason.endswith("cannot have is not told") for reason in reasons]
    assert says_so.index(True) == DECLINED_MAX - 1
    assert says_so.count(True) == 1


def test_who_says_the_same_again_is_told_of_it_once_and_still_of_all_others() -> None:
    made = Reserved(may_block=False)
    told = [made.add(RESERVED + b"limit_age=never") for _ in range(100)]
    assert [bool(reason) for reason in told] == [True] + [False] * 99
    others = [made.add(RESERVED + b"x%d" % number) for number in range(DECLINED_MAX - 1)]
    assert all(others)
    made.cancel(RESERVED + b"limit_age=never")
    assert made.add(RESERVED + b"limit_age=never") == ""  # by now it has been told enough


def test_what_is_declined_takes_nothing_from_what_is_said_before_and_after_it() -> None:
    """One by one, in any order, taken back in any order."""
    good = [b"limit_bytes=9", b"policy=conflate", b"min_interval=1", b"name=x"]
    bad = [b"limit_bytes=-9", b"policy=block", b"min_interval=1e9", b"name="]
    expected = Wishes("x", {"limit_bytes": 9, "action": "conflate", "min_interval": 1.0})
    for order in ((*bad, *good), (*good, *bad), tuple(sum(zip(bad, good, strict=True), ()))):
        made = Reserved(may_block=False)
        assert sum(bool(made.add(RESERVED + one)) for one in order) == len(bad)
        assert made.wishes == expected
        for one in bad:
            made.cancel(RESERVED + one)
            assert made.wishes == expected
        for one in good:
            made.cancel(RESERVED + one)
        assert made.wishes == Wishes()
