"""The subscribers as the demonstration sees them: processes that report on their output."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from typing import Any

STOP_S = 5.0
"""How long a process may take to end by itself before it is killed."""


@dataclass(frozen=True, slots=True)
class Report:
    """The last report of a healthy subscriber."""

    messages: int = 0
    missing: int = 0
    disordered: int = 0
    topics: int = 0
    last_topic: str = ""
    last_values: dict[str, Any] = field(default_factory=dict)
    by_topic: dict[str, int] | None = None
    """Counts of all topics; None until the end of the feed arrived."""


class Process:
    """A process whose standard input is a leash: it ends when the demonstration does."""

    def __init__(self, module: str, *arguments: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", f"demonstration.{module}", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    @property
    def is_running(self) -> bool:
        """Whether the process has not ended."""
        return self._process.poll() is None

    def stop(self) -> None:
        """Ends the process, by force if it takes longer than `STOP_S`."""
        process = self._process
        if process.stdin is not None:
            process.stdin.close()
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        self._close_output()

    def _close_output(self) -> None:
        if self._process.stdout is not None:
            self._process.stdout.close()


class StalledSubscriber(Process):
    """Subscribes to everything and never reads."""

    def __init__(self, endpoint: str) -> None:
        super().__init__("stalled", endpoint)


class HealthySubscriber(Process):
    """Reads everything it subscribed to.

    Attributes:
        name: for the table.
        prefixes: what it subscribed to.
        report: its last report; replaced as a whole by a thread.
    """

    def __init__(self, name: str, endpoint: str, prefixes: tuple[str, ...]) -> None:
        super().__init__("subscriber", endpoint, *prefixes)
        self.name = name
        self.prefixes = tuple(prefix.encode() for prefix in prefixes)
        self.report = Report()
        self._thread = threading.Thread(target=self._read, name=f"reports of {name}", daemon=True)
        self._thread.start()

    def wait(self, timeout: float) -> None:
        """Waits until the process has ended and its last report was read.

        Args:
            timeout: seconds; a process that takes longer has simply not finished.
        """
        self._thread.join(timeout)

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.report = Report(**json.loads(line))

    def _close_output(self) -> None:
        self._thread.join()
        super()._close_output()
