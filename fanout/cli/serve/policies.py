r"""Policies for slow subscribers as text: `--slow-policy`, `--slow-limit` and `--slow-rule`.

The names are those of `SlowPolicy` and `SlowRule`. Parts are divided by commas; a comma in a value
is written `\,` and a backslash `\\`.
"""

from __future__ import annotations

import argparse
import os
import re
from dataclasses import fields
from typing import Any

from fanout.cli.arguments import UsageError
from fanout.errors import ConfigError
from fanout.terms.arguments import did_you_mean, read_size
from fanout.terms.slow_policy import ACTIONS, SlowPolicy, SlowRule

LIMITS = tuple(one.name for one in fields(SlowPolicy) if one.name != "action")
WHOM = tuple(one.name for one in fields(SlowRule) if one.name != "policy")
_SIZES = ("limit_bytes", "limit_messages", "max_rate")  # whole numbers, with a unit if wanted
_PART = re.compile(r"(?:[^,\\]|\\.)*", re.DOTALL)  # up to a comma that is not escaped

Limits = dict[str, float]


def slow_limit(text: str) -> Limits:
    """Reads limits: `limit_messages=1000,limit_age=2.5`.

    Raises:
        argparse.ArgumentTypeError: a part is none of them; the text names it.
    """
    limits: Limits = {}
    for part in _parts(text):
        name, value = _pair(part, LIMITS)
        if name in limits:
            raise argparse.ArgumentTypeError(f"{name} is there twice")
        limits[name] = _number(name, value)
    return limits


def slow_rule(text: str) -> SlowRule:
    """Reads a rule: `conflate,min_interval=0.25,name=desk*`; its action first.

    Raises:
        argparse.ArgumentTypeError: it is none, or means nothing; the text says why.
    """
    action, *parts = _parts(text)
    _check_action(action)
    limits: Limits = {}
    whom: dict[str, Any] = {}
    for part in parts:
        name, value = _pair(part, (*WHOM, *LIMITS))
        if name in limits or name in whom:
            raise argparse.ArgumentTypeError(f"{name} is there twice")
        if name in LIMITS:
            limits[name] = _number(name, value)
        else:
            whom[name] = os.fsencode(value) if name == "topic" else value
    if not whom:
        *most, last = (f"{name}=" for name in WHOM)
        raise argparse.ArgumentTypeError(
            f"it does not say for whom, with {', '.join(most)} or {last}; for everybody it is "
            "--slow-policy"
        )
    try:
        return SlowRule(_policy(action, limits), **whom)
    except ConfigError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def policy_of(
    action: str | None, limits: list[Limits] | None, limit_bytes: int | None
) -> dict[str, Any]:
    """The options of the publisher which say what happens to a slow subscriber.

    Args:
        action: of `--slow-policy`, None = not given.
        limits: of each `--slow-limit`.
        limit_bytes: of `--slow-limit-bytes`.

    Raises:
        UsageError: a limit is there twice.
        ConfigError: they do not go together; the text says why.
    """
    given: dict[str, Any] = {"slow_policy": action, "slow_limit_bytes": limit_bytes}
    if not limits:
        return {name: value for name, value in given.items() if value is not None}
    together: Limits = {} if limit_bytes is None else {"limit_bytes": limit_bytes}
    for each in limits:
        for name in each.keys() & together.keys():
            raise UsageError(f"--slow-limit: {name} is there twice")
        together.update(each)
    return {"slow_policy": _policy(action or SlowPolicy().action, together)}


def _parts(text: str) -> list[str]:
    """What stands between commas, escaped ones are part of it."""
    found = []
    place = 0
    while True:
        match = _PART.match(text, place)
        assert match is not None  # it matches nothing, too
        found.append(re.sub(r"\\(.)", r"\1", match[0], flags=re.DOTALL))
        place = match.end() + 1
        if match.end() == len(text):
            return found
        if text[match.end()] != ",":
            raise argparse.ArgumentTypeError("there is nothing behind the last backslash")


def _pair(part: str, names: tuple[str, ...]) -> tuple[str, str]:
    name, equals, value = part.partition("=")
    name = name.strip()
    if not equals or name not in names:
        choices = ", ".join(f"{one}=" for one in names)
        hint = did_you_mean(name, names)
        raise argparse.ArgumentTypeError(f"{part!r} is none of {choices}{hint}")
    if not value:
        raise argparse.ArgumentTypeError(f"{name}= has no value")
    return name, value


def _number(name: str, value: str) -> float:
    number: float | None
    if name in _SIZES:
        number = read_size(value)
    else:
        try:
            number = float(value)
        except ValueError:
            number = None
    if number is None:
        kind = "a whole number, such as 65536, 64K or 1.5G" if name in _SIZES else "a number"
        raise argparse.ArgumentTypeError(f"{name}={value} is not {kind}")
    return number


def _check_action(action: str) -> None:
    if action not in ACTIONS:
        raise argparse.ArgumentTypeError(
            f"it must begin with an action, {', '.join(ACTIONS)}, not {action!r}"
            + did_you_mean(action, ACTIONS)
        )


def _policy(action: str, limits: Limits) -> SlowPolicy:
    return SlowPolicy(action, **limits)  # type: ignore[arg-type]  # it checks them
