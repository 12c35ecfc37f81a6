"""How many system calls some processes make meanwhile, as perf counts them."""

from __future__ import annotations

import os
import select
import signal
import subprocess
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

EVENT = "raw_syscalls:sys_enter"
PERF_SECONDS = 10.0  # until it has attached to all threads, or has ended


class SystemCalls:
    """Counts inside `with`, of all threads of these processes and of what they start.

    Without perf, or the right to use it, nothing is counted and nothing fails. Afterwards `counted`
    is the number, or None.
    """

    def __init__(self, pids: Sequence[int]) -> None:
        self.counted: int | None = None
        self._pids = ",".join(map(str, pids))
        self._perf: subprocess.Popen[str] | None = None
        self._orders, self._answers = -1, -1

    def __enter__(self) -> Self:
        theirs, self._orders = os.pipe()
        self._answers, ours = os.pipe()
        command = ["perf", "stat", "--field-separator", ";", "--event", EVENT, "--delay", "-1"]
        try:
            self._perf = subprocess.Popen(
                [*command, "--control", f"fd:{theirs},{ours}", "--pid", self._pids],
                pass_fds=[theirs, ours],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
            )
        except OSError:
            pass  # it is not installed
        finally:
            os.close(theirs)
            os.close(ours)
        if self._perf and not self._is_obeyed("enable"):
            self._end()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        if self._perf:
            self._is_obeyed("disable")
            self.counted = count_of(self._end())
        os.close(self._orders)
        os.close(self._answers)

    @property
    def is_counting(self) -> bool:
        """Whether perf counts, inside `with`."""
        return self._perf is not None

    def _is_obeyed(self, order: str) -> bool:
        """Whether perf has done it; not if it has ended, as without the right to count."""
        try:
            os.write(self._orders, f"{order}\n".encode())
        except BrokenPipeError:
            return False
        ready, _, _ = select.select([self._answers], [], [], PERF_SECONDS)
        return bool(ready) and os.read(self._answers, 64).startswith(b"ack")

    def _end(self) -> str:
        """Ends perf, for good; what it printed."""
        assert self._perf is not None
        self._perf.send_signal(signal.SIGINT)
        try:
            _, printed = self._perf.communicate(timeout=PERF_SECONDS)
        except subprocess.TimeoutExpired:
            self._perf.kill()
            _, printed = self._perf.communicate()
        self._perf = None
        return printed


def count_of(printed: str) -> int | None:
    """The number in what perf prints with `;` between its fields; None if it counted nothing."""
    for line in printed.splitlines():
        number, *rest = line.split(";")
        if EVENT in rest and number.isdigit():
            return int(number)
    return None
