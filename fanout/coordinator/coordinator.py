"""The coordinator: one background thread that accepts, assigns and supervises. Shell.

It decides nothing itself: what happens is told to pure code, which changes the state and returns
actions, and those are carried out (`Hands`). It never reads from a subscriber and does no protocol
work. All its state belongs to its thread; other threads reach it through `call()`.

Order of its end: stop accepting, tell the workers to finish, collect what they report, kill who
overstays, reap, release descriptors. Each step has its own limit.
"""

from __future__ import annotations

import math
import os
import selectors
import signal
import threading
from concurrent.futures import Future
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from fanout.basics.grace import wait_for_end
from fanout.coordinator import reports
from fanout.coordinator.actions import Tell
from fanout.coordinator.calls import CALL_TIMEOUT, Calls
from fanout.coordinator.figures import Figures
from fanout.coordinator.hands import Hands
from fanout.coordinator.judgements import due
from fanout.coordinator.last_orders import let_deliver
from fanout.coordinator.ledger import Ledger
from fanout.coordinator.looks import Looks
from fanout.coordinator.pool import Pool
from fanout.coordinator.reception import Reception
from fanout.coordinator.state import make_state
from fanout.coordinator.surroundings import REAL
from fanout.coordinator.telling import Telling
from fanout.coordinator.untold import Untold
from fanout.errors import StartupError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from fanout.coordinator.actions import Action
    from fanout.coordinator.announcer import Announcer
    from fanout.coordinator.answers import Flag
    from fanout.coordinator.interest import Interest
    from fanout.coordinator.moving import Move
    from fanout.coordinator.staffing import Staffed
    from fanout.coordinator.state import State
    from fanout.coordinator.surroundings import Surroundings
    from fanout.events import Event
    from fanout.options import Options
    from fanout.shm.bells import Bell
    from fanout.shm.doorbell import Doorbell
    from fanout.shm.segment import Segment

T = TypeVar("T")

IGNORED_BY_WORKERS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)  # the publisher decides


