"""Reserved subscriptions: what a subscriber says of itself, as any stock SUB socket can. Pure.

A subscription to `\\x00fanout.KEY=VALUE` matches nothing: it says something. All that are not taken
back count; of several with one key the last one that came. What cannot be understood counts for
nothing, and is kept to be taken back.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from fanout.arguments import shown
from fanout.errors import ConfigError
from fanout.reserved import NAME_BYTES_MAX, RESERVED, RESERVED_MAX
from fanout.slow_policy import ACTIONS, SlowPolicy

if TYPE_CHECKING:
    from collections.abc import Iterable

_WHOLE = re.compile(r"[0-9]{1,15}")
_NUMBER = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?")
_WHOLE_ONES = ("limit_bytes", "limit_messages", "max_rate")
_NUMBERS = ("limit_age", "min_interval")
DECLINED_MAX = 8  # things that one connection is told of that it cannot have


class UnknownError(Exception):
    """A reserved subscription that means nothing; the text says why, for people."""


@dataclass(frozen=True, slots=True)
class Wishes:
    """What a subscriber says of itself.

    Attributes:
        name: what it is called, "" = nothing.
        settings: fields of a `SlowPolicy` that it wants, by name; each possible by itself.
    """

    name: str = ""
    settings: dict[str, Any] = field(default_factory=dict)


class Reserved:
    """The reserved subscriptions of one connection.

    Its mutable state: those that count or were not understood, in the order in which they came,
    and how often it was told that it cannot have something.

    Args:
        may_block: whether it may choose the action `block`.
    """

    __slots__ = ("_declined", "_may_block", "_said")

    def __init__(self, *, may_block: bool) -> None:
        self._said: dict[bytes, tuple[str, Any] | None] = {}
        self._may_block = may_block
        self._declined = 0

    def add(self, prefix: bytes) -> str:
        """It subscribes to this, once more perhaps; returns why that counts for nothing, or ""."""
        self._said.pop(prefix, None)  # the last one counts
        if len(self._said) >= RESERVED_MAX:
            return self._decline(f"more than {RESERVED_MAX} reserved subscriptions")
        try:
            self._said[prefix] = key, value = understood(prefix)
            if (key, value) == ("action", "block") and not self._may_block:
                raise UnknownError("policy=block is not for subscribers to choose")
        except UnknownError as error:
            self._said[prefix] = None
            return self._decline(str(error))
        return ""

    def cancel(self, prefix: bytes) -> None:
        """It takes this back."""
        self._said.pop(prefix, None)

    @property
    def wishes(self) -> Wishes:
        """What it says, all in all."""
        settings = dict(said for said in self._said.values() if said is not None)
        return Wishes(settings.pop("name", ""), settings)

    def _decline(self, reason: str) -> str:
        self._declined += 1
        if self._declined > DECLINED_MAX:
            return ""  # it has been told enough
        return reason


def understood(prefix: bytes) -> tuple[str, Any]:
    """What a reserved subscription says: "name", or a field of a `SlowPolicy`, and its value.

    Raises:
        UnknownError: nothing.
    """
    key, equals, value = prefix.removeprefix(RESERVED).partition(b"=")
    try:
        name, text = key.decode("ascii"), value.decode()
    except UnicodeDecodeError:
        raise UnknownError(f"{shown(prefix)} is not text") from None
    what = shown(f"{name}{equals.decode()}{text}")
    if name == "name" and equals:
        return name, _name(text)
    if name == "policy" and text in ACTIONS:
        return "action", text
    if name == "policy" and equals:
        raise UnknownError(f"{what}: a policy is one of {', '.join(ACTIONS)}")
    if name in _WHOLE_ONES and equals:
        return name, _in_range(name, int(text) if _WHOLE.fullmatch(text) else None, what)
    if name in _NUMBERS and equals:
        return name, _in_range(name, float(text) if _NUMBER.fullmatch(text) else None, what)
    raise UnknownError(f"{what}: there is no such thing to say")


def understood_all(prefixes: Iterable[bytes]) -> Wishes:
    """What these say together, if they come in this order and nothing is declined but in itself."""
    reserved = Reserved(may_block=True)
    for prefix in prefixes:
        reserved.add(prefix)
    return reserved.wishes


def _name(text: str) -> str:
    if not text or not text.isprintable():
        raise UnknownError(f"name={shown(text)}: not printable, or empty")
    if len(text.encode()) > NAME_BYTES_MAX:
        raise UnknownError(f"name={shown(text)}: longer than {NAME_BYTES_MAX} bytes of UTF-8")
    return text


def _in_range(name: str, value: float | None, what: str) -> float:
    """The value, if a policy can have it."""
    if value is None:
        kind = "a whole number" if name in _WHOLE_ONES else "a number of seconds, such as 2.5"
        raise UnknownError(f"{what}: not {kind}")
    try:
        SlowPolicy("conflate", **{name: value})  # type: ignore[arg-type]
    except ConfigError as error:
        raise UnknownError(str(error)) from None
    return value
