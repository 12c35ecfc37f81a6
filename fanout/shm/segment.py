"""One shared memory segment: made by the coordinator, mapped by workers and readers.

It is an anonymous memory file (memfd_create(2)) passed by descriptor. It has no name, so nothing
can be left behind: it goes when the last process that maps it ends, SIGKILL included, and no
resource tracker knows of it. It does not depend on the size of /dev/shm, which containers keep at
64 MiB. Its pages are allocated at start, so that a lack of memory is an error then and not a SIGBUS
later, and sealed, so that nobody can shrink it under a reader.
"""

from __future__ import annotations

import errno
import fcntl
import mmap
import os
from contextlib import suppress
from dataclasses import replace

from fanout.basics.descriptors import standard_taken
from fanout.basics.system_calls import dispensable, explain, is_refused, needed
from fanout.errors import StartupError
from fanout.shm import layout as at
from fanout.shm import value_layout as places
from fanout.shm.layout import PAGE, Layout
from fanout.shm.value_layout import ValueTable

MADV_POPULATE_READ = 22  # Linux 5.14: map all pages now, to read
MADV_POPULATE_WRITE = 23  # and to write
MEMORY_NAME = "fanout-log"  # what links to it in /proc are called
_NO_MEMORY = (errno.ENOMEM, errno.ENOSPC, errno.EFBIG, errno.EINVAL, errno.EOVERFLOW)
_ZEROS_BYTES = 1 << 20  # written at once, where the system allocates nothing
_SEALS = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL


class OtherLayout(StartupError):
    """The segment is of another version of fanout."""


