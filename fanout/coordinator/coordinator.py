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
import signal
import threading
import time
from collections import deque
from concurrent.futures import Future
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, TypeVar

from fanout.control.messages import ControlError, Finish, Snapshot
from fanout.coordinator.announcer import Announcer
from fanout.coordinator.answers import Snapshots
from fanout.coordinator.figures import Figures, final_of
from fanout.coordinator.ledger import Ledger
from fanout.coordinator.links import WorkerLink
from fanout.coordinator.reception import Reception
from fanout.coordinator.reports import Reports
from fanout.coordinator.roster import Roster, WorkerState
from fanout.errors import ClosedError, StartupError
from fanout.events import Event, EventKind
from fanout.reasons import Reason
from fanout.shm.doorbell import Doorbell

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Sequence

    from fanout.coordinator.interest import Interest
    from fanout.options import Options
    from fanout.shm.bells import Bell
    from fanout.shm.segment import Segment

T = TypeVar("T")

TICK = 0.5  # seconds between looks at heartbeats; an idle publisher wakes twice a second
TICK_TRUST = 2 * TICK  # a longer gap means that the coordinator itself was stopped
CALL_TIMEOUT = 10.0  # seconds for a request to the coordinator's thread, which waits for nobody
IGNORED_BY_WORKERS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)  # the publisher decides
KILL_GRACE = 1.0  # seconds past its timeout that a finishing worker gets before it is killed
_READ_AND_WRITE = selectors.EVENT_READ | selectors.EVENT_WRITE

log = logging.getLogger("fanout")
log.addHandler(logging.NullHandler())


