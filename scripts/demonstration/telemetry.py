"""A feed that is real on every machine: what psutil knows about this one."""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING, Any

import msgpack
import psutil

if TYPE_CHECKING:
    from collections.abc import Iterator

PROCESSES_MAX = 25
"""Processes looked at for one sample, in turn: some 0.1 ms each, and there may be thousands."""

PROCESS_LIST_S = 1.0  # how often the list of processes is read anew
DEVICES_MAX = 16  # disks and interfaces of each kind; a container host has hundreds

Reading = tuple[str, dict[str, Any]]


class Telemetry:
    """Samples of this machine as messages.

    Every message is a msgpack map with `number`, which counts the messages of its topic from 1, so
    that a subscriber can tell what it missed.

    Attributes:
        published: messages made so far, by topic.
    """

    def __init__(self) -> None:
        self.published: Counter[bytes] = Counter()
        self._processes: list[psutil.Process] = []
        self._next_process = 0
        self._listed_at = float("-inf")
        psutil.cpu_percent(percpu=True)  # the first call has nothing to compare with

    def sample(self) -> list[tuple[bytes, bytes]]:
        """Returns one sample as topics and payloads."""
        messages = []
        for name, values in self._readings():
            topic = name.encode()
            self.published[topic] += 1
            payload = {"number": self.published[topic], "time": time.time(), **values}
            messages.append((topic, msgpack.packb(payload)))
        return messages

    def _readings(self) -> Iterator[Reading]:
        for core, percent in enumerate(psutil.cpu_percent(percpu=True)):
            yield f"cpu.{core}", {"percent": percent}
        yield "memory", _fields(psutil.virtual_memory(), "percent", "used", "available", "total")
        usage = psutil.disk_usage("/")
        yield "disk.root", _fields(usage, "percent", "used", "free", "total")
        yield from _disks()
        yield from _interfaces()
        yield from self._process_readings()

    def _process_readings(self) -> Iterator[Reading]:
        now = time.monotonic()
        if now - self._listed_at >= PROCESS_LIST_S:
            self._listed_at = now
            self._processes = list(psutil.process_iter())
        count = min(PROCESSES_MAX, len(self._processes))
        for offset in range(count):
            process = self._processes[(self._next_process + offset) % len(self._processes)]
            try:
                yield f"process.{process.pid}", _process(process)
            except (psutil.Error, OSError):
                continue  # it ended, or is not ours to look at
        self._next_process += count


def _process(process: psutil.Process) -> dict[str, Any]:
    with process.oneshot():
        times = process.cpu_times()
        return {
            "name": process.name(),
            "status": process.status(),
            "user_s": times.user,
            "system_s": times.system,
            "rss": process.memory_info().rss,
            "threads": process.num_threads(),
        }


def _disks() -> Iterator[Reading]:
    try:
        counters = psutil.disk_io_counters(perdisk=True) or {}
    except (OSError, RuntimeError, NotImplementedError):
        return  # a container may not see any disk
    for name, disk in list(counters.items())[:DEVICES_MAX]:
        yield (
            f"disk.{name}",
            _fields(disk, "read_count", "write_count", "read_bytes", "write_bytes"),
        )


def _interfaces() -> Iterator[Reading]:
    counters = psutil.net_io_counters(pernic=True)
    for name, interface in list(counters.items())[:DEVICES_MAX]:
        yield (
            f"net.{name}",
            _fields(interface, "bytes_sent", "bytes_recv", "packets_sent", "packets_recv"),
        )


def _fields(values: Any, *names: str) -> dict[str, Any]:
    return {name: getattr(values, name) for name in names}
