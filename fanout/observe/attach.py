"""Finding a publisher from outside: its memory file is among the descriptors of its process.

Nothing is left on the disk for it, so nothing there can be stale; who may read the process's
descriptors (the same user, or root) may read its figures, and nobody else.
"""

from __future__ import annotations

import os
from pathlib import Path

from fanout.basics.descriptors import standard_taken
from fanout.errors import FanoutError, StartupError
from fanout.observe.reader import Reader
from fanout.shm.segment import MEMORY_NAME, OtherLayout, Segment

# A memory file has no place: what lies in some folder under such a name, a pipe say, is none.
_LINK = f"/memfd:{MEMORY_NAME}"

# The last is so of who runs in a container without CAP_SYS_PTRACE, and looks at one that has it.
ANOTHER = (
    "process {} may not be looked into: it belongs to another user, or has more rights than we"
)


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
    return list(files(pid).values())


def files(pid: int) -> dict[tuple[int, int], Path]:
    """The same, by what tells one file from another: device and inode.

    Raises:
        NotFound, NotPermitted: as there.
    """
    folder = Path(f"/proc/{pid}/fd")
    found: dict[tuple[int, int], Path] = {}
    try:
        for name in sorted(os.listdir(folder), key=int):
            path = folder / name
            try:
                if os.readlink(path).startswith(_LINK):
                    file = path.stat()
                    found.setdefault((file.st_dev, file.st_ino), path)
            except FileNotFoundError:
                continue  # it was closed meanwhile
    except (FileNotFoundError, ProcessLookupError):
        raise NotFound(f"there is no process {pid}") from None
    except PermissionError:
        raise NotPermitted(ANOTHER.format(pid)) from None
    return found


def attach_all(pid: int) -> list[Reader]:
    """A reader for each publisher in this process.

    Raises:
        NotFound, NotPermitted, OtherVersion: nothing is mapped.
    """
    opened = [open_file(path, pid) for path in find(pid)]
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


def open_file(path: Path, pid: int) -> Reader | None:
    """A reader of this file, which `files` has found; None if its publisher has ended.

    It is opened and mapped to be read, so nothing that is done with it can write.

    Raises:
        NotPermitted, OtherVersion: nothing is mapped.
    """
    try:
        with standard_taken():
            # The number may be another file's by now: a pipe's would be waited for.
            flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK
            segment = Segment.attach(os.open(path, flags), log=False)
    except PermissionError:
        raise NotPermitted(ANOTHER.format(pid)) from None
    except OSError:  # the process has ended or closed it; a socket may have its number
        return None
    except OtherLayout as error:
        raise OtherVersion(f"process {pid}: {error}") from error
    except StartupError:  # it is empty
        return None
    segment.close()  # the mapping stays
    return Reader(segment)
