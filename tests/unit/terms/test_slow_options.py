"""The options of slow subscribers: short forms, plain forms, and limits that a log can hold to."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import msgpack
import pytest

from fanout.errors import ConfigError
from fanout.options import Options, make_options
from fanout.terms.slow_options import RULES_MAX, as_policy, as_rules
from fanout.terms.slow_policy import ACTIONS, SlowPolicy, SlowRule

MIB = 1 << 20
RULE = SlowRule(SlowPolicy("conflate", min_interval=0.5), address="10.0.0.0/8", topic=b"book.\xff")


@pytest.mark.parametrize("action", ACTIONS)
def test_an_action_alone_is_a_policy(action: Any) -> None:
    assert as_policy("policy", action) == SlowPolicy(action)
    assert Options(slow_policy=action).policy == SlowPolicy(action)


def test_the_short_form_has_a_limit_beside_it_and_the_long_one_in_it() -> None:
    assert Options(slow_limit_bytes=5).policy == SlowPolicy("drop_oldest", 5)
    assert Options(slow_policy="block", slow_limit_bytes=5).policy == SlowPolicy("block")
    with pytest.raises(ConfigError, match="in a SlowPolicy it is limit_bytes"):
        Options(slow_policy=SlowPolicy(), slow_limit_bytes=5)


def test_options_come_back_from_their_plain_form_as_a_worker_gets_it() -> None:
    options = make_options(
        {"slow_policy": SlowPolicy("disconnect", limit_age=2.5), "slow_rules": [RULE, RULE],
         "self_service_max": SlowPolicy("block", 7), "self_service": False}
    )  # fmt: skip
    plain = msgpack.unpackb(msgpack.packb(asdict(options)))

    assert Options(**plain) == options
    assert options.slow_rules == (RULE, RULE)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"slow_policy": "drop"}, "slow_policy must be 'drop_oldest', .* or a SlowPolicy"),
        ({"slow_policy": {"action": "drop"}}, "must be one of"),
        ({"slow_policy": {"limit": 1}}, "slow_policy is no SlowPolicy: .*limit"),
        ({"slow_policy": "disconect"}, "not 'disconect'; did you mean 'disconnect'"),
        ({"slow_policy": SlowPolicy(limit_bytes=MIB)}, "slow_policy: limit_bytes=1,048,576 is mo"),
        ({"slow_policy": SlowPolicy(limit_messages=8_193)}, "limit_messages=8,193 .* is 8,192"),
        ({"self_service_max": SlowPolicy(limit_bytes=MIB)}, "self_service_max: limit_bytes"),
        ({"self_service_max": 3}, "self_service_max must be"),
        ({"slow_rules": [SlowRule(SlowPolicy(limit_bytes=MIB))]}, r"slow_rules\[0\]: limit_bytes"),
        ({"slow_rules": RULE}, "slow_rules must be a list of SlowRule"),
        ({"slow_rules": "desk*"}, "slow_rules must be a list of SlowRule, not 'desk"),
        ({"slow_rules": [SlowPolicy()]}, r"slow_rules\[0\] must be a SlowRule, not SlowPolicy"),
        ({"slow_rules": [RULE, {"name": "x"}]}, r"slow_rules\[1\] has no 'policy': .* not {'name'"),
        ({"slow_rules": [RULE, {"policy": 1}]}, r"slow_rules\[1\]\.policy must be"),
        (
            {"slow_rules": [{"policy": "block", "nome": "x"}]},
            "'nome'; did you mean 'name'",
        ),
        ({"slow_rules": [RULE] * (RULES_MAX + 1)}, "slow_rules has 1,001 rules"),
    ],
)
def test_what_is_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        make_options({"log_bytes": MIB, **options})


def test_rules_may_be_any_iterable_and_have_the_short_form_of_a_policy() -> None:
    assert as_rules("rules", iter([RULE])) == (RULE,)
    assert as_rules("rules", [{"policy": "block", "name": "a*"}]) == (
        SlowRule(SlowPolicy("block"), name="a*"),
    )
