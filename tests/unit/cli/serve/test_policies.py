"""Policies as text."""

from __future__ import annotations

import argparse

import pytest

from fanout.cli.arguments import UsageError
from fanout.cli.main import build_parser
from fanout.cli.serve.arguments import publisher_options
from fanout.cli.serve.policies import slow_limit, slow_rule
from fanout.errors import ConfigError
from fanout.options import Options
from fanout.terms.slow_policy import SlowPolicy, SlowRule


def options_of(*line: str) -> Options:
    parsed = build_parser().parse_args(["serve", "--bind", "tcp://*:5556", *line])
    return Options(**publisher_options(parsed))


def test_limits() -> None:
    assert slow_limit("limit_messages=1K, limit_age=2.5,soft=0.25") == {
        "limit_messages": 1_024,
        "limit_age": 2.5,
        "soft": 0.25,
    }


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        (
            "conflate,min_interval=0.25,name=desk*",
            SlowRule(SlowPolicy("conflate", min_interval=0.25), name="desk*"),
        ),
        (
            "disconnect,limit_bytes=4M,address=10.0.0.0/8,endpoint=tcp://*:5556",
            SlowRule(
                SlowPolicy("disconnect", limit_bytes=4 << 20),
                address="10.0.0.0/8",
                endpoint="tcp://*:5556",
            ),
        ),
        ("block,topic=a\\,b\\\\=c", SlowRule(SlowPolicy("block"), topic=b"a,b\\=c")),
        ("block,topic=\udcff\u00e4", SlowRule(SlowPolicy("block"), topic=b"\xff\xc3\xa4")),
    ],
)
def test_rules(text: str, rule: SlowRule) -> None:
    assert slow_rule(text) == rule


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "'' is none of limit_bytes="),
        ("limit_age", "'limit_age' is none of"),
        ("age=3", "'age=3' is none of limit_bytes=, limit_messages=, limit_age=, soft="),
        ("limit_age=", "limit_age= has no value"),
        ("limit_age=soon", "limit_age=soon is not a number"),
        ("limit_bytes=1.5", "limit_bytes=1.5 is not a whole number, such as 65536, 64K"),
        ("soft=1,soft=1", "soft is there twice"),
        ("soft=1\\", "nothing behind the last backslash"),
        ("name=desk", "'name=desk' is none of"),
    ],
)
def test_limits_that_are_none(text: str, words: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError) as error:
        slow_limit(text)
    assert words in str(error.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "must begin with an action, drop_oldest, drop_newest"),
        ("name=desk", "must begin with an action"),
        ("conflate", "does not say for whom, with endpoint=, address=, topic= or name="),
        ("conflate,limit_age=3", "for everybody it is --slow-policy"),
        ("conflate,name=a,name=b", "name is there twice"),
        ("conflate,limit_age=3,limit_age=3,name=a", "limit_age is there twice"),
        ("conflate,who=me", "'who=me' is none of endpoint="),
        ("conflate,address=everywhere", "neither an IP address nor a network"),
        ("block,min_interval=1,name=a", "needs action='conflate'"),
        ("conflate,limit_age=-1,name=a", "out of range"),
        ("conflate,limit_age=nan,name=a", "limit_age"),
    ],
)
def test_rules_that_are_none(text: str, words: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError) as error:
        slow_rule(text)
    assert words in str(error.value)


def test_what_is_given_is_what_the_publisher_gets() -> None:
    assert options_of().policy == SlowPolicy()
    assert options_of("--slow-policy", "conflate").policy == SlowPolicy("conflate")
    short = options_of("--slow-limit-bytes", "1M")
    assert (short.slow_policy, short.slow_limit_bytes) == ("drop_oldest", 1 << 20)
    limits = ("--slow-limit", "limit_age=2", "--slow-limit", "limit_messages=10,soft=1")
    long = options_of("--slow-policy", "drop_newest", *limits, "--slow-limit-bytes", "1M")
    assert long.policy == SlowPolicy(
        "drop_newest", limit_bytes=1 << 20, limit_messages=10, limit_age=2, soft=1
    )
    assert options_of("--slow-limit", "limit_age=2").policy == SlowPolicy(limit_age=2)


def test_rules_and_the_name_are_handed_on_in_order() -> None:
    options = options_of(
        *("--slow-rule", "block,name=a", "--slow-rule", "conflate,topic=b", "--name", "quotes")
    )
    assert [rule.policy.action for rule in options.slow_rules] == ["block", "conflate"]
    assert options.name == "quotes"


def test_limits_that_do_not_go_together() -> None:
    with pytest.raises(UsageError, match="limit_age is there twice"):
        options_of("--slow-limit", "limit_age=2", "--slow-limit", "limit_age=2")
    with pytest.raises(UsageError, match="limit_bytes is there twice"):
        options_of("--slow-limit", "limit_bytes=2", "--slow-limit-bytes", "2")
    with pytest.raises(ConfigError, match="needs action='conflate'"):
        options_of("--slow-limit", "min_interval=2")
    with pytest.raises(ConfigError, match="more than half of log_bytes"):
        options_of("--slow-limit", "limit_bytes=1G")
