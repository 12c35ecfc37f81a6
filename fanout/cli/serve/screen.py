"""Standard error: whole lines, and on a terminal one live line below them.

The live line is drawn by rich if it is installed (extra `live`), by a carriage return otherwise.
"""

from __future__ import annotations

import shutil
import sys
import threading
from typing import Protocol, TextIO

_CLEAR_LINE = "\r\x1b[K"


class Screen(Protocol):
    """Where `serve` writes; safe to use from any thread."""

    def line(self, text: str) -> None:
        """Prints a line that stays."""

    def status(self, text: str) -> None:
        """Shows how things stand, in place of the status before on a terminal."""

    def close(self) -> None:
        """Takes the live line away and leaves the cursor on a fresh line."""


class PlainScreen:
    """One line for everything; also the terminal screen without rich, with `live=True`.

    A stream that fails (a closed pipe, a full disk) is not written to again: that nobody reads
    the reports is no reason to stop publishing.
    """

    def __init__(self, stream: TextIO, *, live: bool) -> None:
        self._stream = stream
        self._live = live
        self._status = ""
        self._broken = False
        self._lock = threading.Lock()

    def line(self, text: str) -> None:
        """Prints a line that stays."""
        with self._lock:
            shown = self._status
            clear = _CLEAR_LINE if shown else ""
            self._write(f"{clear}{text}\n{shown}")

    def status(self, text: str) -> None:
        """Shows how things stand, in place of the status before on a terminal."""
        if not self._live:
            self.line(text)
            return
        width = shutil.get_terminal_size().columns - 1  # a full line would wrap and stay
        with self._lock:
            self._status = text[:width]
            self._write(_CLEAR_LINE + self._status)

    def close(self) -> None:
        """Takes the live line away, which would be out of date below the last lines."""
        with self._lock:
            if self._status:
                self._status = ""
                self._write(_CLEAR_LINE)

    def _write(self, text: str) -> None:
        if self._broken:
            return
        try:
            self._stream.write(text)
            self._stream.flush()
        except (OSError, ValueError):  # ValueError: closed file
            self._broken = True


def open_screen(stream: TextIO | None = None) -> Screen:
    """Returns the best screen for `stream` (None = standard error)."""
    stream = sys.stderr if stream is None else stream
    if not stream.isatty():
        return PlainScreen(stream, live=False)
    try:
        from fanout.cli.serve.live import LiveScreen
    except ImportError:
        return PlainScreen(stream, live=True)
    return LiveScreen(stream)
