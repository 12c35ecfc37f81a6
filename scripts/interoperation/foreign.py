"""A foreign subscriber: its process, what it is told, and what it has printed."""

from __future__ import annotations

import contextlib
import subprocess
import threading
import time
from collections import Counter
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType

READY_S = 60.0  # a virtual machine may have to warm up on a busy computer
END_S = 20.0


class Failed(Exception):
    """What a scenario wanted did not come about."""


class Foreign:
    """Drives one program of `engines`; see the README there for what it understands."""

    def __init__(self, command: Sequence[str], endpoint: str, *words: str) -> None:
        self._process = subprocess.Popen(
            [*command, endpoint, *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        self._lines: list[str] = []  # what was printed and is no message
        self._messages: list[str] = []
        self._events: Counter[str] = Counter()
        self._changed = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        try:
            self._wait(lambda: "ready" in self._lines, READY_S, "the program did not get ready")
        except Failed:
            self.close()
            raise

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            with self._changed:
                kind, _, rest = line.rstrip("\n").partition(" ")
                if kind == "message":
                    self._messages.append(rest)
                elif kind == "event":
                    self._events[rest] += 1
                else:
                    self._lines.append(line.rstrip("\n"))
                self._changed.notify_all()

    def tell(self, command: str) -> None:
        """One command."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(f"{command}\n")
            self._process.stdin.flush()
        except OSError as error:
            raise Failed(f"the program has ended: {self.said()}") from error

    def wait_for(self, last: str, seconds: float) -> list[str]:
        """Waits for this message, and takes all up to it; it is the last one."""
        self._wait(lambda: last in self._messages[-1:], seconds, "the last message did not come")
        return self.take()

    def take(self) -> list[str]:
        """What has come since the last time."""
        with self._changed:
            taken, self._messages = self._messages, []
            return taken

    def events(self) -> Counter[str]:
        """What its monitor has told, and how often."""
        with self._changed:
            return self._events.copy()

    def said(self) -> str:
        """What it printed that is no message, at the end."""
        with self._changed:
            return "; ".join(line for line in self._lines if line != "ready")[-300:] or "nothing"

    def _wait(self, condition: Callable[[], bool], seconds: float, otherwise: str) -> None:
        deadline = time.monotonic() + seconds
        with self._changed:
            while not condition():
                left = deadline - time.monotonic()
                if left <= 0 or (self._process.poll() is not None and not self._reader.is_alive()):
                    break
                self._changed.wait(min(left, 0.2))
            else:
                return
            count = len(self._messages)
        raise Failed(
            f"{otherwise} within {seconds:g} s ({count:,} are there; it said: {self.said()})"
        )

    def end(self) -> int:
        """Asks it to end; returns its exit status."""
        self.tell("end")
        try:
            return self._process.wait(END_S)
        except subprocess.TimeoutExpired:
            raise Failed(f"it did not end within {END_S:g} s") from None

    def close(self) -> None:
        """Ends it, whatever it does."""
        self._process.kill()
        self._process.wait()
        self._reader.join(END_S)
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self.close()
