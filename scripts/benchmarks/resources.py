"""What a process and all its descendants have used: CPU and memory, from /proc."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path

import psutil

MEMORY = rb"^%s: +(\d+) kB$"  # a line of /proc/PID/smaps_rollup
KIB = 1024
NANO = 1e-9


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

    def precise_cpu_seconds(self) -> float:
        """As `cpu_seconds`, to the nanosecond, but without threads that have ended."""
        total = 0
        for process in self.members():
            for statistics in Path(f"/proc/{process.pid}/task").glob("*/schedstat"):
                with contextlib.suppress(OSError):
                    total += int(statistics.read_text().split()[0])
        return total * NANO

    def memory_bytes(self) -> int:
        """Proportional set size: what is shared is counted once."""
        return sum(memory_of(process.pid, b"Pss") for process in self.members())


def memory_of(pid: int, kind: bytes) -> int:
    """Bytes of one kind that a process has, 0 if it has ended.

    Args:
        kind: as the kernel names it in smaps_rollup: Pss, Anonymous.
    """
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_bytes()
    except OSError:
        return 0
    found = re.search(MEMORY % kind, text, re.MULTILINE)
    return int(found[1]) * KIB if found else 0