class Coordinator:
    """Owns the workers and the listeners of one publisher; the memory they share is lent to it.

    Created and started by the publisher's thread; everything after that runs on its own thread,
    except `call()`, `close()` and the attributes that are thread-safe by themselves (`interest`).

    Args:
        bells: of the workers, one for each.
        room: rung by a worker that has moved on, for who waits for room in the log.
        on_broken: called when no worker is left and none can be started; its thread.
        on_ended: called last, when nothing uses any more what was lent; mostly its thread.

    Raises:
        OSError: the system gives no descriptors; none is left open.
    """

    def __init__(
        self,
        options: Options,
        segment: Segment,
        bells: Sequence[Bell],
        room: Doorbell,
        interest: Interest,
        *,
        on_event: Callable[[Event], None] | None,
        on_broken: Callable[[], object],
        on_ended: Callable[[], object],
    ) -> None:
        self.options = options
        self.segment = segment
        self.interest = interest
        self._on_broken = on_broken
        self._on_ended = on_ended
        with ExitStack() as undo:
            self._wake = Doorbell()
            undo.callback(self._wake.close)
            self._selector = selectors.DefaultSelector()
            undo.callback(self._selector.close)
            self._resources = undo.pop_all()
        self.links = [WorkerLink(index, segment, bell, room) for index, bell in enumerate(bells)]
        count = len(bells)
        self.roster = Roster(count, options.max_subscribers, options.max_half_open)
        self.ledger = Ledger(segment.words)
        self.figures = Figures(segment, self.ledger, options.slow_policy)
        self.announcer = Announcer(on_event, log)
        self.descriptors: dict[int, int] = {}  # subscriber -> our duplicate of its socket
        self.reception = Reception(self, self._selector)
        self._calls: deque[Callable[[], None]] = deque()
        self.snapshots = Snapshots()
        self.reports = Reports(self)
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
        try:
            self._thread.start()
            self._ready.result(self.options.start_timeout)
        except BaseException as error:
            self.close(0.0)
            if isinstance(error, TimeoutError):
                raise StartupError(
                    f"the workers were not ready within {self.options.start_timeout} s "
                    f"(start_timeout): the machine is overloaded, or a worker hangs"
                ) from None
            if isinstance(error, RuntimeError) and self._thread.ident is None:
                raise StartupError(f"the system gives no thread: {error}") from error
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

        def run(future: Future[T] = future) -> None:
            if future.set_running_or_notify_cancel():
                try:
                    if self._ended.is_set():
                        raise ClosedError("the publisher is closed")
                    future.set_result(function())
                except Exception as error:
                    future.set_exception(error)

        self.post(run)
        if self._ended.is_set():
            raise ClosedError("the publisher is closed")
        try:
            return future.result(timeout)
        finally:
            future.cancel()
            del future, run  # else the traceback of an error holds the error, and us with it

    def post(self, function: Callable[[], None]) -> None:
        """Have the coordinator's thread run `function` soon, unless it has ended; any thread."""
        self._calls.append(function)
        self._wake.ring()

    @property
    def ended(self) -> bool:
        """Whether its thread takes no calls any more."""
        return self._ended.is_set()

    def refresh(self, timeout: float) -> bool:
        """Have every worker bring its slots up to date; False if one did not in time."""
        done = threading.Event()
        self.call(lambda: self._request_snapshot(done))
        return done.wait(timeout)

    def close(self, timeout: float) -> None:
        """End everything; returns when it has ended. Idempotent, any thread.

        While an end is under way, a shorter timeout brings it forward. On the coordinator's own
        thread (which may happen to collect a publisher as garbage) it returns at once.

        Args:
            timeout: seconds in which workers may still deliver what is queued; 0.0 = at once.
        """
        if os.getpid() != self._pid:
            return
        if self._thread.ident is None:
            self._give_back()
            return
        if not self._ended.is_set():
            self.post(lambda: self._begin_end(timeout))
        if self._thread is not threading.current_thread():
            self._thread.join(timeout + KILL_GRACE + CALL_TIMEOUT)
            self.announcer.close(timeout)

    def loads(self) -> list[int]:
        """The measured load of each worker, in thousandths of a core."""
        return [link.slot.load for link in self.links]

    def worker_started(self) -> None:
        """One more worker serves; the start is done when all of them do."""
        if self.roster.all_ready and not self._ready.done():
            self._ready.set_result(None)

    def report(self, event: Event) -> None:
        """Tell the world; never waits, never raises."""
        self.announcer.tell(event)

    # The thread.

    def _run(self) -> None:
        # Workers inherit this, until they have said that they ignore these signals.
        signal.pthread_sigmask(signal.SIG_BLOCK, IGNORED_BY_WORKERS)
        try:
            self._selector.register(self._wake.fd, selectors.EVENT_READ, self._take_calls)
            for link in self.links:
                self._start_worker(link)
            self.reception.reserve(self.options.max_subscribers)  # while the workers start
            while self._finishing_until is None or any(link.process for link in self.links):
                self._turn()
        except Exception as error:
            self.announcer.complain("the coordinator failed; the publisher is broken", error)
            self._on_broken()
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
        self.figures.turned(time.monotonic_ns())
        self._flush_channels()

    def _until_next(self) -> float:
        now = time.monotonic()
        times = [self._last_tick + TICK]
        due = self.roster.next_due()
        if due is not None and self._finishing_until is None:
            times.append(due)
        if self._finishing_until is not None:
            times.append(self._finishing_until)
        return max(0.0, min(times) - now)

    def _flush_channels(self) -> None:
        """Send what waits for a worker to read, and be woken when it has read more."""
        for link in self.links:
            channel = link.channel
            if channel is None or channel.closed:
                continue
            wanted = selectors.EVENT_READ if channel.flush() else _READ_AND_WRITE
            key = self._selector.get_key(channel.socket)
            if key.events != wanted:
                self._selector.modify(channel.socket, wanted, key.data)

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
                hung = f"no sign of life for {self.options.worker_timeout:g} s (worker_timeout)"
                link.kill(hung if silent else "did not finish in time")
            elif link.hung_up:
                link.kill("it closed its control channel and did not end")
            link.hung_up = link.channel is not None and link.channel.closed

    def _take_calls(self) -> None:
        self._wake.clear()
        for _ in range(len(self._calls)):  # who calls meanwhile has rung again
            self._calls.popleft()()

    def _begin_end(self, timeout: float) -> None:
        until = time.monotonic() + timeout + KILL_GRACE
        if self._finishing_until is not None and self._finishing_until <= until:
            return
        self._finishing_until = until
        self.ledger.closing = True
        self.reception.close()
        for link in self.links:
            if self.roster.workers[link.index].state is not WorkerState.READY:
                link.kill("it served nobody yet")
            else:
                link.say(Finish(timeout))

    def _release(self) -> None:
        self._on_broken()
        self._ended.set()
        self.announcer.end()
        for link in self.links:
            link.kill("the publisher ends")
            link.reap()
        for descriptor in self.descriptors.values():
            os.close(descriptor)
        self.descriptors.clear()
        self.reception.close()
        self._take_calls()
        self._give_back()

    def _give_back(self) -> None:
        self._resources.close()
        self._on_ended()

    # Workers.

    def _start_worker(self, link: WorkerLink) -> None:
        try:
            link.start(self.options)
        except OSError as error:
            self._worker_ended(link, f"could not be started: {error}")
            return
        assert link.process is not None
        assert link.channel is not None
        self.figures.worker(self.roster.workers[link.index], link.pid)
        sentinel, channel = link.process.sentinel, link.channel.socket
        self._selector.register(sentinel, selectors.EVENT_READ, lambda: self._on_exit(link))
        self._selector.register(channel, selectors.EVENT_READ, lambda: self._on_channel(link))

    def _on_channel(self, link: WorkerLink) -> bool:
        """Take what the worker has sent; False if there was nothing."""
        if link.channel is None:
            return False
        received = []
        try:
            received = link.channel.receive()
            for message, descriptors in received:
                for descriptor in descriptors:
                    os.close(descriptor)  # workers send none
                self.reports.handle(link, message)
        except ControlError as error:
            self.announcer.complain(f"worker {link.index} sent what it cannot send", error)
            link.kill("it sent what it cannot send")
        if link.channel.closed:
            self._unwatch(link.channel.socket)
        return bool(received)

    def _on_exit(self, link: WorkerLink) -> None:
        assert link.process is not None
        assert link.channel is not None
        while self._on_channel(link):
            pass  # what it reported before its end still counts
        self._unwatch(link.channel.socket)
        self._unwatch(link.process.sentinel)
        self._worker_ended(link, link.reap())

    def _unwatch(self, file: socket.socket | int) -> None:
        with suppress(KeyError):  # it is not watched any more
            self._selector.unregister(file)

    def _worker_ended(self, link: WorkerLink, how: str) -> None:
        if not self._ready.done():
            self._fail_start(StartupError(f"worker {link.index} did not start: {how}"))
        lost = self.roster.worker_lost(link.index, time.monotonic())
        self.figures.worker(self.roster.workers[link.index], link.pid)
        closing = self.ledger.closing
        cause = Reason.PUBLISHER_CLOSED if closing else Reason.WORKER_LOST
        for connection in lost:
            closed = final_of(self.segment, connection, cause, evicted=not closing)
            self.reports.end_connection(connection, closed)
        self.snapshots.forget(link.index)
        if self._finishing_until is not None:
            return
        entry = self.roster.workers[link.index]
        if entry.state is WorkerState.GONE:
            how += f"; given up after {entry.failures} failures in a row"
        self.report(Event(EventKind.WORKER_LOST, how, worker=link.index))
        if self.roster.broken:
            self._on_broken()

    def _fail_start(self, error: StartupError) -> None:
        if not self._ready.done():
            self._ready.set_exception(error)

    def _request_snapshot(self, done: threading.Event) -> None:
        ready = [w.index for w in self.roster.workers if w.state is WorkerState.READY]
        token = self.snapshots.begin(ready, done)
        for index in ready:
            self.links[index].say(Snapshot(token))