class Segment:
    """A mapped segment; owns its descriptor until `close()`.

    Attributes:
        fd: descriptor of the memory file.
        map: the whole segment as bytes; slices of it are copies.
        words: the same memory as native 8-byte words.
        layout: where things are.
    """

    def __init__(self, fd: int, layout: Layout, *, writable: bool, log: bool = True) -> None:
        self.fd = -1
        self.layout = layout
        access = mmap.PROT_READ | (mmap.PROT_WRITE if writable else 0)
        size = layout.mapped_bytes if log else layout.topics
        with standard_taken():  # a mapping has a duplicate of its own
            self.map = mmap.mmap(fd, size, flags=mmap.MAP_SHARED, prot=access)
        if log:
            _populate(self.map, layout.ends, writable=writable)
        self.view = memoryview(self.map)
        self.words = self.view.cast("Q")
        self.fd = fd  # from here on it is ours to close

    @classmethod
    def create(cls, layout: Layout) -> Segment:
        """Allocate a zeroed segment and write its header.

        Raises:
            StartupError: not enough memory; the text says how much is needed and free.
        """
        _check_available(layout.mapped_bytes)
        fd = -1
        try:
            with standard_taken(), needed("memfd_create", "makes the memory of the log"):
                fd = os.memfd_create(MEMORY_NAME, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
            layout = _with_areas(fd, layout)
            _allocate(fd, layout.mapped_bytes)
            with dispensable():  # nobody else has it but who is trusted with the log
                fcntl.fcntl(fd, fcntl.F_ADD_SEALS, _SEALS)
            segment = cls(fd, layout, writable=True)
        except BaseException as error:
            if fd >= 0:
                os.close(fd)
            if isinstance(error, OSError) and error.errno not in _NO_MEMORY:
                raise StartupError(f"no memory for the log: {explain(error)}") from error
            if isinstance(error, OSError | ValueError):
                raise StartupError(_too_large(layout.mapped_bytes, str(error))) from error
            raise
        words = segment.words
        words[at.H_VERSION] = at.LAYOUT_VERSION
        words[at.H_TOTAL_BYTES] = layout.total_bytes
        words[at.H_DATA_BYTES] = layout.data_bytes
        words[at.H_ENTRIES] = layout.entries
        words[at.H_SUBSCRIBERS] = layout.subscribers
        words[at.H_AREAS] = layout.areas
        words[places.H_VALUE_TOPICS] = layout.table.places
        words[places.H_VALUE_BYTES] = layout.table.ring_bytes
        words[at.H_PID] = os.getpid()
        words[at.H_HOLD] = at.NO_TAIL
        words[at.H_EPOCH] = int.from_bytes(os.urandom(7), "little") + 1
        words[at.H_MAGIC] = at.MAGIC
        return segment

    @classmethod
    def attach(cls, fd: int, *, writable: bool = False, log: bool = True) -> Segment:
        """Map an existing segment; takes over `fd`, also when it raises.

        Args:
            log: map the messages, too, and all pages of them now. Without, only what lies below the
                topics is mapped, where all figures are, and a page costs nothing until it is read.

        A process that attaches to read opens `/proc/PID/fd/N` of the publisher or of a worker; it
        cannot keep the publisher from ending, nor remove anything by ending itself.

        Raises:
            OtherLayout: it is of another version of fanout.
            StartupError: it is no segment.
        """
        try:
            return cls(fd, _read_layout(fd), writable=writable, log=log)
        except OSError as error:
            os.close(fd)
            raise StartupError(f"this cannot be mapped: {error.strerror}") from error
        except BaseException:
            os.close(fd)
            raise

    def __del__(self) -> None:
        # An interrupted start may drop it before anybody is there to close it.
        if getattr(self, "fd", -1) >= 0:
            os.close(self.fd)

    def discard(self) -> None:
        """Give the memory back, whoever still maps it; all of it reads as zeros then.

        For the end of a publisher, whose user may keep the closed object for long.
        """
        with dispensable():  # then it is given back when nobody maps it any more
            self.map.madvise(mmap.MADV_REMOVE)
        if self.layout.areas:
            self.give_back(self.layout.area(1), self.layout.areas * self.layout.area_bytes)

    def give_back(self, offset: int, size: int) -> None:
        """Give the memory of a part of the areas back; it reads as zeros then."""
        start = offset - offset % PAGE
        with (
            suppress(OSError, ValueError),  # it is given back when nobody maps it any more
            standard_taken(),
            mmap.mmap(self.fd, offset + size - start, offset=start) as part,
        ):
            part.madvise(mmap.MADV_REMOVE)

    def close(self) -> None:
        """Close the descriptor; the mapping goes when the last view of it does."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1


def _with_areas(fd: int, layout: Layout) -> Layout:
    """The layout whose areas this file can have: none if a limit keeps it from being so large."""
    try:
        os.ftruncate(fd, layout.total_bytes)
    except OSError:
        return replace(layout, areas=0)
    return layout


def _allocate(fd: int, size: int) -> None:
    """Have the pages of a new memory file now: a lack of memory is an error here, no SIGBUS later.

    Raises:
        OSError: there is not so much memory.
    """
    try:
        os.posix_fallocate(fd, 0, size)
    except OSError as error:
        if not is_refused(error):
            raise
        zeros = bytes(min(size, _ZEROS_BYTES))
        for position in range(0, size, len(zeros)):
            os.pwrite(fd, zeros[: size - position], position)


def _populate(memory: mmap.mmap, start: int, *, writable: bool) -> None:
    """Map the pages of the log now, not one by one while messages are sent.

    What lies below is mapped when it is used: slots for thousands of subscribers, most of which may
    never come.
    """
    advice = MADV_POPULATE_WRITE if writable else MADV_POPULATE_READ
    with suppress(OSError):  # Linux before 5.14 does not know it: then one by one
        memory.madvise(advice, start)


def _read_layout(fd: int) -> Layout:
    page = os.pread(fd, at.PAGE, 0)
    header = memoryview(page.ljust(at.PAGE, b"\0")).cast("Q")
    if header[at.H_MAGIC] != at.MAGIC:
        raise StartupError("this is not a fanout segment")
    if header[at.H_VERSION] != at.LAYOUT_VERSION:
        raise OtherLayout(
            f"segment layout {header[at.H_VERSION]}, this fanout reads "
            f"{at.LAYOUT_VERSION}: publisher and reader must be of one version"
        )
    layout = Layout(
        *(header[at.H_DATA_BYTES], header[at.H_ENTRIES]),
        *(header[at.H_SUBSCRIBERS], header[at.H_AREAS]),
        ValueTable(header[places.H_VALUE_TOPICS], header[places.H_VALUE_BYTES]),
    )
    if not layout.total_bytes == header[at.H_TOTAL_BYTES] == os.fstat(fd).st_size:
        raise StartupError(f"this segment has {os.fstat(fd).st_size:,} bytes, its header differs")
    return layout


def _check_available(wanted: int) -> None:
    known = [bytes_ for bytes_ in (_system_available(), _group_available()) if bytes_ is not None]
    available = min(known, default=wanted)  # of none: the allocation will tell
    if wanted > available:
        raise StartupError(_too_large(wanted, f"{available:,} bytes are available"))


def _system_available() -> int | None:
    """Bytes that this machine can still give, None if it does not say."""
    try:
        with open("/proc/meminfo", encoding="ascii") as file:
            return next(int(line.split()[1]) << 10 for line in file if "MemAvailable" in line)
    except (OSError, ValueError, IndexError, StopIteration):
        return None


def _group_available() -> int | None:
    """Bytes left in this container's memory limit (cgroup v2), None if there is none."""
    try:
        limit, used = _group_file("memory.max"), _group_file("memory.current")
        return None if limit == "max" else int(limit) - int(used)
    except (OSError, ValueError):
        return None


def _group_file(name: str) -> str:
    with open(f"/sys/fs/cgroup/{name}", encoding="ascii") as file:
        return file.read().strip()


def _too_large(needed: int, why: str) -> str:
    return (
        f"the log needs {needed:,} bytes of memory: {why}; "
        f"lower log_bytes or give the process more memory"
    )
