"""Finding a publisher from outside: its memory file is among the descriptors of its process.

Nothing is left on the disk for it, so nothing there can be stale; who may read the process's
descriptors (the same user, or root) may read its figures, and nobody else.
"""

from __future__ import annotations

import os
from pathlib import Path

from fanout.descriptors import standard_taken
from fanout.errors import FanoutError, StartupError
from fanout.observe.reader import Reader
from fanout.shm.segment import MEMORY_NAME, OtherLayout, Segment


class AttachError(FanoutError):
    """The figures of this process cannot be read."""


class NotFound(AttachError):
    """There is no such process, or no publisher in it."""


class NotPermitted(AttachError):
    """The process belongs to somebody else."""


class OtherVersion(AttachError):
    """The publisher is of another version of fanout, with another layout of its memory."""


def find(pid: int) -> list[Path]:
    """The memory files that a process has open, one for each publisher in it.

    Its workers have the file open, too: the process may be one of them. A publisher that was closed
    leaves its file, empty, for as long as the program keeps the closed object.

    Raises:
        NotFound: no such process.
        NotPermitted: it belongs to somebody else.
    """
    folder = Path(f"/proc/{pid}/fd")
    found: dict[tuple[int, int], Path] = {}
    try:
        for name in sorted(os.listdir(folder), key=int):
            path = folder / name
            try:
                if Path(os.readlink(path)).name.startswith(f"memfd:{MEMORY_NAME}"):
                    file = path.stat()
                    found.setdefault((file.st_dev, file.st_ino), path)
            except FileNotFoundError:
                continue  # it was closed meanwhile
    except (FileNotFoundError, ProcessLookupError):
        raise NotFound(f"there is no process {pid}") from None
    except PermissionError:
        raise NotPermitted(f"process {pid} belongs to another user") from None
    return list(found.values())


def attach_all(pid: int) -> list[Reader]:
    """A reader for each publisher in this process.

    Raises:
        NotFound, NotPermitted, OtherVersion: nothing is mapped.
    """
    opened = [_open(path, pid) for path in find(pid)]
    readers = [reader for reader in opened if reader is not None]
    if not readers:
        raise NotFound(f"process {pid} has no publisher")
    return readers


def attach(pid: int) -> Reader:
    """A reader for the only publisher in this process.

    Raises:
        NotFound, NotPermitted, OtherVersion: nothing is mapped.
        AttachError: there are several.
    """
    readers = attach_all(pid)
    if len(readers) > 1:
        raise AttachError(f"process {pid} has {len(readers)} publishers")
    return readers[0]


def _open(path: Path, pid: int) -> Reader | None:
    """A reader of this file; None if its publisher has ended."""
    try:
        with standard_taken():
            segment = Segment.attach(os.open(path, os.O_RDONLY | os.O_CLOEXEC), log=False)
    except FileNotFoundError:
        return None
    except PermissionError:
        raise NotPermitted(f"process {pid} belongs to another user") from None
    except OtherLayout as error:
        raise OtherVersion(f"process {pid}: {error}") from error
    except StartupError:  # it is empty
        return None
    segment.close()  # the mapping stays
    return Reader(segment)
