"""Which publishers there are on this machine: whoever has the memory file of one open.

All processes are looked at, as far as this user may: one's own, for root everybody's. A publisher's
workers have its file open, too, and count for it.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fanout.observe.attach import AttachError, NotPermitted, OtherVersion, files, open_file

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from fanout.observe.reader import Reader

PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class FoundPublisher:
    """A publisher: its figures, or why they cannot be read."""

    pid: int  # of its process; of one of its workers, if that is gone
    reader: Reader | None
    problem: str = ""  # a sentence, if there is no reader
    pids: frozenset[int] = frozenset()  # of all who have its file open

    @property
    def name(self) -> str:
        """What its user calls it; empty if nothing, or if it cannot be read."""
        return self.reader.name if self.reader else ""


def publishers(pids: Iterable[int] | None = None) -> list[FoundPublisher]:
    """Every publisher that this user may look at, by process id.

    Args:
        pids: of the processes to look at; None = of all.
    """
    holders: dict[tuple[int, int], dict[int, Path]] = {}
    for pid in _all() if pids is None else pids:
        with suppress(AttachError):  # another user's, or gone
            for file, path in files(pid).items():
                holders.setdefault(file, {})[pid] = path
    found = [_found(paths) for paths in holders.values()]
    return sorted((one for one in found if one is not None), key=lambda one: one.pid)


def main_of(holders: Mapping[int, int], publisher: int) -> int:
    """Which of the processes that have a file open is the publisher's.

    Args:
        holders: parent of each.
        publisher: what the publisher takes for its process id; in a container it is another one.
    """
    if publisher in holders:
        return publisher
    heads = [pid for pid, parent in holders.items() if parent not in holders]
    return min(heads or holders)


def parent_of(pid: int) -> int:
    """Its parent's id, 0 if it has ended meanwhile."""
    try:
        status = (PROC / str(pid) / "stat").read_text("utf-8", "replace")
        behind_name = status.rpartition(")")[2]  # which, in parentheses, may be anything
        return int(behind_name.split()[1])
    except (OSError, IndexError, ValueError):
        return 0


def _all() -> list[int]:
    return sorted(int(name) for name in os.listdir(PROC) if name.isdigit())


def _found(paths: Mapping[int, Path]) -> FoundPublisher | None:
    """What is known of one file; None if its publisher has ended."""
    reader, problem = None, ""
    for pid, path in paths.items():
        try:
            reader = open_file(path, pid)
        except OtherVersion as error:
            problem = str(error)
            break
        except NotPermitted:
            continue
        if reader is not None:  # else this process has ended meanwhile: another one may have it
            break
    if reader is None and not problem:
        return None
    parents = {pid: parent_of(pid) for pid in paths}
    pid = main_of(parents, reader.pid if reader else 0)
    return FoundPublisher(pid, reader, problem, frozenset(paths))