class Coordinator:
    """Owns the workers and the listeners of one publisher; the memory they share is lent to it.

    Created and started by the publisher's thread; everything after that runs on its own thread,
    except `call()`, `refresh()`, `close()` and what is thread-safe by itself (`state.interest`).

    Args:
        bells: of the workers, one for each.
        room: rung by a worker that has moved on, for who waits for room in the log.
        interest: changed by the coordinator alone.
        announcer: told what happens; it is ended with the coordinator.
        on_broken: called when no worker is left and none can be started; its thread.
        on_mended: called when one serves again after that; its thread.
        on_ended: called last, when nothing uses any more what was lent; mostly its thread.
        surroundings: clock, selector and processes.

    Raises:
        OSError: the system gives no descriptors; none is left open.
    """

    _steps = 0  # of its thread, by which a close() sees that it gets on

    def __init__(
        self,
        options: Options,
        segment: Segment,
        bells: Sequence[Bell],
        room: Doorbell,
        interest: Interest,
        announcer: Announcer,
        *,
        on_broken: Callable[[], object],
        on_mended: Callable[[], object],
        on_ended: Callable[[], object],
        surroundings: Surroundings = REAL,
    ) -> None:
        self.options = options
        self.segment = segment
        self._on_broken = on_broken
        self._on_ended = on_ended
        self._now = now = surroundings.now
        with ExitStack() as undo:
            self._calls = Calls()
            undo.callback(self._calls.close)
            self._selector = surroundings.make_selector()
            undo.callback(self._selector.close)
            self._resources = undo.pop_all()
        ledger = Ledger(segment.words, options.max_subscribers)
        self.state = make_state(options, len(bells), interest, ledger, now())
        self._pool = Pool(options, segment, bells, room, self.state, self._selector, surroundings)
        self.links = links = self._pool.links
        self._figures = Figures(segment, ledger, options.policy, options.value_age)
        self._announcer = announcer
        self._telling = Telling(self._pool.dropping())
        self._looks = Looks(self._telling, links, ledger, surroundings.read_times)
        self.reception = Reception(
            *(self.state, self._calls, self._selector, now),
            lambda: [link.slot.load for link in links],
            options,
        )
        self._hands = hands = Hands(
            *(self.state, self._pool, self.reception, self._figures, self._telling, announcer),
            *(Future(), now),
            on_broken=on_broken,
            on_mended=on_mended,
        )
        self._carry_out, self._tell = hands.carry_out, hands.tell
        self._ends_at: float | None = None  # the end was asked for, and is to be over by then
        self._spread = math.inf  # seconds over which connections are closed then
        self._claim = threading.Lock()  # of what is to be released: the thread's, or a close()'s
        self._pid = os.getpid()
        self._thread = threading.Thread(target=self._run, name="fanout-coordinator", daemon=True)

    # Any thread.

    def start(self) -> None:
        """Start the thread and the workers; returns when all of them serve.

        Raises:
            StartupError: a worker did not start; everything is released.
        """
        try:
            self._thread.start()
            self._hands.started.result(self.options.start_timeout)
        except BaseException as error:
            self.close(0.0)
            # The old one holds the error, whose traceback leads to us.
            self._hands.started = Future()
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
            ClosedError: the coordinator has ended. TimeoutError: it did not answer in time.
        """
        return self._calls.call(function, timeout)

    def refresh(self, timeout: float) -> bool:
        """Have every worker bring its slots up to date; False if one did not in time."""
        done = threading.Event()
        self.act(lambda state: reports.ask(state, done))
        return done.wait(timeout)

    @property
    def untold(self) -> Untold:
        """What was lost with workers."""
        return Untold(self._calls, self.state.ledger)

    def act(self, decide: Callable[[State], list[Action]]) -> bool:
        """Do what `decide` finds to be done; returns whether there was anything."""

        def run() -> bool:
            self._carry_out(actions := decide(self.state))
            return bool(actions)

        return self.call(run)

    def tell(self, event: Event) -> None:
        """Tell all who listen, soon; any thread."""
        self._calls.post(lambda: self._carry_out([Tell(event)]))

    def move(self, subscriber: int, worker: int, flag: Flag) -> Move:
        """Have a subscriber go to another worker; see `Moving.begin()`."""
        begin = self._pool.moving.begin
        return self.call(lambda: begin(subscriber, worker, "by a call of move()", flag))

    def enlarge(self, bells: Sequence[Bell]) -> None:
        """There may be more workers from now on: as many as there are bells."""
        self.call(lambda: self._pool.enlarge(bells))

    @property
    def size(self) -> int:
        """How many workers there are to be."""
        return self.state.staffing.size

    def resize(self, workers: int) -> None:
        """There are to be so many workers, of those that there may be."""
        self.call(lambda: self.state.staffing.resize(workers))

    def staffed(self) -> Staffed:
        """How far what was wanted of workers has come."""
        return self.call(lambda: self.state.staffing.staffed)

    def restart_workers(self) -> int:
        """Replace those that serve, one after another, and start the others; returns how many."""
        return self.call(lambda: self.state.restart(self._now()))

    def owed(self) -> dict[int, tuple[int, bool]]:
        """Messages that subscribers have not got, as if their workers had just been lost.

        For those whose workers do not answer. Counted in slices, so that it holds nobody up; the
        second figure says whether the first is exact.
        """
        counting = self.call(self._pool.owed)
        while not self.call(counting.go_on):
            pass
        return counting.value

    def close(self, timeout: float, spread: float = 0.0) -> bool:
        """End everything; returns whether it has ended. Idempotent, any thread.

        While an end is under way, what is shorter is brought forward. On the coordinator's own
        thread (which may happen to collect a publisher as garbage) it returns at once.

        Args:
            timeout: seconds in which workers may still deliver what is queued; 0.0 = at once. It
                returns later, see `grace.py`, and FAREWELL after that if a callback blocks.
            spread: seconds over which connections are closed that have everything, besides.
        """
        if os.getpid() != self._pid:
            return True
        if self._claim.acquire(blocking=False):  # the thread has not begun, and will not
            self._calls.end()
            self._give_back()
            self._thread = threading.Thread()  # what the old one was to run would keep us
            return True
        if not self._calls.ended:
            self._calls.post(lambda: self._finish(timeout, spread))
        if self._calls.is_here:
            return False
        if not wait_for_end(self._thread, lambda: self._steps, timeout + spread):
            return False
        self._announcer.close(timeout)
        return True

    # The thread.

    def _run(self) -> None:
        if not self._claim.acquire(blocking=False):
            return  # it was closed before it began: a start may be interrupted anywhere
        try:
            # Workers inherit this, until they have said that they ignore these signals.
            signal.pthread_sigmask(signal.SIG_BLOCK, IGNORED_BY_WORKERS)
            self.begin()
            self.reception.reserve(self.options.max_subscribers)  # while the workers start
            while not self.state.supervision.over:
                self.turn()
        except Exception as error:
            self._announcer.complain("the coordinator failed; the publisher is broken", error)
            self._attempt(self._on_broken)
            self._hands.fail_start(f"the coordinator failed: {error}")
            parts = self.state, self._pool, self._carry_out, self._now, self._announcer.complain
            self._attempt(partial(let_deliver, *parts))
        finally:
            self._release()

    def begin(self) -> None:
        """Start the workers; the calling thread is the coordinator's from now on."""
        self._calls.serve_here()
        self._selector.register(self._calls.fd, selectors.EVENT_READ, self._take_calls)
        self._carry_out(self.state.supervision.begin())

    def turn(self) -> None:
        """Wait for what happens next, or for the next tick, and act on it."""
        supervision = self.state.supervision
        self._steps += 1
        until = math.inf if self._ends_at is None else self._ends_at
        wait = min(self._pool.may_wait, min(until, supervision.next_look()) - self._now())
        for key, _mask in self._selector.select(max(0.0, wait)):
            self._carry_out(key.data())
        self._carry_out(self._pool.clear())
        now = self._now()
        if self._ends_at is not None and (now >= self._ends_at or not self._pool.goes_on):
            self._have_workers_end(max(0.0, self._ends_at - now), now)
        if supervision.is_time_to_look(now):
            self._carry_out(self.reception.look(now))
            self._tell(self._looks.look(now))
            self._carry_out([*supervision.look(now, self._pool.sights()), *due(self.state, now)])
        self._carry_out(supervision.due(now))
        self._figures.turned(int(now * 1e9))
        self._pool.flush()

    def _take_calls(self) -> list[Action]:
        self._calls.take()
        return []

    def _finish(self, timeout: float, spread: float = 0.0) -> None:
        """Accept nobody any more, and end once all connections are served, or the time is up.

        Those of a lost worker would else be closed with what is queued for them, though others are
        about to go on with them.
        """
        self._attempt(self.reception.close)
        self.state.staffing.stop()
        until = self._now() + timeout
        self._spread = min(self._spread, spread)
        self._ends_at = until if self._ends_at is None else min(self._ends_at, until)

    def _have_workers_end(self, timeout: float, now: float) -> None:
        self._ends_at = None
        self.state.ledger.closing = True
        self._carry_out(self.state.supervision.finish(timeout, now, self._spread))

    def _release(self) -> None:
        pool = self._pool
        for step in (self._on_broken, self._calls.end, self.reception.close, pool.end_processes):
            self._attempt(step)
        # Nobody is left in an orderly end. Where we have failed, they are booked and told of.
        self._attempt(lambda: self._carry_out(pool.abandon()))
        self._attempt(pool.release)
        while self.state.duplicates:
            _subscriber, descriptor = self.state.duplicates.popitem()
            self._attempt(partial(os.close, descriptor))
        self._attempt(self._calls.take)
        self._attempt(lambda: self._tell(self._telling.due(math.inf)))
        self._give_back()
        self._announcer.end()

    def _give_back(self) -> None:
        self._attempt(self._resources.close)
        self._attempt(self._on_ended)

    def _attempt(self, step: Callable[[], object]) -> None:
        """Do one step of the end, of which none depends on whether another one went well."""
        self._steps += 1
        try:
            step()
        except BaseException as error:
            self._announcer.complain("a step of the end failed; the others are done", error)
