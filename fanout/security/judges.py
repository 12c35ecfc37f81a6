"""Judges: threads on which checks run, so that neither a loop nor the coordinator waits for them.

A check belongs to the user: it may block, raise, or never return. So there are few threads, started
when they are needed; a check that takes too long is given up by whoever waits for it, and its
thread does not count any more: another takes its place, up to a bound. If all of these hang, too,
nobody is judged any more, and each request is given up in its time. A check that is awaited is
cancelled then, by its own thread.

One request is made for each connection that is in its handshake, and these are bounded. Addresses
take turns: one that has thousands of them, and checks that are slow, costs others little.
"""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from fanout.security.awaited import ChecksEnd, OverdueError
from fanout.security.fair_line import FairLine
from fanout.security.verdicts import CHECK_TIMEOUT, OVERDUE, Later, NoVerdictError

if TYPE_CHECKING:
    from collections.abc import Callable

    from fanout.security.endpoints import Security
    from fanout.security.verdicts import Request, Verdict

    Done: TypeAlias = Callable[[Request, Verdict, str], None]

_OURS = Path(__file__).parent
THREADS_MAX = 4  # a check may wait for a database
HUNG_MAX = 4  # more of them, in place of those that hang


class Judges:
    """Owns the threads; any thread may call it, none of its own keeps a process alive.

    Its mutable state, under a lock: who waits, who is being judged by which thread, how many
    threads there are, and how many of them hang.

    Args:
        seconds: for a request, from when it is submitted; then a check that is awaited is
            cancelled. Of any other one it has to be told (`give_up`).
    """

    def __init__(self, seconds: float = CHECK_TIMEOUT) -> None:
        self._seconds = seconds
        self._changed = threading.Condition()
        self._waiting: FairLine[tuple[Security, Request, Done, float]] = FairLine()
        self._busy: dict[int, threading.Thread] = {}  # by subscriber
        self._threads: set[threading.Thread] = set()  # those that count
        self._hung: set[threading.Thread] = set()
        self._ending = ChecksEnd()  # of checks that are awaited
        self._is_over = False

    @property
    def hung(self) -> int:
        """How many threads are in a check that was given up."""
        return len(self._hung)

    def submit(self, security: Security, request: Request, done: Done, address: str = "") -> None:
        """Have a request judged; nothing once it has ended.

        Args:
            address: of who asks: each has its turn.
            done: is called on one of the threads, with the request, the verdict, and what has
                failed (empty = nothing); not after `give_up`.
        """
        until = time.monotonic() + self._seconds
        with self._changed:
            if self._is_over:
                return
            self._waiting.add(request.subscriber, address, (security, request, done, until))
            is_short = len(self._busy) + len(self._waiting) > len(self._threads)
            if is_short and len(self._threads) < THREADS_MAX:
                self._start()
            self._changed.notify()

    def withdraw(self, subscriber: int) -> None:
        """This one is gone: nobody need begin to judge it. A check that has begun goes on."""
        with self._changed:
            self._waiting.remove(subscriber)

    def give_up(self, subscriber: int) -> None:
        """Nobody waits for this one any more: its check has taken too long."""
        with self._changed:
            self._waiting.remove(subscriber)
            thread = self._busy.pop(subscriber, None)
            if thread is None or thread not in self._threads or len(self._hung) >= HUNG_MAX:
                return
            self._threads.discard(thread)
            self._hung.add(thread)
            if self._waiting:
                self._start()

    def end(self) -> None:
        """Judge nobody any more; whoever is in a check ends after it, and is not waited for.

        A check that is awaited is cancelled.
        """
        with self._changed:
            self._is_over = True
            self._waiting.clear()
            self._busy.clear()
            self._changed.notify_all()
        self._ending.begin()

    def _start(self) -> None:
        thread = threading.Thread(target=self._run, name="fanout-auth", daemon=True)
        try:
            thread.start()
        except RuntimeError:  # the system gives none: who waits is given up in time
            return
        self._threads.add(thread)

    def _run(self) -> None:
        me = threading.current_thread()
        while True:
            with self._changed:
                while not self._waiting and not self._is_over and me not in self._hung:
                    self._changed.wait()
                if self._is_over or me in self._hung:
                    self._hung.discard(me)
                    self._threads.discard(me)
                    return
                one = self._waiting.take()
                if one is None:
                    continue
                security, request, done, until = one
                self._busy[request.subscriber] = me
            left = until - time.monotonic()
            verdict, failure = _judged(security, request, left, self._ending)
            with self._changed:
                is_awaited = self._busy.pop(request.subscriber, None) is me
            if is_awaited:
                done(request, verdict, failure)


def _judged(
    security: Security, request: Request, seconds: float, ending: ChecksEnd
) -> tuple[Verdict, str]:
    """The verdict, and what has failed. Not the text of an error: a secret may be in it."""
    try:
        return security.judge(request, seconds, ending), ""
    except OverdueError:
        return Later(OVERDUE), OVERDUE
    except NoVerdictError as error:  # of ours: no line of the check is to blame more than others
        text = f"the check of a request failed: {error}"
        return Later(text), text
    except BaseException as error:
        at = step = error.__traceback__
        while step is not None:  # the last line of the check itself, not of what it calls of ours
            name = step.tb_frame.f_code.co_filename
            if Path(name).parent != _OURS and not name.startswith("<"):  # made by dataclasses
                at = step
            step = step.tb_next
        where = f" in {at.tb_frame.f_code.co_filename}:{at.tb_lineno}" if at is not None else ""
        text = f"the check of a request failed: {type(error).__name__}{where}"
        return Later(text), text
