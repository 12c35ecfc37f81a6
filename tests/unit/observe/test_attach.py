"""Finding a publisher: its memory file among the descriptors of a process, and nothing else.

`tests/integration/test_observing.py` attaches to publishers in processes of their own.
"""

from __future__ import annotations

import fcntl
import gc
import os
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Self

import pytest

from fanout.errors import FanoutError
from fanout.observe.attach import (
    AttachError,
    NotFound,
    NotPermitted,
    OtherVersion,
    attach,
    attach_all,
    find,
)
from fanout.shm import layout as at
from fanout.shm.header import Header
from fanout.shm.log import LogWriter
from fanout.shm.segment import MEMORY_NAME, Segment
from tests.helpers.log import SMALL

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType


class Shelf:
    """Files, and processes that have some of them open; a context manager that ends both."""

    def __init__(self) -> None:
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stack.close()

    def segment(self) -> Segment:
        """The memory of a new publisher."""
        segment = Segment.create(SMALL)
        self._stack.callback(segment.close)
        return segment

    def keep(self, descriptor: int) -> int:
        """Have it closed in the end."""
        self._stack.callback(os.close, descriptor)
        return descriptor

    def process(self, *descriptors: int) -> int:
        """The pid of a process that has these open, by the same numbers, and no other of ours."""
        process = subprocess.Popen(["cat"], stdin=subprocess.PIPE, pass_fds=descriptors)
        self._stack.callback(process.communicate)  # which it ends by
        return process.pid


@pytest.fixture
def shelf() -> Iterator[Shelf]:
    with Shelf() as shelf:
        yield shelf


def names(pid: int, *descriptors: int) -> list[Path]:
    return [Path(f"/proc/{pid}/fd/{descriptor}") for descriptor in descriptors]


def open_descriptors() -> set[str]:
    """The numbers of ours; what was dropped before has closed its own."""
    gc.collect()
    return set(os.listdir("/proc/self/fd"))


def test_each_file_is_found_once_by_its_lowest_number(shelf: Shelf) -> None:
    one, other = shelf.segment(), shelf.segment()
    again = shelf.keep(os.dup(one.fd))
    pid = shelf.process(other.fd, again, one.fd)

    assert find(pid) == names(pid, one.fd, other.fd)


def test_the_lowest_number_is_not_the_first_in_letters(shelf: Shelf) -> None:
    one = shelf.segment()
    high = shelf.keep(fcntl.fcntl(one.fd, fcntl.F_DUPFD_CLOEXEC, 1_000))
    low = shelf.keep(fcntl.fcntl(one.fd, fcntl.F_DUPFD_CLOEXEC, 200))
    pid = shelf.process(high, low)

    assert find(pid) == names(pid, low)


def test_other_files_are_not_looked_at(shelf: Shelf) -> None:
    """Nor are other anonymous files of memory, nor those that this process has open."""
    shelf.segment()
    memory = shelf.keep(os.memfd_create(f"not-{MEMORY_NAME}"))
    pid = shelf.process(memory, shelf.keep(os.open("/dev/null", os.O_RDONLY)))

    assert find(pid) == []
    for look in (attach_all, attach):
        with pytest.raises(NotFound, match=f"process {pid} has no publisher"):
            look(pid)


def test_there_is_no_such_process() -> None:
    for look in (find, attach_all, attach):
        with pytest.raises(NotFound, match=f"there is no process {1 << 30}"):
            look(1 << 30)


def test_a_reader_reads_what_the_publisher_has_written(shelf: Shelf) -> None:
    segment = shelf.segment()
    header = Header(segment)

    reader = attach(shelf.process(segment.fd))

    assert reader.epoch == header.epoch
    LogWriter(segment).append(b"\0\0", 0)
    assert reader.totals().published == 1


def test_a_reader_keeps_its_mapping_open_and_leaves_nothing(shelf: Shelf) -> None:
    pid = shelf.process(shelf.segment().fd)
    before = open_descriptors()

    reader = attach(pid)

    assert len(open_descriptors() - before) <= 1, "Python's duplicate, for the mapping"
    del reader
    assert open_descriptors() <= before


def test_several_are_read_one_by_one(shelf: Shelf) -> None:
    segments = [shelf.segment() for _ in range(2)]
    pid = shelf.process(*[segment.fd for segment in segments])

    epochs = [Header(segment).epoch for segment in segments]
    assert [reader.epoch for reader in attach_all(pid)] == epochs
    with pytest.raises(AttachError, match=f"process {pid} has 2 publishers"):
        attach(pid)


def test_one_that_was_closed_is_passed_over(shelf: Shelf) -> None:
    """Its file stays, empty, as long as the program keeps the object."""
    closed, running = shelf.segment(), shelf.segment()
    pid = shelf.process(closed.fd, running.fd)
    closed.discard()

    assert find(pid) == names(pid, closed.fd, running.fd)
    assert attach(pid).epoch == Header(running).epoch
    running.discard()
    before = open_descriptors()
    with pytest.raises(NotFound, match="has no publisher"):
        attach(pid)
    assert open_descriptors() <= before


def test_one_that_is_being_made_is_passed_over(shelf: Shelf) -> None:
    """Its file has no size yet, or no header."""
    half = shelf.segment()
    half.words[at.H_MAGIC] = 0
    pid = shelf.process(shelf.keep(os.memfd_create(MEMORY_NAME)), half.fd)

    assert len(find(pid)) == 2
    with pytest.raises(NotFound, match="has no publisher"):
        attach(pid)


def test_one_of_another_version_is_told_and_nothing_stays_mapped(shelf: Shelf) -> None:
    good, other = shelf.segment(), shelf.segment()
    other.words[at.H_VERSION] = at.LAYOUT_VERSION + 1
    pid = shelf.process(good.fd, other.fd)
    before = open_descriptors()

    with pytest.raises(OtherVersion, match=f"process {pid}: segment layout"):
        attach_all(pid)

    assert open_descriptors() <= before


STRANGER = """
import os, sys
from fanout.observe.attach import NotPermitted, find
os.setuid(65534)
try:
    find(int(sys.argv[1]))
except NotPermitted as error:
    print(error)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="root may become somebody else")
def test_the_process_of_somebody_else_is_not_looked_at(shelf: Shelf) -> None:
    pid = shelf.process()
    done = subprocess.run(
        [sys.executable, "-c", STRANGER, str(pid)], capture_output=True, text=True, check=True
    )

    assert done.stdout.startswith(f"process {pid} may not be looked into: it belongs to another")


@pytest.mark.parametrize("error", [NotFound, NotPermitted, OtherVersion])
def test_every_error_is_one_of_attaching(error: type[Exception]) -> None:
    assert issubclass(error, AttachError)
    assert issubclass(error, FanoutError)
