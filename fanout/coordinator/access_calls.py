"""Access calls: what users have done about who may subscribe, and to what; any thread."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from fanout.coordinator import permits, reports
from fanout.security.verdicts import as_prefixes
from fanout.terms.arguments import check_dismissal, check_reason

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from fanout.coordinator.actions import Action
    from fanout.coordinator.state import State

PERMIT_TIMEOUT = 30.0  # seconds; it takes some ms, unless a worker hangs or is lost meanwhile


class AccessCalls:
    """Has the coordinator do it.

    Args:
        act: has its thread do what is decided there; returns whether there was anything to do.
        check: raises if this publisher cannot be used here, or any more.
    """

    def __init__(
        self, act: Callable[[Callable[[State], list[Action]]], bool], check: Callable[[], None]
    ) -> None:
        self._act = act
        self._check = check

    def disconnect(
        self, subscriber: int | None, reason: str, user: str | None, key: str | bytes | None
    ) -> bool:
        """See `fanout.Publisher.disconnect()`."""
        given = [name for name in (subscriber, user, key) if name is not None]
        if len(given) != 1:
            raise TypeError("disconnect() takes one of a subscriber, user= and key=")
        if subscriber is not None:
            check_dismissal(subscriber, reason)
            self._check()
            return self._act(lambda state: reports.disconnect(state, subscriber, reason))
        check_reason(reason)
        name = None if user is None else _as_name(user, "user")
        shown_key = None if key is None else _as_name(key, "key")
        self._check()
        return self._act(lambda state: permits.send_away(state, name, shown_key, reason))

    def permit(self, user: str, prefixes: Iterable[str | bytes] | None) -> None:
        """See `fanout.Publisher.permit()`."""
        name = _as_name(user, "user")
        rule = None if prefixes is None else as_prefixes(prefixes)
        self._check()
        done = threading.Event()
        self._act(lambda state: permits.permit(state, name, rule, done))
        if not done.wait(PERMIT_TIMEOUT):
            raise TimeoutError(
                f"not all workers have said within {PERMIT_TIMEOUT:g} s that they go by what "
                f"{name!r} may have: one hangs, or the machine does. It is done as soon as they can"
            )


def _as_name(value: object, what: str) -> str:
    if what == "key" and isinstance(value, bytes):
        try:
            return value.decode("ascii")
        except UnicodeDecodeError:
            raise TypeError("key is in Z85, as a str or ASCII bytes") from None
    if not isinstance(value, str):
        raise TypeError(f"{what} must be a str, not {type(value).__name__}")
    return value
