"""The actor: what owns the descriptors, the connections and the ends of the queues. Shell.

There is one for each socket: a thread, or callbacks on an event loop. It alone does what takes
more than one step. It is never cancelled and never interrupted, so nothing needs to be guarded in
there; if a connection breaks in the middle of a message, that connection is closed.
"""

from __future__ import annotations

import math
import os
import random
import time
import weakref
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fanout.errors import ClosedError, ForkedError
from fanout.sockets.core import Core
from fanout.sockets.parting import PART_S
from fanout.sockets.peer import earliest
from fanout.sockets.problems import Problems
from fanout.sockets.wiring import Wiring
from fanout.subscriber.backoff import BackOff

if TYPE_CHECKING:
    from collections.abc import Callable

    from fanout.errors import FanoutError
    from fanout.sockets.inbox import Inbox
    from fanout.sockets.limits import Limits
    from fanout.sockets.role import Role
    from fanout.sockets.watching import PlugWatcher
    from fanout.subscriber.changes import Change

LINGER_S = 5.0  # how long `close()` sends what waits, if it is not told: a program wants to end


@dataclass(frozen=True, slots=True)
class SocketStatistics:
    """Counters of a socket, since it was made."""

    sent: int
    """Messages that were handed to the kernel, whole."""

    received: int
    """Messages put into the inbox."""

    outbox: int
    """Messages that wait to be sent, with those that are on their way to the kernel."""

    inbox: int
    """Messages that wait for the program."""

    dropped: int
    """Messages that were handed over and were not sent: who they were for is gone, or the end."""

    discarded: int
    """Messages that came and the program never got: not wanted, malformed, late, or the end."""

    peers: int
    """Connections that are ready now."""

    connections: int
    """How often a handshake was done."""

    problems_lost: int
    """What `errors()` could not keep."""


class Actor:
    """What both kinds have in common. Its own thread or loop calls all but what says "any thread".

    Attributes:
        role, core, wiring, problems: what it is made of.
        is_closing: nothing more is taken over from the program.
        is_closed: all is over.
        dropped_at_end: messages that were not sent.
    """

    def __init__(
        self, make_role: Callable[[Limits, Problems], Role], limits: Limits, watcher: PlugWatcher
    ) -> None:
        self.problems = Problems()
        self.role = make_role(limits, self.problems)
        self.core = Core(self.role, limits, self.problems, lambda: BackOff(random.random))
        self.wiring = Wiring(self.core, watcher)
        self.is_closing = False
        self.is_closed = False
        self.dropped_at_end = 0
        self._deadline: float | None = None  # when what was not sent is dropped
        self._part_until: float | None = None  # all is sent; peers have so long to read it
        self.called = "the socket"  # what its user has, in what he is told of its end
        self._why: Callable[[], FanoutError] | None = None
        self._failure: BaseException | None = None
        self._received = 0
        _actors.add(self)

    @property
    def inbox(self) -> Inbox[object] | None:
        """That of the role; None: it receives nothing. Any thread."""
        return getattr(self.role, "inbox", None)

    def check(self) -> None:
        """Refuse what needs a socket that is open. Any thread.

        Raises:
            ClosedError, ForkedError: it is closed, or belongs to another process.
        """
        if self._why is not None:
            raise self._why() from self._failure

    @property
    def is_over(self) -> bool:
        """Whether somebody has had it end. Any thread."""
        return self._why is not None

    @property
    def waiting_orders(self) -> int:
        """How much was ordered and is not done yet. Any thread."""
        return 0

    def waiting_changes(self) -> list[Change]:
        """The changes of subscriptions among that. Any thread."""
        return []

    def leave(self) -> None:
        """In a forked child: nothing here is of use. The copies of descriptors are closed."""
        self._why, self._failure = _forked, None
        self.is_closed = True
        self.wiring.close(time.monotonic())

    def refuse(self) -> None:
        """Take nothing more over from the program, from now on. Any thread."""
        self._why = self._why or (lambda: ClosedError(f"{self.called} is closed"))

    def statistics(self) -> SocketStatistics:
        """Counters as they are now. Any thread."""
        inbox, core, role = self.inbox, self.core, self.role
        left_over = role.waiting_count if self.is_closed else 0
        return SocketStatistics(
            sent=core.sent,
            received=role.received_count,
            outbox=0 if self.is_closed else role.waiting_count + core.pending,
            inbox=0 if inbox is None else len(inbox),
            dropped=role.dropped_count + left_over,
            discarded=role.discarded,
            peers=core.ready,
            connections=core.joined,
            problems_lost=self.problems.lost,
        )

    def begin_closing(self, deadline: float | None) -> None:
        """Take nothing more over; send what waits until then, None = as long as it takes."""
        if self.is_closed:
            return
        if not self.is_closing or deadline is not None:
            self._deadline = deadline
        self.is_closing = self.core.is_closing = True
        self.refuse()
        self.wiring.stop_listening()
        self.wiring.changed()

    def step(self, now: float) -> None:
        """One turn after something has happened, or is due."""
        self.wiring.turn(now)
        if self.is_closing:
            if self._part_until is None and self.core.is_through:
                self._part_until = now + PART_S
                self.wiring.part()
            is_late = now >= min(self._ends, default=math.inf)
            if is_late or (self._part_until is not None and not self.wiring.is_parting):
                self.end(now)

    def next_at(self) -> float | None:
        """When `step` is to be called, at the latest; None: not by the clock."""
        times = [*self._ends, self.wiring.next_at()] if self.is_closing else [self.wiring.next_at()]
        return earliest(times)

    @property
    def _ends(self) -> list[float]:
        """When it is over, whatever is still to be done."""
        return [at for at in (self._deadline, self._part_until) if at is not None]

    def has_news(self) -> bool:
        """Whether messages have come since it was asked last."""
        before, self._received = self._received, self.role.received_count
        return before != self._received

    def end(self, now: float) -> None:
        """Drop what was not sent, and end everything. Idempotent."""
        if self.is_closed:
            return
        self.refuse()
        self.is_closing = self.core.is_closing = True
        before = self.role.dropped
        self.wiring.close(now)
        self.role.drop(self.role.clear())
        self.dropped_at_end = self.role.dropped - before
        if self.inbox is not None:
            self.role.discarded += self.inbox.clear()
        self.is_closed = True

    def fail(self, error: BaseException, now: float) -> None:
        """A bug, or a refusal of the system: nobody else would see it, so users are to."""
        self._failure = error
        text = f"{self.called} has failed: {error}"
        self._why = lambda: ClosedError(text)
        try:
            self.end(now)
        except Exception as another:
            error.add_note(f"and what was open could not be closed: {another!r}")
        finally:  # whoever waits for the end is not to wait for ever
            self.is_closing = self.is_closed = True


def _forked() -> ForkedError:
    return ForkedError(
        "this socket belongs to the parent of this forked process: create a new one here"
    )


_actors: weakref.WeakSet[Actor] = weakref.WeakSet()


def _leave_all() -> None:
    for actor in list(_actors):
        actor.leave()


os.register_at_fork(after_in_child=_leave_all)
