"""Who asks to subscribe, and what may be said to that."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import islice
from typing import TypeAlias

from fanout.terms.arguments import as_topic

CHECK_TIMEOUT = 5.0  # seconds; half of `handshake_timeout`, so that ours is over first
OVERDUE = f"the check of a request took longer than {CHECK_TIMEOUT:g} s"
TEXT_MAX = 200  # characters of a reason: it goes to the worker, into an event and into a log
PREFIXES_MAX = 1_000  # that a user may have; they go to a worker in one message,
PREFIXES_BYTES_MAX = 64 * 1024  # which holds so much of them
USER_MAX = 255  # characters of a name that a check gives: as long as one that a subscriber gives


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
    """ "PLAIN", "CURVE", or "TLS" for who has shown a certificate to `auth.Tls(client_ca=…)`."""

    username: str = ""
    """PLAIN: 0 to 255 bytes. TLS: the common name in the certificate, or else an alternative one;
    "" if it has none."""

    password: str = field(default="", repr=False)
    """PLAIN: 0 to 255 bytes."""

    public_key: str = ""
    """CURVE: the subscriber's key, 40 characters of Z85; it has proven that it has the secret."""

    certificate: bytes = field(default=b"", repr=False)
    """TLS: what the subscriber has shown, in DER; it has proven that it has the private key."""

    @property
    def user(self) -> str:
        """Who it says, or has proven, that it is: `username`, or else `public_key`."""
        return self.username or self.public_key


@dataclass(frozen=True, slots=True)
class Allow:
    """It may subscribe.

    Args:
        user: who it is, in `subscribers()` and events, up to 255 characters; None = by the name
            that it gave.
        subscribe: prefixes of the topics that it may have, `str` or bytes, up to 1,000 with 64 KiB
            together; None = all. What it asks for beyond them it does not get, and is not told.
        expires: seconds after which its connection is closed; a stock SUB comes back by itself, and
            is judged again. None = never.
        max_connections: this one is put off if the user has so many already. None = no limit.

    Raises:
        TypeError, ValueError: one cannot be that. In a check: as all that one raises.
    """

    user: str | None = None
    subscribe: Iterable[str | bytes] | None = None
    expires: float | None = None
    max_connections: int | None = None

    def __post_init__(self) -> None:
        self._check_user()
        if self.subscribe is not None:
            object.__setattr__(self, "subscribe", as_prefixes(self.subscribe))
        expires, most = self.expires, self.max_connections
        if expires is not None:
            if isinstance(expires, bool) or not isinstance(expires, int | float):
                raise TypeError(f"auth.Allow: expires is seconds, not {type(expires).__name__}")
            if not 0 < expires < math.inf:
                raise ValueError("auth.Allow: expires is more than 0 seconds, and None for never")
        if most is not None:
            if isinstance(most, bool) or not isinstance(most, int):
                raise TypeError(f"auth.Allow: max_connections is an int, not {type(most).__name__}")
            if most < 0:
                raise ValueError("auth.Allow: max_connections is 0 or more, and None for no limit")

    @property
    def prefixes(self) -> tuple[bytes, ...] | None:
        """What it may have; None = everything."""
        return None if self.subscribe is None else as_prefixes(self.subscribe)

    def _check_user(self) -> None:
        if self.user is None:
            return
        if not isinstance(self.user, str):
            raise TypeError(f"auth.Allow: user is a str, not {type(self.user).__name__}")
        if len(self.user) > USER_MAX:
            raise ValueError(f"auth.Allow: a user has up to {USER_MAX} characters")


@dataclass(frozen=True, slots=True)
class Later:
    """Nobody can say that now: its connection is closed, and a stock SUB comes back by itself.

    Args:
        text: why, for events and logs here; the peer is not told. The first 200 characters count.

    Raises:
        TypeError: it is no text.
    """

    text: str = ""

    def __post_init__(self) -> None:
        _check_text(self.text)


@dataclass(frozen=True, slots=True)
class Deny:
    """It may not: it is told so, and a stock SUB does not come back until its program connects it.

    Args:
        text: as in `Later`.

    Raises:
        TypeError: it is no text.
    """

    text: str = ""

    def __post_init__(self) -> None:
        _check_text(self.text)


Verdict: TypeAlias = Allow | Later | Deny


def as_prefixes(value: object) -> tuple[bytes, ...]:
    """Prefixes of topics that somebody may have; `str` is encoded as UTF-8.

    Raises:
        TypeError: something is none, or it is one prefix in place of several.
        ValueError: they are more than 1,000, or have more than 64 KiB.
    """
    if isinstance(value, str | bytes | bytearray | memoryview) or not isinstance(value, Iterable):
        raise TypeError(
            f"what may be subscribed to is a list of prefixes, not {type(value).__name__}"
        )
    prefixes = dict.fromkeys(as_topic(one, "a prefix") for one in islice(value, PREFIXES_MAX + 1))
    size = sum(map(len, prefixes))
    if len(prefixes) > PREFIXES_MAX or size > PREFIXES_BYTES_MAX:
        raise ValueError(
            f"a user may have up to {PREFIXES_MAX:,} prefixes with {PREFIXES_BYTES_MAX:,} bytes"
        )
    return tuple(prefixes)


class NoVerdictError(TypeError):
    """A check has returned what says nothing; the text has what to return, and nothing secret."""


def as_verdict(value: object) -> Verdict:
    """A verdict; True stands for `Allow()` and False for `Deny()`.

    Raises:
        NoVerdictError: it is none of these. Nobody is let in by a None that was forgotten.
    """
    if isinstance(value, Allow | Later | Deny):
        return value
    if isinstance(value, bool):
        return Allow() if value else Deny()
    raise NoVerdictError(
        f"it returned {'None' if value is None else f'a {type(value).__name__}'}, and must return "
        "auth.Allow(…), auth.Deny(…) or auth.Later(…), or True or False"
    )


def shown_user(user: str) -> str:
    """A user's name for people: what cannot be printed is escaped."""
    if user.isprintable():
        return user
    return user.encode("unicode_escape", "surrogatepass").decode("ascii")


def shown_text(text: str) -> str:
    """A reason for people, in one line: a check may quote what a stranger has said."""
    return shown_user(text[:TEXT_MAX])


def _check_text(text: object) -> None:
    if not isinstance(text, str):
        raise TypeError(f"the reason of a verdict is a str, not {type(text).__name__}")
