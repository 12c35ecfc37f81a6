"""Calls: other threads have functions run by the coordinator's, which takes them in its turns."""

from __future__ import annotations

import threading
from collections import deque
from concurrent.futures import Future
from typing import TYPE_CHECKING, TypeVar

from fanout.errors import ClosedError
from fanout.shm.doorbell import Doorbell

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

CALL_TIMEOUT = 10.0  # seconds for the coordinator's thread to answer: it waits for nobody


class Calls:
    """What waits to be run by one thread, and a bell that wakes it.

    Its mutable state: the functions that wait, whose thread it is, and whether it has ended.

    Raises:
        OSError: the system gives no descriptor.
    """

    def __init__(self) -> None:
        self._waiting: deque[Callable[[], object]] = deque()
        self._bell = Doorbell()
        self._ended = threading.Event()
        self._thread: int | None = None  # that takes them; None = it was not started yet

    @property
    def fd(self) -> int:
        """Readable when something waits."""
        return self._bell.fd

    @property
    def ended(self) -> bool:
        """Whether no call is taken any more."""
        return self._ended.is_set()

    @property
    def is_here(self) -> bool:
        """Whether the thread that asks is the one that takes the calls."""
        return self._thread == threading.get_ident()

    def serve_here(self) -> None:
        """The calling thread will take them."""
        self._thread = threading.get_ident()

    def call(self, function: Callable[[], T], timeout: float = CALL_TIMEOUT) -> T:
        """Have `function` run, and return its result; on the thread itself it is run at once.

        Raises:
            ClosedError: no call is taken any more.
            TimeoutError: it did not answer in time.
        """
        if self.is_here:
            return function()
        future: Future[T] = Future()

        def run(future: Future[T] = future) -> None:
            if future.set_running_or_notify_cancel():
                try:
                    self._check_open()
                    future.set_result(function())
                except Exception as error:
                    future.set_exception(error)

        self.post(run)
        try:
            self._check_open()
            return future.result(timeout)
        finally:
            future.cancel()
            del future, run  # else the traceback of an error holds the error, and us with it

    def post(self, function: Callable[[], object]) -> None:
        """Have `function` run soon, unless the end has come; any thread."""
        self._waiting.append(function)
        self._bell.ring()

    def take(self) -> None:
        """Run what waits; its thread alone."""
        self._bell.clear()
        for _ in range(len(self._waiting)):  # who calls meanwhile has rung again
            self._waiting.popleft()()

    def end(self) -> None:
        """Refuse every call that is not run yet."""
        self._ended.set()

    def close(self) -> None:
        """Release the bell: nobody waits any more, and the number of our thread may come again."""
        self._thread = None
        self._bell.close()

    def _check_open(self) -> None:
        if self.ended:
            raise ClosedError("the publisher is closed")
