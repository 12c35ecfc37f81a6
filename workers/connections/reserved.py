"""Reserved subscriptions: what a subscriber says of itself, as any stock SUB socket can. Pure.

A subscription to `\\x00fanout.KEY=VALUE` matches nothing: it says something. All that are not taken
back count; of several with one key the last one that came. What cannot be understood counts for
nothing, and is kept to be taken back.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from fanout.errors import ConfigError
from fanout.terms.arguments import did_you_mean, shown
from fanout.terms.reserved import NAME_BYTES_MAX, RESERVED, RESERVED_MAX
from fanout.terms.slow_policy import ACTIONS, SlowPolicy
from fanout.workers.connections.since import SINCE_FORMS, Since, read_since

if TYPE_CHECKING:
    from collections.abc import Iterable

_WHOLE = re.compile(r"[0-9]{1,15}")
_NUMBER = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?")
_WHOLE_ONES = ("limit_bytes", "limit_messages", "max_rate")
_NUMBERS = ("limit_age", "min_interval")
_GAPS = ("gap", "gap=all")  # one does not take the place of the other
_SINCE = "since"
_ENDS = "since, told"  # where that ends; it does not take the place of the other
_SNAPSHOT, _VALUES = "snapshot", "values"
_OFF, _ALL = "off", "all"  # how many of these
_DENIED = "denied"
_FREE = (
    *_GAPS,
    _SINCE,
    _ENDS,
    _SNAPSHOT,
    _VALUES,
    _DENIED,
)  # which everybody may say, whatever they may choose
_KEYS = ("policy", "name", *_WHOLE_ONES, *_NUMBERS, "gap", _SINCE, _SNAPSHOT, _VALUES, _DENIED)
_FORMS = {
    "gap": "gap or gap=all",
    _SNAPSHOT: _SNAPSHOT,
    _DENIED: _DENIED,
    _VALUES: "values=off or values=all",
}  # of those that are no number
_ALSO_CALLED = {"action": "policy"}  # as the field of a `SlowPolicy`
DECLINED_MAX = 8  # things that one connection is told of that it cannot have


class UnknownError(Exception):
    """A reserved subscription that means nothing; its text says why, for people.

    Args:
        text: what is wrong.
        word: what may be a mistake for one of `known`: looked for only if somebody reads the text.
    """

    def __init__(self, text: str, word: str = "", known: Iterable[str] = ()) -> None:
        super().__init__(text)
        self._word = word
        self._known = known

    def __str__(self) -> str:
        return super().__str__() + did_you_mean(self._word, self._known)


@dataclass(frozen=True, slots=True)
class Wishes:
    """What a subscriber says of itself.

    Attributes:
        name: what it is called, "" = nothing.
        settings: fields of a `SlowPolicy` that it wants, by name; each possible by itself.
        gaps: of what it misses it wants to be told: 0 of nothing, 1 of losses, 2 of conflation too.
        since: from where on it wants what it has missed; None = nothing.
        ends: whether it wants to be told when it has been sent that.
        marks: whether it wants to be told where last values begin and end.
        values: whether it wants last values at all.
        older: whether also those that are not newer than what it says that it has got.
        denied: whether it wants to be told what it may not have.
    """

    name: str = ""
    settings: dict[str, Any] = field(default_factory=dict)
    gaps: int = 0
    since: Since | None = None
    ends: bool = False
    marks: bool = False
    values: bool = True
    older: bool = False
    denied: bool = False


class Reserved:
    """The reserved subscriptions of one connection.

    Its mutable state: those that count or were not understood, in the order in which they came,
    and how often it was told that it cannot have something.

    Args:
        may_choose: whether it may say more than that it wants to be told of gaps.
        may_block: whether it may choose the action `block`.
        may_replay: whether it may have what it has missed.
    """

    __slots__ = ("_declined", "_may_block", "_may_choose", "_may_replay", "_said")

    def __init__(
        self, *, may_choose: bool = True, may_block: bool, may_replay: bool = True
    ) -> None:
        self._said: dict[bytes, tuple[str, Any] | None] = {}
        self._may_choose = may_choose
        self._may_block = may_block
        self._may_replay = may_replay
        self._declined = 0

    @property
    def said(self) -> tuple[bytes, ...]:
        """Those that it has, in the order in which they count."""
        return (*self._said,)

    def add(self, prefix: bytes) -> str:
        """It subscribes to this, once more perhaps; returns why that counts for nothing, or ""."""
        is_told = self._said.pop(prefix, ()) is None  # it counts anew, as the last one
        if len(self._said) >= RESERVED_MAX:
            return self._decline(UnknownError(f"more than {RESERVED_MAX} reserved subscriptions"))
        try:
            self._said[prefix] = key, value = understood(prefix)
            if key in (_SINCE, _ENDS) and not self._may_replay:
                raise UnknownError("nothing is replayed here (replay_bytes=0)")
            if not self._may_choose and key not in _FREE:
                self._declined = max(self._declined, DECLINED_MAX - 1)  # told once is enough
                raise UnknownError("no subscriber chooses for itself here (self_service=False)")
            if (key, value) == ("action", "block") and not self._may_block:
                raise UnknownError("policy=block is not for subscribers to choose")
        except UnknownError as error:
            self._said[prefix] = None
            return "" if is_told else self._decline(error)
        return ""

    def cancel(self, prefix: bytes) -> None:
        """It takes this back."""
        self._said.pop(prefix, None)

    @property
    def wishes(self) -> Wishes:
        """What it says, all in all."""
        settings = dict(said for said in self._said.values() if said is not None)
        gaps = max(settings.pop(key, 0) for key in _GAPS)
        since, ends = settings.pop(_SINCE, None), settings.pop(_ENDS, False)
        marks, which = settings.pop(_SNAPSHOT, False), settings.pop(_VALUES, "")
        values, older = which != _OFF, which == _ALL
        denied = settings.pop(_DENIED, False)
        name = settings.pop("name", "")
        return Wishes(name, settings, gaps, since, ends, marks, values, older, denied)

    def _decline(self, reason: UnknownError) -> str:
        self._declined += 1
        if self._declined > DECLINED_MAX:
            return ""  # it has been told enough
        if self._declined == DECLINED_MAX and self._may_choose:
            return f"{reason}; what else this connection cannot have is not told"
        return str(reason)


def understood(prefix: bytes) -> tuple[str, Any]:
    """What a reserved subscription says: a key and its value.

    The key is "name", "since", one for gaps, or a field of a `SlowPolicy`.

    Raises:
        UnknownError: nothing.
    """
    key, equals, value = prefix.removeprefix(RESERVED).partition(b"=")
    try:
        name, text = key.decode("ascii"), value.decode()
    except UnicodeDecodeError:
        raise UnknownError(f"{shown(prefix)} is not text") from None
    what = shown(f"{name}{equals.decode()}{text}")
    if (key, value) == (b"gap", b"all"):
        return _GAPS[1], 2
    if name == "gap" and not equals:
        return _GAPS[0], 1
    if name in (_SNAPSHOT, _DENIED) and not equals:
        return name, True
    if name == _VALUES and text in (_OFF, _ALL):
        return name, text
    if name == _SINCE and not equals:
        return _ENDS, True
    if name == _SINCE:
        since = read_since(text)
        if since is not None:
            return name, since
        raise UnknownError(f"{what}: not {SINCE_FORMS}")
    if name == "name" and equals:
        return name, _name(text)
    if name == "policy" and text in ACTIONS:
        return "action", text
    if name == "policy" and equals:
        raise UnknownError(f"{what}: a policy is one of {', '.join(ACTIONS)}", text, ACTIONS)
    if name in _WHOLE_ONES and equals:
        return name, _in_range(name, int(text) if _WHOLE.fullmatch(text) else None, what)
    if name in _NUMBERS and equals:
        return name, _in_range(name, float(text) if _NUMBER.fullmatch(text) else None, what)
    if name in _KEYS:
        form = _FORMS.get(name, f"{name}=…")
        raise UnknownError(f"{what}: there is no such thing to say; it is {form}")
    raise UnknownError(
        f"{what}: there is no such thing to say", _ALSO_CALLED.get(name, name), _KEYS
    )


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
