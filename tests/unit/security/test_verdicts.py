"""What a check is given, and what it may return."""

from __future__ import annotations

from typing import Any

import pytest

from fanout.security.verdicts import (
    Allow,
    Deny,
    Later,
    Request,
    Verdict,
    as_verdict,
    shown_text,
    shown_user,
)


def test_the_password_is_not_shown() -> None:
    request = Request(1, "127.0.0.1:5", "tcp://x", "PLAIN", "desk7", "geheim")
    assert "geheim" not in repr(request)
    assert "desk7" in repr(request)


@pytest.mark.parametrize(
    ("value", "verdict"),
    [
        (True, Allow()),
        (False, Deny()),
        (Allow("desk7"), Allow("desk7")),
        (Later("no database"), Later("no database")),
        (Deny("unknown"), Deny("unknown")),
    ],
)
def test_what_a_check_may_return(value: Any, verdict: Verdict) -> None:
    assert as_verdict(value) == verdict


@pytest.mark.parametrize("value", [None, 1, "yes", Allow, object()])
def test_nobody_is_let_in_by_anything_else(value: object) -> None:
    kind = "None" if value is None else f"a {type(value).__name__}"
    with pytest.raises(TypeError, match=rf"it returned {kind}, and must return auth\.Allow"):
        as_verdict(value)


@pytest.mark.parametrize(
    ("user", "shown"),
    [("desk7", "desk7"), ("Jürgen", "Jürgen"), ("a\nb", "a\\nb"), ("\udcff", "\\udcff"), ("", "")],
)
def test_a_user_is_shown_in_one_line(user: str, shown: str) -> None:
    assert shown_user(user) == shown


@pytest.mark.parametrize("verdict", [Later, Deny])
@pytest.mark.parametrize("text", [None, 5, b"no"])
def test_a_reason_is_a_text(verdict: Any, text: object) -> None:
    with pytest.raises(TypeError, match="the reason of a verdict is a str"):
        verdict(text)


@pytest.mark.parametrize(
    ("user", "error"), [(5, TypeError), (b"desk7", TypeError), ("x" * 256, ValueError)]
)
def test_a_user_is_a_short_text(user: Any, error: type[Exception]) -> None:
    """Else it would break what writes it down, in the publisher and not in the check."""
    with pytest.raises(error, match=r"auth\.Allow"):
        Allow(user)


def test_a_reason_is_shown_in_one_short_line() -> None:
    assert shown_text("a\nb\udcff") == "a\\nb\\udcff"
    assert shown_text("x" * 300) == "x" * 200


def test_what_somebody_may_have() -> None:
    assert Allow().prefixes is None
    assert Allow(subscribe=["a", b"b", "a", ""]).prefixes == (b"a", b"b", b"")
    assert Allow(subscribe=(one for one in "ab")) == Allow(subscribe=["a", "b"])


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ({"subscribe": "news"}, TypeError),
        ({"subscribe": [5]}, TypeError),
        ({"subscribe": map(str, range(1_001))}, ValueError),
        ({"expires": 0}, ValueError),
        ({"expires": float("nan")}, ValueError),
        ({"expires": float("inf")}, ValueError),
        ({"expires": "5"}, TypeError),
        ({"expires": True}, TypeError),
        ({"max_connections": 1.5}, TypeError),
        ({"max_connections": True}, TypeError),
        ({"max_connections": -1}, ValueError),
    ],
)
def test_what_nobody_may_be_allowed(wrong: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        Allow(**wrong)


def test_who_asks_is_named_by_what_he_has() -> None:
    assert Request(1, "p", "e", "CURVE", "", "", public_key="K").user == "K"
    assert Request(1, "p", "e", "PLAIN", "desk7", "").user == "desk7"
