"""Policies and rules as users give them: what is taken, and what is refused with which words."""

from __future__ import annotations

import ast
import inspect
from dataclasses import MISSING, fields
from typing import Any

import pytest

from fanout.errors import ConfigError
from fanout.terms.slow_policy import ACTIONS, SlowPolicy, SlowRule


@pytest.mark.parametrize("action", ACTIONS)
def test_a_policy_comes_back_from_its_plain_form(action: Any) -> None:
    policy = SlowPolicy(action, limit_bytes=10, limit_messages=20, limit_age=2.5, soft=1.0)
    assert SlowPolicy(**policy.as_dict()) == policy
    assert hash(SlowPolicy(**policy.as_dict())) == hash(policy)


def test_sizes_may_be_text() -> None:
    assert SlowPolicy(limit_bytes="4M", max_rate="64 KiB") == SlowPolicy(
        limit_bytes=4 << 20, max_rate=64 << 10
    )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"action": "drop"}, "'drop_oldest', 'drop_newest'"),
        ({"action": "conflat"}, "not 'conflat'; did you mean 'conflate'?"),
        ({"action": "Drop-Newest"}, "did you mean 'drop_newest'?"),
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


@pytest.mark.parametrize(
    ("kind", "name", "words"),
    [
        (SlowPolicy, "limit_message", "SlowPolicy has no 'limit_message'; did you mean 'limit_m"),
        (SlowPolicy, "hwm", "SlowPolicy has no 'hwm': it has action, limit_bytes, "),
        (SlowRule, "adress", "SlowRule has no 'adress'; did you mean 'address'?"),
    ],
)
def test_a_field_that_there_is_not_is_refused_with_one_that_there_is(
    kind: Any, name: str, words: str
) -> None:
    with pytest.raises(TypeError) as caught:
        kind(**{"policy": SlowPolicy(), name: 1} if kind is SlowRule else {name: 1})
    assert words in str(caught.value)


@pytest.mark.parametrize("kind", [SlowPolicy, SlowRule])
def test_type_checkers_are_told_of_the_fields_that_there_are(kind: type) -> None:
    """By a signature of their own, for it takes more than it has."""
    (source,) = [
        node
        for node in ast.walk(ast.parse(inspect.getsource(kind)))
        if isinstance(node, ast.FunctionDef) and node.name == "__init__"
    ]
    told = [one.arg for one in source.args.args]
    assert told == ["self", *inspect.signature(kind).parameters]
    optional = [one for one in fields(kind) if one.default is not MISSING]
    assert len(source.args.defaults) == len(optional)


@pytest.mark.parametrize("action", ACTIONS)
def test_a_rule_takes_an_action_alone(action: Any) -> None:
    assert SlowRule(action, topic=b"book.") == SlowRule(SlowPolicy(action), topic=b"book.")


def test_a_rule_takes_addresses_networks_and_topics_as_text() -> None:
    policy = SlowPolicy()
    assert SlowRule(policy, topic="book.").topic == b"book."
    for address in ("10.0.0.0/8", "192.0.2.7", "2001:db8::/32", "::1"):
        assert SlowRule(policy, address=address).address == address


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"policy": "lock"}, "or a SlowPolicy, not 'lock'; did you mean 'block'?"),
        ({"policy": None}, "or a SlowPolicy, not None"),
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


@pytest.mark.parametrize(
    ("given", "bound"),
    [
        ("tcp://*:46001", "tcp://0.0.0.0:46001"),
        ("tls://*:46001", "tls://0.0.0.0:46001"),
        ("tcp://localhost:46001", "tcp://127.0.0.1:46001"),
        ("tcp://127.0.0.1:46001", "tcp://127.0.0.1:46001"),
        ("tcp://[fe80::1%eth0]:46001", "tcp://[fe80::1%eth0]:46001"),
        ("tcp://[0::1]:46001", "tcp://[::1]:46001"),
        ("tls://[2001:DB8:0::1]:46001", "tls://[2001:db8::1]:46001"),
        ("tcp://[::FFFF:127.0.0.1]:46001", "tcp://[::ffff:127.0.0.1]:46001"),
        ("tcp://127.0.0.1:05556", "tcp://127.0.0.1:5556"),
        ("ipc:///run/feed.sock", "ipc:///run/feed.sock"),
        ("", ""),
    ],
)
def test_an_endpoint_of_a_rule_is_as_bind_returns_it(given: str, bound: str) -> None:
    assert SlowRule("conflate", endpoint=given).endpoint == bound


@pytest.mark.parametrize(
    ("given", "advice"),
    [
        ("tcp://127.0.0.1:*", "the real port, 1 to 65535: bind one that you choose"),
        ("tcp://*:0", "the real port, 1 to 65535"),
        ("tcp://*:99999", "the real port, 1 to 65535"),
        ("tcp://127.0.0.1", "the real port, 1 to 65535"),
        ("tcp://*:" + "1" * 5_000, "the real port, 1 to 65535"),
        ("tcp://[::1]", "the real port, 1 to 65535"),
        ("tcp://*:٣", "the real port, 1 to 65535"),
        ("TCP://127.0.0.1:46001", "tcp://, tls:// or ipc://, in small letters"),
        ("127.0.0.1:46001", "tcp://, tls:// or ipc://"),
        ("http://127.0.0.1:46001", "tcp://, tls:// or ipc://"),
        ("tcp://::1:46001", "an IPv6 address in brackets"),
        ("tcp://[::x]:46001", "an IPv6 address in brackets"),
        ("tcp://[]:46001", "an IPv6 address in brackets"),
        ("tcp://256.1.1.1:46001", "the address of an interface or a host name"),
        ("tcp://1.2:46001", "the address of an interface or a host name"),
        ("tcp://:46001", "the address of an interface or a host name"),
        ("tcp://\0:46001", "the address of an interface or a host name"),
        ("tcp://\ud800:46001", "the address of an interface or a host name"),
        ("tcp://eth0:46001", "the address of an interface or a host name"),
        ("ipc://*", "write that path"),
        ("ipc://", "write that path"),
    ],
)
def test_an_endpoint_that_would_fit_nobody_is_refused(given: str, advice: str) -> None:
    with pytest.raises(ConfigError, match="would fit nobody, for bind") as it:
        SlowRule("conflate", endpoint=given)
    assert advice in str(it.value)
