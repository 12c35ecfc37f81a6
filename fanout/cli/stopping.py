"""Signals of the command line: the first one asks to end, the second one ends at once."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from types import FrameType, TracebackType

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class StoppedAtOnce(BaseException):
    """A second SIGINT or SIGTERM came: nothing is waited for any more.

    Like `KeyboardInterrupt` no `Exception`, so that nothing on the way out swallows it.
    """


class Stopper:
    """Takes SIGINT and SIGTERM over while it is entered; for the main thread only.

    Attributes:
        requested: True after the first signal.
        wake_fd: becomes readable at the first signal, so that a `poll` that began before it ends.
    """

    def __init__(self) -> None:
        self.requested = False
        self.wake_fd = -1
        self._wake_write_fd = -1
        self._previous: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        self.wake_fd, self._wake_write_fd = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        for number in _SIGNALS:
            self._previous[number] = signal.signal(number, self._handle)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for number, previous in self._previous.items():
            signal.signal(number, previous)
        os.close(self.wake_fd)
        os.close(self._wake_write_fd)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.requested:
            # A third signal must find no handler of ours: it ends a stop that hangs.
            for each in _SIGNALS:
                signal.signal(each, signal.SIG_DFL)
            raise StoppedAtOnce
        self.requested = True
        os.write(self._wake_write_fd, b"\0")
