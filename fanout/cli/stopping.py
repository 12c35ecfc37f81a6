"""Signals of the command line: the first one asks to end, the second one ends at once.

One request may come as two signals: GNU `timeout` signals its child and then the whole group, a
terminal and a supervisor may both speak. So what comes within `REPEAT_S` of the first is not a
second request, even if the block has been left by then: the process is about to end, and must not
be killed for having been quick.

No exception is raised from a signal handler here. It could hit any line, also one inside a lock of
the standard library, and it would come too late for a call that began to block just before: the
handler in Python runs only when that call returns. The handler in C writes a byte to a pipe
instead (`signal.set_wakeup_fd`), and a thread acts on it.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from typing import TYPE_CHECKING, Any, Self

from fanout.basics.system_calls import needed

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType, TracebackType

SIGNALS = (signal.SIGINT, signal.SIGTERM)

REPEAT_S = 0.5
"""Signals within this time of the first one belong to it; nobody loses patience sooner."""

GRACE_S = 1.0
"""What the process may take to end after the second signal, before it is ended by force."""

_QUIT = 0  # no signal has this number


class Stopper:
    """Takes SIGINT and SIGTERM over while it is entered; entered and left on the main thread.

    Args:
        stop_at_once: called on a thread of its own at the second signal; should end whatever the
            main thread waits for.
        exit_now: called with the exit status 1 if the block is not left within `GRACE_S` then.
        clock: monotonic seconds.

    Attributes:
        requested: True after the first signal.
        is_at_once: True after the second that is not a repeat of the first.
        wake_fd: becomes readable at the first signal.
    """

    def __init__(
        self,
        stop_at_once: Callable[[], object],
        exit_now: Callable[[int], object] = os._exit,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.requested = False
        self.is_at_once = False
        self.wake_fd = -1
        self._stop_at_once = stop_at_once
        self._exit_now = exit_now
        self._clock = clock
        self._repeats_until = 0.0  # by the clock; set at the first signal
        self._read_fd = -1
        self._write_fd = -1
        self._left = threading.Event()
        self._previous: dict[signal.Signals, Any] = {}
        self._previous_wakeup_fd = -1
        self._thread = threading.Thread(target=self._watch, name="fanout-signals", daemon=True)

    def __enter__(self) -> Self:
        with needed("eventfd2", "tells of a signal"):
            self.wake_fd = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._read_fd, self._write_fd = os.pipe2(os.O_CLOEXEC)
        with needed("ioctl", "makes a pipe that never blocks"):
            os.set_blocking(self._write_fd, False)
        self._previous_wakeup_fd = signal.set_wakeup_fd(self._write_fd, warn_on_full_buffer=False)
        for number in SIGNALS:
            self._previous[number] = signal.signal(number, _do_nothing)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._left.set()
        for number in self._previous:
            signal.signal(number, self._after_the_end)
        signal.set_wakeup_fd(self._previous_wakeup_fd)
        os.write(self._write_fd, bytes([_QUIT]))
        self._thread.join()
        if not self.requested:  # nobody can repeat what nobody has asked for
            for number, previous in self._previous.items():
                signal.signal(number, previous)
        for fd in (self.wake_fd, self._read_fd, self._write_fd):
            os.close(fd)

    def _after_the_end(self, number: int, frame: FrameType | None) -> None:
        """Do nothing for a repeat, and what was done before for any other signal."""
        del frame
        if self._clock() >= self._repeats_until:
            signal.signal(number, self._previous[signal.Signals(number)])
            signal.raise_signal(number)

    def _watch(self) -> None:
        while True:
            for number in os.read(self._read_fd, 64):
                if number == _QUIT:
                    return
                if number in SIGNALS:
                    self._on_signal()

    def _on_signal(self) -> None:
        if not self.requested:
            self.requested = True
            self._repeats_until = self._clock() + REPEAT_S
            os.eventfd_write(self.wake_fd, 1)
        elif not self.is_at_once and self._clock() >= self._repeats_until:
            self.is_at_once = True
            threading.Thread(target=self._stop_at_once, daemon=True).start()
            threading.Thread(target=self._end_by_force, daemon=True).start()

    def _end_by_force(self) -> None:
        if not self._left.wait(GRACE_S):
            self._exit_now(1)


def _do_nothing(number: int, frame: FrameType | None) -> None:
    # A signal needs a handler in Python for the one in C to write to the pipe.
    del number, frame
