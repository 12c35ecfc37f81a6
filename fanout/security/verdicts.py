"""Who asks to subscribe, and what may be said to that."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

TEXT_MAX = 200  # characters of a reason: it goes to the worker, into an event and into a log


@dataclass(frozen=True, slots=True)
class Request:
    """Somebody who has said who it is, and waits. What is secret of that is not in its repr.

    User and password are what came, as UTF-8; bytes that are none are kept as surrogates, so that
    `text.encode("utf-8", "surrogateescape")` gives them back.
    """

    subscriber: int
    """The id that it will have in `subscribers()`."""

    peer: str
    """ "203.0.113.7:41234", or "ipc:1234" with the peer's process id."""

    endpoint: str
    """What it has connected to, as in `endpoints`."""

    mechanism: str
    """ "PLAIN"."""

    username: str
    """0 to 255 bytes."""

    password: str = field(repr=False)
    """0 to 255 bytes."""


@dataclass(frozen=True, slots=True)
class Allow:
    """It may subscribe.

    Args:
        user: who it is, in `subscribers()` and events; None = by the name that it gave.
    """

    user: str | None = None


@dataclass(frozen=True, slots=True)
class Later:
    """Nobody can say that now: its connection is closed, and a stock SUB comes back by itself.

    Args:
        text: why, for events and logs here; the peer is not told. The first 200 characters count.
    """

    text: str = ""


@dataclass(frozen=True, slots=True)
class Deny:
    """It may not: it is told so, and a stock SUB does not come back until its program connects it.

    Args:
        text: as in `Later`.
    """

    text: str = ""


Verdict: TypeAlias = Allow | Later | Deny


def as_verdict(value: object) -> Verdict:
    """A verdict; True stands for `Allow()` and False for `Deny()`.

    Raises:
        TypeError: it is none of these. Nobody is let in by a None that was forgotten.
    """
    if isinstance(value, Allow | Later | Deny):
        return value
    if isinstance(value, bool):
        return Allow() if value else Deny()
    raise TypeError(
        f"a check returns auth.Allow, Later or Deny, or True or False, not {type(value).__name__}"
    )


def shown_user(user: str) -> str:
    """A user's name for people: what cannot be printed is escaped."""
    if user.isprintable():
        return user
    return user.encode("unicode_escape", "surrogatepass").decode("ascii")
