"""The thread that reads producers and publishes what they send. Shell.

Who has something is read in turn, one read each of what takes as long, so that nobody gets more
than his share, however much he sends. What a read brought is appended by one commit. If there is no
room for it, it is kept, and no producer is read until there is.
"""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections import deque
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from fanout.errors import BrokenError, PoisonedError
from fanout.ingress.door import Door
from fanout.ingress.poller import Poller
from fanout.ingress.shares import next_share
from fanout.ingress.sources import Piece
from fanout.ingress.splitting import FoundMessages
from fanout.reasons import Reason
from fanout.send.attempt import NO_SPACE
from fanout.send.path import ROOM_POLL

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from fanout.events import Event
    from fanout.ingress.portions import Portions
    from fanout.ingress.sources import Connection, Source
    from fanout.statistics import IngestStatistics

HANDSHAKE_BYTES = 1024  # what is read of who is not ready: what it sends behind that is kept
LAST_BYTES = 1024 * 1024  # what is published of each in the end: more than sockets hold by default
STOP_SECONDS = 2.0  # that `stop_ingest()` waits for room in the log, while nothing else is read


class Loop:
    """Reads all producers of a publisher; on a thread of its own, but for `post` and `end`.

    Args:
        portions: makes attempts of what was found.
        tell: is told of events.
        fail: is told why the thread ended, if that was not wanted.

    Attributes:
        sources: the endpoints; only the thread changes them.
        thread: started by whoever made the loop.
        steps: that it has taken: turns, reads, and looks for room.
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
        self._waiting: deque[Piece] = deque()  # what was taken, and has no room yet
        self._is_refused = False  # the publisher takes nothing, room or not
        self._ends_at: float | None = None
        self.steps = 0
        self._has_ended = False
        # Wrapped twice: if `_end` is interrupted (no memory), the outer one runs it again.
        ended = _ending(self._end)
        run = ended(ended(self._run))
        self.thread = threading.Thread(target=run, name="fanout-ingest", daemon=True)
        _loops.add(self)

    @property
    def sources(self) -> dict[str, Source]:
        """Endpoints that are open."""
        return self._door.sources

    @property
    def has_ended(self) -> bool:
        """Nothing is read any more."""
        return self._has_ended or self._is_dead

    @property
    def _is_dead(self) -> bool:
        return self.thread.ident is not None and not self.thread.is_alive()

    def bury(self) -> None:
        """If the thread has died before it could end anything, end all; any thread."""
        if self._is_dead:
            self._end()

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

    def remove(self, source: Source) -> IngestStatistics:
        """Accept no more there, publish what its producers have sent, and end them.

        Returns:
            Its last figures.
        """
        self._door.shut(source)
        ready = [one for one in source.connections.values() if one.is_ready]
        self._read_rest(ready, time.monotonic() + STOP_SECONDS)
        ended = source.connections.values()
        self._door.end_all(ended, Reason.DISCONNECTED_BY_CALL, "stop_ingest()")
        return source.statistics()

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

    def _turn(self) -> None:
        self.steps += 1
        others, producers = self._poller.wait(self._timeout())
        for descriptor in producers:
            connection = self._door.connections.get(descriptor)
            if connection is not None and not connection.is_due:
                connection.is_due = True
                self._turns.append(connection)
        for descriptor, events in others:
            connection = self._door.look(descriptor, events, time.monotonic())
            if connection is not None:
                self._greet(connection)
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

    def _greet(self, connection: Connection) -> None:
        """Go on with a handshake. What comes behind it waits for its turn, as all that is sent."""
        try:
            data = connection.sock.recv(HANDSHAKE_BYTES)
        except OSError as error:
            self._door.read_failed(connection, error)
            return
        if not data:
            self._door.left(connection)
        else:
            self._door.greet(connection, connection.intake.receive_data(data))
            self._door.answer(connection)
            if connection.is_ready and connection.intake.rest:
                connection.is_due = True
                self._turns.append(connection)

    def _read(self, connection: Connection) -> int:
        """One read of a producer, and what follows from it; returns how many bytes came.

        Only while nothing waits for room. All that was read is `taken`, or in a piece that waits,
        or counted: whatever interrupts this, it can be told.
        """
        self.steps += 1
        if not connection.is_open:
            return 0
        intake, share = connection.intake, connection.share
        connection.mark = intake.mark
        try:
            connection.taken, intake.rest = intake.rest or connection.sock.recv(share), b""
        except OSError as error:
            self._door.read_failed(connection, error)
            return 0
        data = connection.taken
        if not data:
            self._door.left(connection)
            return 0
        began_ns = time.thread_time_ns()
        found = FoundMessages()
        intake.receive(data, found)
        pieces = deque(Piece(connection, attempt) for attempt in self._portions.of(found))
        self._waiting, connection.taken = pieces, b""
        self._publish_waiting()
        self._door.answer(connection)
        if connection.is_open:
            self._door.weigh(connection)
        took_ns = time.thread_time_ns() - began_ns
        connection.share = next_share(share, len(data), took_ns)
        return len(data)

    def _publish_waiting(self) -> None:
        """Publish what was taken, as far as there is room; no producer is read while any waits."""
        while self._waiting:
            piece = self._waiting[0]
            if not piece.is_counted and not self._append(piece):
                break
            self._waiting.popleft()
        self._poller.pause(bool(self._waiting))

    def _append(self, piece: Piece) -> bool:
        """Append it, if there is room, and sends are let through."""
        attempt = piece.attempt
        try:
            sequence = piece.publish()
            if sequence == NO_SPACE and self._path.make_room(attempt.size, attempt.count):
                sequence = piece.publish()
        except (BrokenError, PoisonedError):  # until restart_workers(), or recover()
            self._is_refused = True
            return False
        self._is_refused = False
        return sequence != NO_SPACE

    # The end.

    def _finish(self) -> None:
        """Publish what has come, as far as there is time and room."""
        for source in list(self.sources.values()):
            self._door.shut(source)
        ready = [one for one in self._door.connections.values() if one.is_ready]
        assert self._ends_at is not None  # else we would not be here
        self._publish_waiting()
        self._read_rest(ready, self._ends_at)
        self._door.end_all(self._door.connections.values(), Reason.PUBLISHER_CLOSED)

    def _read_rest(self, connections: list[Connection], until: float) -> None:
        """Read each, in turn, until its socket has no more; what has no room waits.

        Args:
            until: seconds; so long is waited for room.
        """
        rest = deque((one, 0) for one in connections)
        while rest and not self._waiting_until(until):
            connection, before = rest.popleft()
            count = before + (got := self._read(connection))
            if got and count < LAST_BYTES and time.monotonic() < until:
                rest.append((connection, count))
        self._waiting_until(until)

    def _waiting_until(self, until: float) -> bool:
        """Wait for room for what has none; returns whether there was none in time."""
        while self._waiting:
            self.steps += 1
            self._publish_waiting()
            left = min(until, self._ends_at or until) - time.monotonic()
            if self._waiting:
                if left <= 0 or self._is_refused:
                    return True
                self._path.wait_for_room(left)
        return False

    def _end(self) -> None:
        """Drop what is there, and count it. Interrupted, it can be called again."""
        self._has_ended = True
        for piece in self._waiting:
            piece.drop()
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
        self._door.end_held()
        self._poller.close()


_loops: weakref.WeakSet[Loop] = weakref.WeakSet()


@contextmanager
def _ending(end: Callable[[], None]) -> Iterator[None]:
    """Decorates what `end` is to be called after, however it ends."""
    try:
        yield
    finally:
        end()


def _leave_all() -> None:
    for loop in list(_loops):
        loop.leave()


os.register_at_fork(after_in_child=_leave_all)
