"""Throttling: members that are sent no more than so many bytes a second. Pure.

To everybody else such a member is one whose socket takes little: it is behind, and what becomes of
it is up to its policy. It is not served before it may be sent something again, and until then it is
not silent: it is we who wait.
"""

from __future__ import annotations

from heapq import heappop, heappush
from itertools import count
from typing import TYPE_CHECKING

from fanout.workers.policy.rate import Rate

if TYPE_CHECKING:
    from collections.abc import Callable

    from fanout.workers.stream.member import Member, Send
    from fanout.workers.stream.sealed import Sealed


class Throttle:
    """The `send` of a member with a rate.

    Attributes:
        send: that of its socket.
        waits: whether it is not to be sent anything for a while.
    """

    __slots__ = ("_member", "_rate", "_throttles", "send", "waits")

    def __init__(self, throttles: Throttles, member: Member, limit: int) -> None:
        self._throttles = throttles
        self._member = member
        self._rate = Rate(limit, throttles.now)
        self.send: Send = member.send
        self.waits = False

    def __call__(self, data: bytes | memoryview) -> int:
        allowed = self._rate.allowance(self._throttles.now)
        if not allowed:
            self._wait()
            raise BlockingIOError
        count = self.send(memoryview(data)[:allowed] if allowed < len(data) else data)
        self._rate.take(count)
        if count == allowed < len(data):
            self._wait()
        return count

    def _wait(self) -> None:
        if not self.waits:
            self.waits = True
            self._throttles.add(self._rate.full_at, self._member, self)


class Throttles:
    """All throttles of a worker, and who waits for the time when it may be sent something.

    Its mutable state: those who wait, in the order of their times.

    Attributes:
        now: monotonic ns; kept by the pump.
        due: a heap of those who wait, with their times; the same list for ever.
        seals: whether something has ever been put before the socket of somebody.
    """

    def __init__(self) -> None:
        self.now = 0
        self.seals = False
        self.due: list[tuple[int, int, Member, Throttle]] = []
        self._numbers = count()  # orders entries that are due at the same time

    def set(self, member: Member, limit: int) -> None:
        """The member is sent at most so many bytes a second from now on, 0 = what it takes."""
        old = member.send
        if isinstance(old, Throttle):
            member.send = old.send
            old.waits = False
        if limit:
            member.send = Throttle(self, member, limit)

    def put_under(self, member: Member, make: Callable[[Send], Sealed]) -> None:
        """What the member is sent goes through this before its socket; its rate counts the rest."""
        self.seals = True
        old = member.send
        if isinstance(old, Throttle):
            member.sealed = old.send = make(old.send)
        else:
            member.sealed = member.send = make(old)

    def waits(self, member: Member) -> bool:
        """Whether the member takes nothing because it is not to be sent anything."""
        return isinstance(member.send, Throttle) and member.send.waits

    def add(self, due: int, member: Member, throttle: Throttle) -> None:
        """Have the member woken then."""
        heappush(self.due, (due, next(self._numbers), member, throttle))

    @property
    def next_due(self) -> int | None:
        """When the first of those who wait may be sent something, None if nobody waits."""
        return self.due[0][0] if self.due else None

    def wake(self) -> list[Member]:
        """Those who need not wait any more."""
        woken = []
        while self.due and self.due[0][0] <= self.now:
            _due, _number, member, throttle = heappop(self.due)
            if throttle is member.send:
                throttle.waits = False
                woken.append(member)
        return woken
