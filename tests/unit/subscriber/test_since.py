"""From where on a subscriber begins, as its user says it."""

from __future__ import annotations

from typing import Any

import pytest

from fanout.errors import ConfigError
from fanout.subscriber.since import since_of


@pytest.mark.parametrize(
    ("said", "is_meant"),
    [
        (None, b""),
        ("-10s", b"\x00fanout.since=-10s"),
        ("-2.5s", b"\x00fanout.since=-2.5s"),
        ("-1000", b"\x00fanout.since=-1000"),
        ("10s", b"\x00fanout.since=-10s"),
        ("2.5s", b"\x00fanout.since=-2.5s"),
        ("1000", b"\x00fanout.since=-1000"),
        ("00000000000000ff:7", (255, 7)),
        ((255, 7), (255, 7)),
    ],
)
def test_what_can_be_said(said: Any, is_meant: Any) -> None:
    assert since_of(said) == is_meant


@pytest.mark.parametrize(
    "said", ["", "+10s", "--10s", "s", "-s", "-10m", "ff:7", "-\uff11", (1, -1), (1 << 63, 1)]
)
def test_what_says_nothing(said: Any) -> None:
    with pytest.raises(ConfigError, match="since"):
        since_of(said)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (10, "'-1000'.*not 10"),
        (b"-10s", "'-10s'.*not b'-10s'"),
        ((1,), "two whole numbers"),
        ((1, "2"), "two whole numbers"),
        ((True, 2), "two whole numbers"),
    ],
)
def test_what_is_of_a_wrong_type(said: Any, told: str) -> None:
    with pytest.raises(TypeError, match=told):
        since_of(said)
