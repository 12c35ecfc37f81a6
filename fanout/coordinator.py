"""The coordinator: one background thread that accepts, assigns and supervises. Shell.

It decides nothing itself: the roster says who serves whom, the ledger keeps the totals. It never
reads from a subscriber and does no protocol work. All its state belongs to its thread; other
threads reach it through `call()`.

Order of its end: stop accepting, tell the workers to finish, collect what they report, kill who
overstays, reap, release descriptors. Each step has its own limit.
"""

from __future__ import annotations

import logging
import os
import selectors
import threading
import time
from collections import deque
from concurrent.futures import Future
from typing import TYPE_CHECKING, TypeVar

from fanout.control import (
    Closed,
    Connected,
    ControlError,
    Finish,
    Message,
    Slow,
    Snapshot,
    SnapshotDone,
    Started,
    Subscriptions,
)
from fanout.errors import ClosedError, StartupError
from fanout.events import Event, EventKind
from fanout.interest import Interest
from fanout.ledger import Ledger
from fanout.pool import WorkerLink
from fanout.reception import Reception
from fanout.reporter import Reporter
from fanout.roster import Connection, Roster, WorkerState
from fanout.send_path import BROKEN, CLOSED, SendPath
from fanout.shm import layout as at
from fanout.shm.doorbell import Doorbell
from fanout.shm.layout import Layout
from fanout.shm.segment import Segment
from fanout.snapshots import Snapshots
from fanout.subscribers import final_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from fanout.options import Options

T = TypeVar("T")

TICK = 0.5  # seconds between looks at heartbeats; an idle publisher wakes twice a second
TICK_TRUST = 2 * TICK  # a longer gap means that the coordinator itself was stopped
CALL_TIMEOUT = 10.0  # seconds for a request to the coordinator's thread; it never blocks for long
KILL_GRACE = 1.0  # seconds past its timeout that a finishing worker gets before it is killed

log = logging.getLogger("fanout")
log.addHandler(logging.NullHandler())


