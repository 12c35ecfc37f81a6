"""Who was let in as whom, and what the program has said of him since."""

from __future__ import annotations

import threading

import pytest

from fanout.control.rights import Asked, Asks, Permit, Rights
from fanout.coordinator import access as module
from fanout.coordinator.access import Access
from fanout.coordinator.roster import Accepted
from fanout.errors import ConfigError


def connection(subscriber: int) -> Accepted:
    return Accepted(subscriber, subscriber, 0, f"peer:{subscriber}", "tcp://x", "zmtp+plain")


def enter(
    access: Access, subscriber: int, user: str = "desk7", *allowed: bytes, key: str = ""
) -> Accepted:
    made = connection(subscriber)
    access.enter(made, (user, key), allowed or None, None)
    return made


def test_who_may_have_everything_costs_a_worker_nothing() -> None:
    access = Access()
    made = connection(1)
    assert access.enter(made, ("boss", ""), None, None) is None
    assert list(access.rights_of(made, [b"a"])) == []


def test_what_the_program_says_counts_more_than_the_check() -> None:
    access = Access()
    first = enter(access, 1, "desk7", b"a")
    access.rule("desk7", (b"b",))
    second = connection(2)
    assert access.enter(second, ("desk7", ""), (b"a",), None) == Permit(2, 2, False, [b"b"])
    assert first.allowed == (b"a",)
    flag = threading.Event()
    assert access.change([first], flag) == [Permit(1, 3, False, [b"b"])]
    access.rule("desk7", None)
    assert access.change([first, second], flag) == [
        Permit(1, 4, False, [b"a"]),
        Permit(2, 5, False, [b"a"]),
    ]


def test_a_change_holds_when_all_go_by_it_or_are_gone() -> None:
    access = Access()
    both = [enter(access, one, "desk7", b"a") for one in (1, 2)]
    first, second = threading.Event(), threading.Event()
    access.change(both, first)  # with the numbers 3 and 4
    access.change(both, second)
    assert access.permitted(both[0], 2) == []
    assert access.permitted(both[0], 3) == []
    assert access.leave(both[1]) == [first]
    assert access.permitted(both[0], 4) == []
    assert access.permitted(both[0], 5) == [second]
    nobody = threading.Event()
    assert access.change([], nobody) == []
    assert nobody.is_set()


def test_a_worker_that_goes_on_is_told_all() -> None:
    access = Access()
    one = enter(access, 1, "desk7", b"a")
    access.permitted(one, 1)
    access.note_asked(Asked(1, [b"", b"secret"], []))
    access.note_asked(Asked(1, [b"b"], [b"", b"unknown"]))
    assert list(access.rights_of(one, [b"a"])) == [
        Rights(1, 1, False, [b"a"]),
        Asks(1, [b"b", b"secret"]),
    ]
    assert access.asked_bytes == 7
    access.leave(one)
    assert access.asked_bytes == 0
    assert not access.asked
    assert not access.by_user


def test_whose_worker_is_lost_before_it_has_said_what_is_asked_for() -> None:
    """It had everything until then: so what it wanted is what it has asked for; also later."""
    access = Access()
    one = enter(access, 1)
    access.rule("desk7", (b"a",))
    access.change([one], threading.Event())
    told = [Rights(1, 1, False, [b"a"]), Asks(1, [b"", b"x"])]
    assert list(access.rights_of(one, [b"", b"x"])) == told
    access.permitted(one, 1)
    assert list(access.rights_of(one, [b"a"])) == told


def test_who_is_sent_away_is_not_let_in_until_the_program_says_so() -> None:
    access = Access()
    enter(access, 1, key="K1")
    enter(access, 2, key="K2")
    assert access.refuse("desk7", None) == [1, 2]
    assert access.refuse(None, "K2") == [2]
    assert access.is_refused("desk7", "")
    assert access.is_refused("other", "K2")
    assert not access.is_refused("other", "K1")
    assert not access.is_refused("other", "")
    access.rule("desk7", None)
    access.rule("K2", (b"a",))
    assert not access.is_refused("desk7", "K2")


def test_what_the_program_says_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RULES_MAX", 2)
    monkeypatch.setattr(module, "RULES_BYTES_MAX", 3)
    access = Access()
    access.rule("a", (b"12",))
    access.rule("a", (b"123",))
    with pytest.raises(ConfigError, match="more than 3 bytes"):
        access.rule("b", (b"1",))
    access.refuse("b", None)
    access.refuse("b", None)
    for say in (lambda: access.rule("c", ()), lambda: access.refuse(None, "c")):
        with pytest.raises(ConfigError, match=r"take some of it back by permit\(user, None\)"):
            say()
    access.rule("b", None)
    access.rule("c", ())
    assert access.rules == {"a": (b"123",), "c": ()}


def test_time_is_over_once() -> None:
    access = Access()
    for subscriber, until in ((1, 5.0), (2, 3.0), (3, 9.0)):
        access.enter(connection(subscriber), ("desk7", ""), None, until)
    assert access.expired(2.9) == []
    assert access.expired(5.0) == [2, 1]
    assert access.expired(5.0) == []
    assert access.count("desk7") == 3
    assert access.count("nobody") == 0
