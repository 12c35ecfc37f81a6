"""What the processes of a publisher take: memory of their own, and CPU."""

from __future__ import annotations

import contextlib

import psutil

from benchmarks.resources import memory_of


class Usage:
    """The user's process and its workers, sampled now and then."""

    def __init__(self, pid: int) -> None:
        self._user = psutil.Process(pid)
        self.user_peak_bytes = self.workers_peak_bytes = 0
        self._user_began = 0.0
        self._last: dict[int, float] = {}  # CPU of each worker when last seen
        self._base: dict[int, float] = {}  # and when measuring began

    def begin(self) -> None:
        """CPU counts from now on."""
        self.sample()
        self._user_began = self._cpu(self._user)
        self._base = dict(self._last)

    def sample(self) -> None:
        """Look at all of them; what a worker uses after the last look before its end is missed."""
        workers = []
        with contextlib.suppress(psutil.NoSuchProcess):
            workers = self._user.children(recursive=True)
        for worker in workers:
            with contextlib.suppress(psutil.NoSuchProcess):
                self._last[worker.pid] = self._cpu(worker)
        self.user_peak_bytes = max(self.user_peak_bytes, _anonymous(self._user.pid))
        in_workers = sum(_anonymous(worker.pid) for worker in workers)
        self.workers_peak_bytes = max(self.workers_peak_bytes, in_workers)

    def cpu_seconds(self) -> tuple[float, float]:
        """Of the user's process and of the workers, since `begin`."""
        self.sample()
        workers = sum(self._last.values()) - sum(self._base.values())
        return self._cpu(self._user) - self._user_began, workers

    @staticmethod
    def _cpu(process: psutil.Process) -> float:
        times = process.cpu_times()
        return float(times.user + times.system)


def _anonymous(pid: int) -> int:
    """Memory that belongs to this process alone: not files, not what is shared."""
    return memory_of(pid, b"Anonymous")
