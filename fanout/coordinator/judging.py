"""Who is to be judged, by whom, and until when. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fanout.security.verdicts import CHECK_TIMEOUT

if TYPE_CHECKING:
    from fanout.security.endpoints import Security


class Judging:
    """What connections have to be judged by; its mutable state: that, and who waits until when."""

    def __init__(self) -> None:
        self._by: dict[int, Security] = {}
        self._deadlines: dict[int, float] = {}  # in the order in which they are due

    def admitted(self, subscriber: int, security: Security) -> None:
        """This connection is to be judged before it is a subscriber."""
        self._by[subscriber] = security

    def begin(self, subscriber: int, now: float) -> Security | None:
        """It waits from now on, seconds; None: nobody is to judge it, or that has begun."""
        security = self._by.pop(subscriber, None)
        if security is not None:
            self._deadlines[subscriber] = now + CHECK_TIMEOUT
        return security

    def end(self, subscriber: int) -> bool:
        """It need not be judged any more; whether it has waited for that."""
        self._by.pop(subscriber, None)
        return self._deadlines.pop(subscriber, None) is not None

    def leave(self, subscriber: int) -> bool:
        """Its connection is over; whether somebody is asked about it.

        A check that hangs is to be given up in its time all the same, or its thread would count
        for ever: so it is awaited on.
        """
        self._by.pop(subscriber, None)
        return subscriber in self._deadlines

    def overdue(self, now: float) -> list[int]:
        """Those who have waited for too long."""
        late = []
        for subscriber, deadline in self._deadlines.items():
            if deadline > now:
                break
            late.append(subscriber)
        return late
