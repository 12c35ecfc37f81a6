"""Policies and rules as users give them: what is taken, and what is refused with which words."""

from __future__ import annotations

from typing import Any

import pytest

from fanout.errors import ConfigError
from fanout.slow_policy import ACTIONS, SlowPolicy, SlowRule


@pytest.mark.parametrize("action", ACTIONS)
def test_a_policy_comes_back_from_its_plain_form(action: Any) -> None:
    policy = SlowPolicy(action, limit_bytes=10, limit_messages=20, limit_age=2.5, soft=1.0)
    assert SlowPolicy(**policy.as_dict()) == policy
    assert hash(SlowPolicy(**policy.as_dict())) == hash(policy)


def test_sizes_may_be_text() -> None:
    assert SlowPolicy(limit_bytes="4M", max_rate="64 KiB") == SlowPolicy(  # type: ignore[arg-type]
        limit_bytes=4 << 20, max_rate=64 << 10
    )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"action": "drop"}, "'drop_oldest', 'drop_newest'"),
        ({"action": ["block"]}, "must be one of"),
        ({"limit_bytes": -1}, "limit_bytes=-1"),
        ({"limit_bytes": "much"}, "a size such as '64K' or '1 MiB', not 'much'"),
        ({"limit_bytes": 1.5}, "a whole number of bytes, or a size"),
        ({"max_rate": "8Mbit"}, "a whole number of bytes, or a size"),
        ({"limit_messages": True}, "whole number, not True"),
        ({"limit_messages": 1 << 60}, "out of range"),
        ({"limit_age": -0.1}, "limit_age=-0.1"),
        ({"limit_age": float("nan")}, "out of range"),
        ({"soft": 0}, "soft=0"),
        ({"soft": 1.1}, "out of range 0 to 1"),
        ({"min_interval": 0.25}, "needs action='conflate'"),
        ({"max_rate": 0.5}, "whole number"),
    ],
)
def test_what_a_policy_refuses(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        SlowPolicy(**arguments)
    assert words in str(caught.value)


def test_a_rule_takes_addresses_networks_and_topics_as_text() -> None:
    policy = SlowPolicy()
    assert SlowRule(policy, topic="book.").topic == b"book."  # type: ignore[arg-type]
    for address in ("10.0.0.0/8", "192.0.2.7", "2001:db8::/32", "::1"):
        assert SlowRule(policy, address=address).address == address


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"policy": "block"}, "must be a SlowPolicy"),
        ({"address": "10.0.0.1/8"}, "neither an IP address nor a network"),
        ({"address": 10}, "must be a str"),
        ({"endpoint": b"tcp://*:1"}, "must be a str"),
        ({"name": "x" * 257}, "longer than 256"),
        ({"topic": 7}, "topic must be"),
    ],
)
def test_what_a_rule_refuses(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        SlowRule(**{"policy": SlowPolicy(), **arguments})
    assert words in str(caught.value)
