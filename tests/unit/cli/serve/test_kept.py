"""`--last-values` as text."""

from __future__ import annotations

import argparse

import pytest

from fanout import LastValues
from fanout.cli.main import build_parser
from fanout.cli.serve.arguments import publisher_options
from fanout.cli.serve.kept import kept_values


def options(*arguments: str) -> object:
    parsed = build_parser().parse_args(["serve", "--bind", "tcp://*:5556", *arguments])
    return publisher_options(parsed).get("last_values")


def test_alone_it_is_the_default() -> None:
    assert options("--last-values") == LastValues()
    assert options() is None


def test_what_is_kept_is_said_by_name() -> None:
    text = "topics=price.,max_topics=9,max_bytes=64M,max_age=2.5,topics=vol"

    assert options("--last-values", text) == LastValues([b"price.", b"vol"], 9, 64 << 20, 2.5)
    assert kept_values("max_bytes=100000").max_bytes == 100_000


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90), ("90s", 90), ("1.5m", 90), ("1h", 3600), ("2d", 172_800)]
)
def test_lengths_of_time_have_units(text: str, seconds: float) -> None:
    assert kept_values(f"max_age={text}").max_age == seconds


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("max_topic=3", "did you mean 'max_topics'"),
        ("max_topics=many", "is not a number"),
        ("max_topics=0", "out of range"),
        ("max_age=1w", "no length of time such as 90, 90s, 15m, 1h or 2d"),
        ("max_age=h", "no length of time"),
        ("max_age=", "no length of time"),
        ("max_age=nan", "must be seconds"),
        ("max_age=8d", "must be seconds"),
        ("max_bytes=x", "must be a whole number"),
        ("", "is none of topics=, max_topics="),
    ],
)
def test_what_cannot_be_is_refused(text: str, why: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match=why):
        kept_values(text)
