"""What a process and all its descendants have used: CPU and memory, from /proc."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path

import psutil

PSS = re.compile(rb"^Pss: +(\d+) kB$", re.MULTILINE)
PRIVATE = re.compile(rb"^(?:Private_Dirty|Private_Clean): +(\d+) kB$", re.MULTILINE)
KIB = 1024


class ProcessTree:
    """A process and its descendants, as they are when asked."""

    def __init__(self, pid: int) -> None:
        self._root = psutil.Process(pid)

    def members(self) -> list[psutil.Process]:
        """The process and its descendants."""
        with contextlib.suppress(psutil.NoSuchProcess):
            return [self._root, *self._root.children(recursive=True)]
        return []

    def cpu_seconds(self) -> float:
        """User and system time of all together, to 10 ms each."""
        total = 0.0
        for process in self.members():
            with contextlib.suppress(psutil.NoSuchProcess):
                times = process.cpu_times()
                total += times.user + times.system
        return total

    def memory_bytes(self) -> int:
        """Proportional set size: what is shared is counted once."""
        return sum(self._rollup(process.pid, PSS) for process in self.members())

    def private_bytes(self) -> int:
        """Memory that belongs to one process alone, summed."""
        return sum(self._rollup(process.pid, PRIVATE) for process in self.members())

    @staticmethod
    def _rollup(pid: int, pattern: re.Pattern[bytes]) -> int:
        try:
            text = Path(f"/proc/{pid}/smaps_rollup").read_bytes()
        except OSError:
            return 0  # it has ended
        return sum(int(number) for number in pattern.findall(text)) * KIB
