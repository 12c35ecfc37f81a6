"""The thread that reads producers and publishes what they send. Shell.

Who has something is read in turn, one read each, so that nobody gets more than his share, however
much he sends. What a read brought is appended by one commit. If there is no room for it, it is
kept, and no producer is read until there is.
"""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from fanout.errors import BrokenError, PoisonedError
from fanout.ingress.door import Door
from fanout.ingress.poller import Poller
from fanout.ingress.splitting import Found
from fanout.reasons import Reason
from fanout.send.attempt import NO_SPACE
from fanout.send.path import ROOM_POLL

if TYPE_CHECKING:
    from collections.abc import Callable

    from fanout.events import Event
    from fanout.ingress.portions import Portions
    from fanout.ingress.sources import Connection, Source
    from fanout.send.attempt import Attempt

READ_BYTES = (
    32 * 1024
)  # a turn: some 0.1 ms of the interpreter, in which nobody publishes beside it
LAST_BYTES = 1024 * 1024  # what is read of each in the end: more than sockets hold by default


class Waiting(NamedTuple):
    """What was taken of a producer, and has no room yet."""

    connection: Connection
    attempt: Attempt


class Loop:
    """Reads all producers of a publisher; on a thread of its own, but for `post` and `end`.

    Args:
        portions: makes attempts of what was found.
        tell: is told of events.
        fail: is told why the thread ended, if that was not wanted.

    Attributes:
        sources: the endpoints; only the thread changes them.
        has_ended: nothing is read any more.
    """

    def __init__(
        self,
        portions: Portions,
        tell: Callable[[Event], None],
        fail: Callable[[BaseException], None],
    ) -> None:
        self._path = portions.path
        self._portions = portions
        self._poller = Poller(portions.path.room)
        self._door = Door(self._poller, portions.terms, portions.message_limit, tell)
        self._fail = fail
        self._orders: deque[Callable[[], None]] = deque()
        self._turns: deque[Connection] = deque()
        self._waiting: deque[Waiting] = deque()
        self._is_refused = False  # the publisher takes nothing, room or not
        self._ends_at: float | None = None
        self.has_ended = False
        self.thread = threading.Thread(target=self._run, name="fanout-ingest", daemon=True)
        _loops.add(self)

    @property
    def sources(self) -> dict[str, Source]:
        """Endpoints that are open."""
        return self._door.sources

    def post(self, order: Callable[[], None]) -> None:
        """Have the thread do something, soon; any thread."""
        self._orders.append(order)
        self._poller.wake()

    def end(self, timeout: float) -> None:
        """Accept nobody any more, publish what is there, and end; any thread.

        Args:
            timeout: seconds for that; what has no room by then is dropped, and counted.
        """
        until = time.monotonic() + timeout
        self._ends_at = until if self._ends_at is None else min(until, self._ends_at)
        self._poller.wake()

    # The thread.

    def add(self, source: Source) -> None:
        """Accept producers there from now on."""
        self._door.open(source)

    def remove(self, source: Source) -> None:
        """Accept no more there, publish what its producers have sent, and end them."""
        self._door.shut(source)
        self._read_rest([one for one in source.connections.values() if one.is_ready], 0.0)
        for connection in list(source.connections.values()):
            self._door.end(connection, Reason.DISCONNECTED_BY_CALL, "stop_ingest()")

    def take_back(self, source: Source) -> None:
        """Undo `add`, done or not: who has asked for it was interrupted."""
        if self.sources.get(source.endpoint) is source:
            self.remove(source)
        else:
            source.listener.close()

    def _run(self) -> None:
        try:
            while self._ends_at is None:
                self._turn()
            self._finish()
        except BaseException as error:
            self._fail(error)
        finally:
            self.has_ended = True
            self._drop_all()

    def _turn(self) -> None:
        others, producers = self._poller.wait(self._timeout())
        for descriptor in producers:
            connection = self._door.connections.get(descriptor)
            if connection is not None and not connection.is_due:
                connection.is_due = True
                self._turns.append(connection)
        for descriptor, events in others:
            connection = self._door.look(descriptor, events, time.monotonic())
            if connection is not None:
                self._read(connection)
        while self._orders:
            self._orders.popleft()()
        self._door.look_at_clock(time.monotonic())
        self._publish_waiting()
        for _ in range(len(self._turns)):
            if self._waiting:
                break
            connection = self._turns.popleft()
            connection.is_due = False
            self._read(connection)

    def _timeout(self) -> float | None:
        if self._waiting:
            return ROOM_POLL
        if self._turns or self._orders:
            return 0.0
        return self._door.until_next(time.monotonic())

    def _read(self, connection: Connection) -> int:
        """One read of a producer, and what follows from it; returns how many bytes came."""
        if not connection.is_open:
            return 0
        try:
            data = connection.sock.recv(READ_BYTES)
        except (BlockingIOError, InterruptedError):
            return 0
        except OSError as error:
            self._door.end(connection, Reason.BROKEN, error.strerror or str(error))
            return 0
        if not data:
            self._door.end(connection, Reason.LEFT, "closed by the producer")
            return 0
        found = Found()
        events = connection.intake.receive(data, found)
        self._door.greet(connection, events)
        if found.ends:
            for attempt in self._portions.of(found):
                self._publish(Waiting(connection, attempt))
        self._door.answer(connection)
        if connection.is_open:
            self._door.weigh(connection)
        return len(data)

    def _publish(self, one: Waiting) -> None:
        if self._waiting or not self._append(one):
            self._waiting.append(one)
            self._poller.pause(True)

    def _publish_waiting(self) -> None:
        while self._waiting:
            if not self._append(self._waiting[0]):
                return
            self._waiting.popleft()
        self._poller.pause(False)

    def _append(self, one: Waiting) -> bool:
        """Append it, if there is room, and sends are let through."""
        connection, attempt = one
        try:
            sequence = attempt.append()
            if sequence == NO_SPACE and self._path.make_room(attempt.size, attempt.count):
                sequence = attempt.append()
        except (BrokenError, PoisonedError):  # until restart_workers(), or recover()
            self._is_refused = True
            return False
        self._is_refused = False
        if sequence == NO_SPACE:
            return False
        connection.took(attempt.count, attempt.size)
        return True

    # The end.

    def _finish(self) -> None:
        """Publish what has come, as far as there is time and room."""
        for source in list(self.sources.values()):
            self._door.shut(source)
        ready = [one for one in self._door.connections.values() if one.is_ready]
        assert self._ends_at is not None  # else we would not be here
        self._publish_waiting()
        self._read_rest(ready, self._ends_at)
        for connection in list(self._door.connections.values()):
            self._door.end(connection, Reason.PUBLISHER_CLOSED, "")

    def _read_rest(self, connections: list[Connection], until: float) -> None:
        """Read each, in turn, until its socket has no more; what has no room waits.

        Args:
            until: seconds; so long is waited for room.
        """
        rest = deque((one, 0) for one in connections)
        while rest and not self._waiting_until(until):
            connection, before = rest.popleft()
            count = before + (got := self._read(connection))
            if got and count < LAST_BYTES and (time.monotonic() < until or not until):
                rest.append((connection, count))
        self._waiting_until(until)

    def _waiting_until(self, until: float) -> bool:
        """Wait for room for what has none; returns whether there was none in time."""
        while self._waiting:
            self._publish_waiting()
            left = min(until, self._ends_at or until) - time.monotonic()
            if self._waiting:
                if left <= 0 or self._is_refused:
                    return True
                self._path.wait_for_room(left)
        return False

    def _drop_all(self) -> None:
        for connection, attempt in self._waiting:
            connection.source.drop(attempt.count, attempt.size)
        self._waiting.clear()
        self._turns.clear()
        self._door.close()
        self._poller.close()
        while self._orders:  # somebody waits for them
            with suppress(Exception):
                self._orders.popleft()()

    def leave(self) -> None:
        """In a forked child: let go of the copies of all descriptors."""
        for connection in list(self._door.connections.values()):
            with suppress(OSError):
                connection.sock.close()
        self._poller.close()


_loops: weakref.WeakSet[Loop] = weakref.WeakSet()


def _leave_all() -> None:
    for loop in list(_loops):
        loop.leave()


os.register_at_fork(after_in_child=_leave_all)