class Coordinator:
    """Owns the segment, the workers and the listeners of one publisher.

    Created and started by the publisher's thread; everything after that runs on its own thread,
    except `call()`, `close()` and the attributes that are thread-safe by themselves (`send_path`,
    `interest`).
    """

    def __init__(self, options: Options, on_event: Callable[[Event], None] | None) -> None:
        self.options = options
        count = options.worker_count
        self.segment = Segment.create(
            Layout.for_options(options.log_bytes, options.max_subscribers)
        )
        self.room = Doorbell()
        self.links = [WorkerLink(index, self.segment, self.room) for index in range(count)]
        self.interest = Interest()
        self.send_path = SendPath(
            self.segment,
            [link.bell for link in self.links],
            self.room,
            self.interest,
            options.max_topics,
        )
        self.roster = Roster(count, options.max_subscribers, options.max_half_open)
        self.ledger = Ledger()
        self.reporter = Reporter(on_event, log)
        self.descriptors: dict[int, int] = {}  # subscriber -> our duplicate of its socket
        self._selector = selectors.DefaultSelector()
        self.reception = Reception(self, self._selector)
        self._wake = Doorbell()
        self._calls: deque[Callable[[], None]] = deque()
        self.snapshots = Snapshots()
        self._ready: Future[None] = Future()
        self._finishing_until: float | None = None  # set once: the end has begun
        self._ended = threading.Event()
        self._last_tick = time.monotonic()
        self._pid = os.getpid()
        self._thread = threading.Thread(target=self._run, name="fanout-coordinator", daemon=True)

    def start(self) -> None:
        """Start the thread and the workers; returns when all of them serve.

        Raises:
            StartupError: a worker did not start; everything is released.
        """
        self._thread.start()
        try:
            self._ready.result(self.options.start_timeout)
        except BaseException as error:
            self.close(0.0)
            if isinstance(error, TimeoutError):
                raise StartupError(
                    f"the workers were not ready within {self.options.start_timeout} s "
                    f"(start_timeout): the machine is overloaded, or a worker hangs"
                ) from None
            raise

    def call(self, function: Callable[[], T], timeout: float = CALL_TIMEOUT) -> T:
        """Run `function` on the coordinator's thread and return its result.

        Raises:
            ClosedError: the coordinator has ended.
            TimeoutError: it did not answer in time.
        """
        if threading.current_thread() is self._thread:
            return function()
        future: Future[T] = Future()

        def run() -> None:
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(function())
                except Exception as error:
                    future.set_exception(error)

        self._calls.append(run)
        self._wake.ring()
        if self._ended.is_set():
            raise ClosedError("the publisher is closed")
        try:
            return future.result(timeout)
        finally:
            future.cancel()

    def refresh(self, timeout: float) -> bool:
        """Have every worker bring its slots up to date; False if one did not in time."""
        done = threading.Event()
        self.call(lambda: self._request_snapshot(done))
        return done.wait(timeout)

    def close(self, timeout: float) -> None:
        """End everything; returns when it has ended. Idempotent, any thread.

        Args:
            timeout: seconds in which workers may still deliver what is queued; 0.0 = at once.
        """
        self.send_path.shut(CLOSED)
        if os.getpid() != self._pid or self._thread is threading.current_thread():
            return
        self._calls.append(lambda: self._begin_end(timeout))
        self._wake.ring()
        if self._thread.ident is not None:
            self._ended.wait(timeout + KILL_GRACE + CALL_TIMEOUT)

    def loads(self) -> list[int]:
        """The measured load of each worker, in thousandths of a core."""
        return [link.slot[at.W_LOAD] for link in self.links]

    def report(self, event: Event) -> None:
        """Tell the world; never raises."""
        self.reporter.report(event)

    # The thread.

    def _run(self) -> None:
        try:
            self._selector.register(self._wake.fd, selectors.EVENT_READ, self._take_calls)
            for link in self.links:
                self._start_worker(link)
            while self._finishing_until is None or any(link.process for link in self.links):
                self._turn()
        except Exception as error:
            log.exception("the coordinator failed; the publisher is broken")
            self.send_path.shut(BROKEN)
            self._fail_start(StartupError(f"the coordinator failed: {error}"))
        finally:
            self._release()

    def _turn(self) -> None:
        for key, _mask in self._selector.select(self._until_next()):
            key.data()
        now = time.monotonic()
        if now - self._last_tick >= TICK or self._finishing_until is not None:
            self._tick(now)
        if self._finishing_until is None:
            for index in self.roster.due(now):
                self._start_worker(self.links[index])

    def _until_next(self) -> float:
        now = time.monotonic()
        times = [self._last_tick + TICK]
        due = self.roster.next_due()
        if due is not None and self._finishing_until is None:
            times.append(due)
        if self._finishing_until is not None:
            times.append(self._finishing_until)
        return max(0.0, min(times) - now)

    def _tick(self, now: float) -> None:
        elapsed = min(now - self._last_tick, TICK_TRUST)
        self._last_tick = now
        self.reception.resume(now)
        late = self._finishing_until is not None and now >= self._finishing_until
        for link in self.links:
            if link.process is None:
                continue
            if self.roster.workers[link.index].state is not WorkerState.READY:
                silent = False  # start_timeout is its limit
            else:
                silent = link.watch(elapsed) >= self.options.worker_timeout
            if silent or late:
                log.warning("worker %d hangs and is killed", link.index)
                link.kill()

    def _take_calls(self) -> None:
        self._wake.clear()
        while self._calls:
            self._calls.popleft()()

    def _begin_end(self, timeout: float) -> None:
        if self._finishing_until is not None:
            return
        self._finishing_until = time.monotonic() + timeout + KILL_GRACE
        self.ledger.closing = True
        self.reception.close()
        for link in self.links:
            if link.channel is not None and not link.channel.closed:
                link.channel.send(Finish(timeout))

    def _release(self) -> None:
        self.send_path.shut(BROKEN)
        self._ended.set()
        for link in self.links:
            link.kill()
            link.reap()
            link.close()
        for descriptor in self.descriptors.values():
            os.close(descriptor)
        self.descriptors.clear()
        self.reception.close()
        self._selector.close()
        self._take_calls()
        self.segment.close()

    # Workers.

    def _start_worker(self, link: WorkerLink) -> None:
        try:
            link.start(self.options)
        except OSError as error:
            self._worker_ended(link, f"could not be started: {error}")
            return
        assert link.process is not None
        assert link.channel is not None
        sentinel, channel = link.process.sentinel, link.channel.socket
        self._selector.register(sentinel, selectors.EVENT_READ, lambda: self._on_exit(link))
        self._selector.register(channel, selectors.EVENT_READ, lambda: self._on_channel(link))

    def _on_channel(self, link: WorkerLink) -> None:
        if link.channel is None:
            return
        try:
            received = link.channel.receive()
        except ControlError:
            log.exception("worker %d sent what it cannot send and is killed", link.index)
            link.kill()
            received = []
        for message, descriptors in received:
            for descriptor in descriptors:
                os.close(descriptor)  # workers send none
            self._handle(link, message)
        if link.channel.closed and not received:
            self._selector.unregister(link.channel.socket)
            if self._finishing_until is None:
                link.kill()  # it cannot be talked to; its sentinel follows

    def _on_exit(self, link: WorkerLink) -> None:
        assert link.process is not None
        assert link.channel is not None
        while not link.channel.closed:  # what it reported before its end still counts
            self._on_channel(link)
        self._selector.unregister(link.process.sentinel)
        self._worker_ended(link, link.reap())

    def _worker_ended(self, link: WorkerLink, how: str) -> None:
        lost = self.roster.worker_lost(link.index, time.monotonic())
        for connection in lost:
            closed = final_of(self.segment, connection, "its worker was lost")
            self._end_connection(connection, closed)
        self.snapshots.forget(link.index)
        if self._finishing_until is not None:
            return
        self.report(Event(EventKind.WORKER_LOST, how, worker=link.index))
        if self.roster.workers[link.index].state is WorkerState.GONE:
            log.error("worker %d failed too often and is given up: %s", link.index, how)
        if self.roster.broken:
            self.send_path.shut(BROKEN)
            self._fail_start(StartupError(f"no worker could be started: {how}"))

    def _fail_start(self, error: StartupError) -> None:
        if not self._ready.done():
            self._ready.set_exception(error)

    # Messages from workers.

    def _handle(self, link: WorkerLink, message: Message) -> None:
        if isinstance(message, Subscriptions):
            self._on_subscriptions(link, message)
        elif isinstance(message, Connected):
            self._on_connected(message)
        elif isinstance(message, Closed):
            connection = self.roster.remove(message.subscriber)
            if connection is not None:
                self._end_connection(connection, message)
        elif isinstance(message, Slow):
            self._on_slow(message)
        elif isinstance(message, SnapshotDone):
            self.snapshots.done(message.token, link.index)
        elif isinstance(message, Started):
            self.roster.worker_ready(link.index, time.monotonic())
            self.report(Event(EventKind.WORKER_STARTED, f"pid {message.pid}", worker=link.index))
            if self.roster.all_ready and not self._ready.done():
                self._ready.set_result(None)
        else:
            raise ControlError(f"{type(message).__name__} is not for a coordinator")

    def _on_subscriptions(self, link: WorkerLink, message: Subscriptions) -> None:
        if message.subscriber not in self.roster.connections:
            return
        self.interest.update(message.subscriber, link.index, message.added, message.cancelled)
        # Messages published before this line did not ring for the new subscription.
        link.bell.wake()

    def _on_connected(self, message: Connected) -> None:
        connection = self.roster.connected(message.subscriber, message.version)
        if connection is not None:
            self._report_on(EventKind.SUBSCRIBER_CONNECTED, connection, f"ZMTP {message.version}")

    def _on_slow(self, message: Slow) -> None:
        connection = self.roster.connections.get(message.subscriber)
        if connection is None:
            return
        kind = EventKind.SUBSCRIBER_RECOVERED if message.recovered else EventKind.SUBSCRIBER_SLOW
        self._report_on(kind, connection, message.reason, message.dropped)

    def _request_snapshot(self, done: threading.Event) -> None:
        ready = [w.index for w in self.roster.workers if w.state is WorkerState.READY]
        token = self.snapshots.begin(ready, done)
        for index in ready:
            channel = self.links[index].channel
            if channel is not None:
                channel.send(Snapshot(token))

    def _end_connection(self, connection: Connection, closed: Closed) -> None:
        self.interest.forget(connection.subscriber)
        descriptor = self.descriptors.pop(connection.subscriber, None)
        if descriptor is not None:
            self.reception.shut(descriptor)
        self.ledger.close(connection, closed)
        kind = EventKind.SUBSCRIBER_EVICTED if closed.evicted else EventKind.SUBSCRIBER_DISCONNECTED
        self._report_on(kind, connection, closed.reason, closed.dropped)

    def _report_on(
        self, kind: EventKind, connection: Connection, reason: str, dropped: int = 0
    ) -> None:
        self.report(
            Event(
                kind,
                reason,
                subscriber=connection.subscriber,
                peer=connection.peer,
                worker=connection.worker,
                dropped=dropped,
            )
        )
