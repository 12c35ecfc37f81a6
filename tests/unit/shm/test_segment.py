"""The segment: attached by another process to read, sealed, refused by name."""

from __future__ import annotations

import mmap
import os
import subprocess
import sys

import pytest

from fanout.errors import StartupError
from fanout.shm import layout as at
from fanout.shm.layout import Layout
from fanout.shm.segment import Segment
from tests.helpers.log import SMALL, Log

READER = """
import os, sys
from fanout.shm.reader import LogReader
from fanout.shm.segment import Segment
segment = Segment.attach(os.open(sys.argv[1], os.O_RDONLY))
reader = LogReader(segment)
print(reader.copy(0, reader.start_of(reader.head())).hex(), flush=True)
try:
    segment.words[0] = 1
except TypeError as error:
    print(error, flush=True)
os._exit(9)  # it may end as it likes
"""


def test_a_second_process_reads_what_was_published_and_cannot_write() -> None:
    log = Log()
    log.publish(b"A", b"one")
    path = f"/proc/{os.getpid()}/fd/{log.segment.fd}"

    done = subprocess.run(
        [sys.executable, "-c", READER, path], capture_output=True, text=True, timeout=60
    )

    assert done.returncode == 9, done.stderr
    assert done.stdout.split("\n")[:2] == [
        b"\x01\x01A\x00\x03one".hex(),
        "cannot modify read-only memory",
    ]
    log.publish(b"A", b"two")  # its end changed nothing here
    assert log.reader.head() == 2
    log.segment.close()


def test_it_cannot_be_shrunk_or_grown_under_a_reader() -> None:
    segment = Segment.create(SMALL)

    for size in (0, SMALL.total_bytes + at.PAGE):
        with pytest.raises(PermissionError):
            os.ftruncate(segment.fd, size)
    segment.close()


def test_what_attaches_finds_the_layout() -> None:
    segment = Segment.create(SMALL)
    other = Segment.attach(os.dup(segment.fd), writable=True)

    other.words[at.H_WANTED] = 7

    assert other.layout == SMALL
    assert segment.words[at.H_WANTED] == 7
    other.close()
    segment.close()


@pytest.mark.parametrize("content", [b"", b"short", b"x" * at.PAGE, bytes(3 * at.PAGE)])
def test_garbage_is_refused_and_its_descriptor_closed(content: bytes) -> None:
    fd = os.memfd_create("garbage")
    os.write(fd, content)

    with pytest.raises(StartupError, match="not a fanout segment"):
        Segment.attach(fd)
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(fd)


def test_a_pipe_is_refused() -> None:
    fd, other = os.pipe()

    with pytest.raises(StartupError, match="Illegal seek"):
        Segment.attach(fd)
    os.close(other)


@pytest.mark.parametrize("word", [at.H_DATA_BYTES, at.H_ENTRIES, at.H_TOTAL_BYTES])
def test_a_header_that_is_not_true_is_refused(word: int) -> None:
    segment = Segment.create(SMALL)
    segment.words[word] = 1 << 60

    with pytest.raises(StartupError, match="its header differs"):
        Segment.attach(os.dup(segment.fd))
    segment.close()


def test_another_version_is_refused_by_number() -> None:
    segment = Segment.create(SMALL)
    segment.words[at.H_VERSION] = 99

    with pytest.raises(StartupError, match="layout 99"):
        Segment.attach(os.dup(segment.fd))
    segment.close()


def test_a_log_larger_than_the_memory_is_refused_with_both_numbers() -> None:
    layout = Layout.for_options(1 << 50, 1)

    with pytest.raises(StartupError, match=f"needs {layout.mapped_bytes:,} bytes.*available"):
        Segment.create(layout)


def test_closing_twice_closes_nothing_else() -> None:
    segment = Segment.create(SMALL)
    fd = segment.fd
    segment.close()
    taken = os.dup2(0, fd)

    segment.close()

    os.fstat(taken)
    os.close(taken)


def test_after_discarding_all_of_it_reads_as_zeros() -> None:
    log = Log()
    log.publish(b"A", b"one")

    log.segment.discard()

    assert bytes(log.segment.map[: 2 * mmap.PAGESIZE]) == bytes(2 * mmap.PAGESIZE)
    log.segment.close()
