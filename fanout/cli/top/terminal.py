"""The terminal as a source of keys, and of the signals that concern a screen."""

from __future__ import annotations

import os
import select
import signal
import termios
import tty
from typing import TYPE_CHECKING, Any, Self

from fanout.cli.top.keys import keys_of

if TYPE_CHECKING:
    from types import FrameType, TracebackType

_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_READ_BYTES = 1_024


class Keyboard:
    """Keys one by one, while it is entered; entered and left on the main thread.

    No exception is raised from a signal handler: it would hit a screen that is half drawn. The
    handler in C writes to a pipe (`signal.set_wakeup_fd`), which is waited for beside the keys.

    Args:
        fd: of the terminal.
    """

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._read_fd = -1
        self._write_fd = -1
        self._modes: list[Any] = []
        self._previous: dict[int, Any] = {}
        self._previous_wakeup_fd = -1

    def __enter__(self) -> Self:
        self._modes = termios.tcgetattr(self._fd)
        self._read_fd, self._write_fd = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._previous_wakeup_fd = signal.set_wakeup_fd(self._write_fd, warn_on_full_buffer=False)
        for number in (*_ENDING, signal.SIGWINCH, signal.SIGTSTP):
            self._previous[number] = signal.signal(number, _do_nothing)
        self.resume()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.suspend()
        for number, previous in self._previous.items():
            signal.signal(number, previous)
        signal.set_wakeup_fd(self._previous_wakeup_fd)
        os.close(self._read_fd)
        os.close(self._write_fd)

    def resume(self) -> None:
        """Take keys one by one, without showing them; Ctrl-C and Ctrl-Z stay signals."""
        tty.setcbreak(self._fd, termios.TCSADRAIN)

    def suspend(self) -> None:
        """Leave the terminal as it was found."""
        termios.tcsetattr(self._fd, termios.TCSADRAIN, self._modes)

    def wait(self, timeout_s: float | None) -> list[str]:
        """Keys that come within this time, None = ever.

        Signals are keys, too: "quit" to end, "redraw" if the size has changed, "stop" to be put
        into the background.
        """
        ready, _, _ = select.select([self._fd, self._read_fd], [], [], timeout_s)
        found: list[str] = []
        if self._read_fd in ready:
            for number in os.read(self._read_fd, _READ_BYTES):
                if number in _ENDING:
                    found.append("quit")
                elif number == signal.SIGWINCH:
                    found.append("redraw")
                elif number == signal.SIGTSTP:
                    found.append("stop")
        if self._fd in ready:
            try:
                data = os.read(self._fd, _READ_BYTES)
            except OSError:  # the terminal is gone
                data = b""
            found += list(keys_of(data)) if data else ["quit"]
        return found


def _do_nothing(number: int, frame: FrameType | None) -> None:
    # A signal needs a handler in Python for the one in C to write to the pipe.
    del number, frame
