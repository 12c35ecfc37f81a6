"""Policies and rules as arguments: their short forms, and whether a log can hold to them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, TypeVar, cast

from fanout.errors import ConfigError
from fanout.terms.arguments import shown
from fanout.terms.slow_policy import LOG_PART, SlowPolicy, SlowRule, check_action

if TYPE_CHECKING:
    from fanout.terms.slow_policy import Action

T = TypeVar("T", SlowPolicy, SlowRule)

RULES_MAX = 1_000  # each may be looked at for each change of each subscriber


def as_policy(name: str, value: object) -> SlowPolicy:
    """The policy that an argument says: a `SlowPolicy`, its action alone, or its plain form.

    Raises:
        ConfigError: it is none; the text names the argument.
    """
    if isinstance(value, SlowPolicy):
        return value
    if isinstance(value, Mapping):
        return _from_plain(name, SlowPolicy, value)
    check_action(name, value, instead=" or a SlowPolicy")
    return SlowPolicy(cast("Action", value))


def as_rules(name: str, value: object) -> tuple[SlowRule, ...]:
    """The rules that an argument says, each a `SlowRule` or its plain form.

    Raises:
        ConfigError: they are none, or too many; the text names the argument.
    """
    if isinstance(value, str | bytes | Mapping) or not isinstance(value, Iterable):
        raise ConfigError(f"{name} must be a list of SlowRule, not {shown(value)}")
    rules = []
    for number, rule in enumerate(value):
        if isinstance(rule, Mapping):
            if "policy" not in rule:
                text = f"{name}[{number}] has no 'policy': a rule is SlowRule(policy, topic=...)"
                raise ConfigError(f"{text}, not {shown(rule)}")
            policy = as_policy(f"{name}[{number}].policy", rule["policy"])
            rule = _from_plain(name, SlowRule, {**rule, "policy": policy})
        if not isinstance(rule, SlowRule):
            raise ConfigError(f"{name}[{number}] must be a SlowRule, not {shown(rule)}")
        rules.append(rule)
    if len(rules) > RULES_MAX:
        raise ConfigError(f"{name} has {len(rules):,} rules, {RULES_MAX:,} are allowed")
    return tuple(rules)


def check_limits(name: str, policy: SlowPolicy, log_bytes: int, log_messages: int) -> None:
    """Refuse limits that no subscriber would ever reach, for a log of that size is too small.

    Raises:
        ConfigError: the text names the argument, and what to change.
    """
    if policy.limit_bytes > log_bytes // LOG_PART:
        raise ConfigError(
            f"{name}: limit_bytes={policy.limit_bytes:,} is more than half of "
            f"log_bytes={log_bytes:,}: raise log_bytes or lower the limit"
        )
    most = log_messages // LOG_PART
    if policy.limit_messages > most:
        raise ConfigError(
            f"{name}: limit_messages={policy.limit_messages:,} is more than half of what the index "
            f"of a log of log_bytes={log_bytes:,} holds, which is {most:,}: raise log_bytes or "
            "lower the limit"
        )


def _from_plain(name: str, kind: type[T], plain: Mapping[str, object]) -> T:
    try:
        return kind(**plain)  # type: ignore[arg-type]  # it checks them
    except TypeError as error:
        raise ConfigError(f"{name} is no {kind.__name__}: {error}") from None
