"""Cores that a process may use: those it may run on, and what its container is allowed. Pure.

A container of Docker or Kubernetes with `--cpus 2` on a machine of 64 cores may run on all of them,
and is stopped for the rest of each tenth of a second in which it has used two. Workers beyond two
would only use that up sooner, and all stand still together.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = "/sys/fs/cgroup"
MEMBERSHIP = "/proc/self/cgroup"
_V1_MOUNTS = ("cpu", "cpu,cpuacct")


def usable_cores(allowed: int, read: Callable[[str], str]) -> int:
    """How many cores are of use, 1 or more.

    Args:
        allowed: cores that the process may run on.
        read: the text of a file; OSError if there is none.
    """
    quota = min(_quotas(read), default=math.inf)
    return max(1, allowed if quota >= allowed else math.ceil(quota))


def _quotas(read: Callable[[str], str]) -> Iterator[float]:
    """The quotas, in cores, of all groups that the process is in."""
    for controllers, group in _memberships(read):
        for folder in _with_parents(group):
            if not controllers:  # the one hierarchy of version 2
                yield from _quota_of(read, [f"{ROOT}{folder}/cpu.max"])
            elif "cpu" in controllers.split(","):
                for mount in _V1_MOUNTS:
                    names = ("cpu.cfs_quota_us", "cpu.cfs_period_us")
                    yield from _quota_of(read, [f"{ROOT}/{mount}{folder}/{n}" for n in names])


def _memberships(read: Callable[[str], str]) -> Iterator[tuple[str, str]]:
    """Controllers and group of each hierarchy."""
    try:
        lines = read(MEMBERSHIP).splitlines()
    except OSError:  # no /proc: what is mounted is most likely the container's own
        lines = ["0::/", "1:cpu:/"]
    for line in lines:
        _number, _, rest = line.partition(":")
        controllers, _, group = rest.partition(":")
        yield controllers, group


def _with_parents(group: str) -> Iterator[str]:
    """The folders of a group, its parents and the root; a container may see the root only."""
    parts = [part for part in group.split("/") if part]
    for count in range(len(parts), -1, -1):
        yield "".join(f"/{part}" for part in parts[:count])


def _quota_of(read: Callable[[str], str], paths: list[str]) -> Iterator[float]:
    """What these files say together: "max 100000", or a quota of -1, is none."""
    try:
        quota, period = map(int, " ".join(map(read, paths)).split())
        if quota > 0 and period > 0:
            yield quota / period
    except (OSError, ValueError, OverflowError):  # or they are none that a kernel writes
        return
