"""What an endpoint asks of who connects: one mechanism, fixed when it is bound."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fanout.errors import ConfigError
from fanout.security.awaited import found_by
from fanout.security.verdicts import CHECK_TIMEOUT, Allow, Request, Verdict, as_verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from fanout.security.awaited import ChecksEnd

    Check = Callable[[Request], Verdict | bool | Coroutine[Any, Any, Verdict | bool]]


class Security:
    """What all of these have; see `Null`, `Plain`, `Curve`. Immutable, usable from any thread.

    Attributes:
        mechanism: as ZMTP calls it.
        protocol: what workers choose their sessions by.
        asks: whether somebody has to judge who connects.
    """

    __slots__ = ()
    mechanism = "NULL"
    protocol = "zmtp"
    asks = False

    def judge(
        self,
        request: Request,
        seconds: float = CHECK_TIMEOUT,
        ending: ChecksEnd | None = None,
    ) -> Verdict:
        """Say whether this one may subscribe; on a thread of its own, may take its time.

        Args:
            seconds: after which a check that is awaited is cancelled.
            ending: cancels it before that; None = nobody does.

        Raises:
            OverdueError: its time was over, and it was cancelled.
            Anything: whoever was asked has failed.
        """
        raise NotImplementedError

    def secrets(self) -> list[bytes]:
        """The secret keys that workers need for it, the present one first."""
        return []

    def check_place(self, endpoint: str, *, is_local: bool) -> None:
        """Refuse to be used there.

        Args:
            is_local: only processes of this machine can connect.

        Raises:
            ConfigError: it is not safe; the text says what to do.
        """


class Null(Security):
    """Anybody may connect, and nothing is hidden: what `security=None` stands for."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "Null()"


class Checking(Security):
    """What all of these have that may ask a check of who connects: `Plain`, `Curve`, `Certified`.

    Their makers set the check; None = everybody may subscribe.
    """

    __slots__ = ("_check",)
    asks = True
    _check: Check | None

    def judge(
        self,
        request: Request,
        seconds: float = CHECK_TIMEOUT,
        ending: ChecksEnd | None = None,
    ) -> Verdict:
        if self._check is None:
            return Allow()
        return as_verdict(found_by(self._check, request, seconds, ending))


class Plain(Checking):
    """User and password, in clear text (RFC 24). Immutable; the check is called by threads.

    Everything, the password included, can be read and changed by whoever is on the way, and nobody
    proves to the subscriber who the publisher is: it is for loopback and `ipc://`, or for `tls://`.

    Args:
        check: is called with each `Request`, on one of a few threads of its own, up to four at
            once; returns `Allow`, `Later` or `Deny`, or True or False. `Passwords` is one. What
            raises, or takes longer than 5 s, counts as `Later`. It may be a coroutine function,
            too: each call is awaited on such a thread, by a loop of its own, and cancelled then, or
            when the publisher closes.
        on_network: bind to addresses that other machines can reach, all the same.

    Raises:
        TypeError: `check` cannot be called.
    """

    __slots__ = ("_on_network",)
    mechanism = "PLAIN"
    protocol = "zmtp+plain"

    def __init__(self, check: Check, *, on_network: bool = False) -> None:
        self._check = checked(check, "auth.Plain")
        self._on_network = on_network

    def __repr__(self) -> str:
        return f"Plain({self._check!r}, on_network={self._on_network})"

    def check_place(self, endpoint: str, *, is_local: bool) -> None:
        if is_local or self._on_network:
            return
        raise ConfigError(
            f"PLAIN sends passwords in clear text, and other machines can reach {endpoint}: bind "
            "to loopback or ipc://, or to tls:// with tls=auth.Tls(…), or say "
            "auth.Plain(…, on_network=True) if the network is yours"
        )


def checked(check: Check, whose: str) -> Check:
    """A check that can be called.

    Raises:
        TypeError: it cannot be.
    """
    if not callable(check):
        raise TypeError(
            f"{whose} takes a function that is called with a Request and returns a verdict, "
            f"not {type(check).__name__}"
        )
    return check


NULL = Null()


def as_security(value: object) -> Security:
    """What an endpoint asks for; None = NULL.

    Raises:
        TypeError: it is nothing of `fanout.auth`.
    """
    if value is None:
        return NULL
    if isinstance(value, Security):
        return value
    kinds = "Null(), Plain(…) or Curve(…)"
    raise TypeError(f"security must be fanout.auth.{kinds}, not {type(value).__name__}")
