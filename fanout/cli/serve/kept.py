"""`--last-values`: what is kept, as text."""

from __future__ import annotations

import argparse
from dataclasses import fields
from typing import Any

from fanout.errors import ConfigError
from fanout.terms.arguments import did_you_mean
from fanout.terms.last_values import LastValues

_UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}  # of a length of time, in seconds
_NAMES = [one.name for one in fields(LastValues)]


def kept_values(text: str) -> LastValues:
    """What `max_topics=100000,max_bytes=64M,topics=price.` says; `topics` may be there again.

    Raises:
        argparse.ArgumentTypeError: nothing.
    """
    given: dict[str, Any] = {}
    topics: list[str] = []
    for part in text.split(","):
        name, equals, value = part.partition("=")
        if not equals or name not in _NAMES:
            choices = ", ".join(f"{one}=" for one in _NAMES)
            hint = did_you_mean(name, _NAMES)
            raise argparse.ArgumentTypeError(f"{part!r} is none of {choices}{hint}")
        if name == "topics":
            topics.append(value)
        elif name == "max_bytes":
            given[name] = int(value) if value.isdecimal() else value
        elif name == "max_age":
            given[name] = _seconds(name, value)
        else:
            given[name] = _number(name, value)
    try:
        return LastValues(topics or b"", **given)
    except ConfigError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _seconds(name: str, value: str) -> float:
    number, unit = (value[:-1], value[-1:]) if value[-1:] in _UNITS else (value, "s")
    try:
        return float(number) * _UNITS[unit]
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{name}={value} is no length of time such as 90, 90s, 15m, 1h or 2d"
        ) from None


def _number(name: str, value: str) -> float:
    try:
        return int(value) if value.isdecimal() else float(value)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{name}={value} is not a number") from None
