"""From a descriptor to commits: what one read returned is one batch, cut where it must be."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from fanout.cli.serve.formats import make_parser
from fanout.cli.serve.intake import (
    BATCH_MESSAGES_MAX,
    Feeder,
    InputChunks,
    InputError,
    Intake,
    batches,
)
from tests.helpers.fake_publisher import FakePublisher

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from fanout.cli.serve.items import BadInput


class Pipes:
    """An input and a wake-up, each a pipe."""

    def __init__(self) -> None:
        self.input_fd, self.feed_fd = os.pipe()
        self.wake_fd, self.wake_write_fd = os.pipe()

    def chunks(self) -> InputChunks:
        return InputChunks(self.input_fd, self.wake_fd)


@pytest.fixture
def pipes() -> Iterator[Pipes]:
    pipes = Pipes()
    yield pipes
    for fd in (pipes.input_fd, pipes.wake_fd, pipes.wake_write_fd):
        os.close(fd)


def feed(
    chunks: list[bytes], *, strict: bool = False, is_whole: bool = True, batch_bytes_max: int = 1000
) -> tuple[FakePublisher, list[BadInput], Intake]:
    publisher = FakePublisher()
    bad: list[BadInput] = []
    feeder = Feeder(
        publisher,
        make_parser("lines", topic_key=None),
        batch_bytes_max=batch_bytes_max,
        on_bad_input=bad.append,
        strict=strict,
    )
    intake = feeder.run(iter(chunks), is_whole=lambda: is_whole)
    return publisher, bad, intake


def test_each_read_is_one_commit() -> None:
    publisher, _, intake = feed([b"a\t1\nb\t2\n", b"c\t3\nd", b"\t4\n"])
    assert publisher.commits == [[(b"a", b"1"), (b"b", b"2")], [(b"c", b"3")], [(b"d", b"4")]]
    assert intake == Intake(bad_input=0, refused=False)


def test_bad_lines_are_reported_and_the_others_published() -> None:
    publisher, bad, intake = feed([b"a\t1\noops\nb\t2\n"])
    assert publisher.messages == [(b"a", b"1"), (b"b", b"2")]
    assert [one.number for one in bad] == [2]
    assert intake == Intake(bad_input=1, refused=False, last_bad=bad[0])


def test_strict_ends_at_the_first_bad_line_and_publishes_what_was_before() -> None:
    publisher, bad, intake = feed([b"a\t1\noops\nb\t2\n", b"c\t3\n"], strict=True)
    assert publisher.messages == [(b"a", b"1")]
    assert len(bad) == 1
    assert intake == Intake(bad_input=1, refused=True, last_bad=bad[0])


def test_a_last_line_without_newline_counts_only_at_the_end_of_the_input() -> None:
    assert feed([b"a\t1\nb\t2"])[0].messages == [(b"a", b"1"), (b"b", b"2")]
    assert feed([b"a\t1\nb\t2"], is_whole=False)[0].messages == [(b"a", b"1")]


def test_batches_are_cut_by_bytes_and_by_count() -> None:
    small = [(b"t", b"x" * 9)] * 10
    assert [len(batch) for batch in batches(small, 35)] == [3, 3, 3, 1]
    huge = [(b"t", b""), (b"t", b"x" * 100), (b"t", b"")]
    assert [len(batch) for batch in batches(huge, 35)] == [1, 1, 1]
    assert [len(batch) for batch in batches([(b"t", b"", b"", b"")] * 2, 35)] == [1, 1]
    many = [(b"", b"")] * (2 * BATCH_MESSAGES_MAX + 1)
    sizes = [len(batch) for batch in batches(many, 35)]
    assert sizes == [BATCH_MESSAGES_MAX, BATCH_MESSAGES_MAX, 1]
    assert list(batches([], 35)) == []


def test_a_read_returns_what_is_there_and_does_not_wait_for_more(pipes: Pipes) -> None:
    chunks = pipes.chunks()
    reads = iter(chunks)
    os.write(pipes.feed_fd, b"a\t1\n")
    assert next(reads) == b"a\t1\n"  # the pipe is still open: a wait for more would never end
    os.close(pipes.feed_fd)
    assert next(reads, None) is None
    assert chunks.at_end


def test_a_wake_up_ends_the_reads_of_a_silent_input(pipes: Pipes) -> None:
    chunks = pipes.chunks()
    os.write(pipes.wake_write_fd, b"\0")
    assert list(chunks) == []
    assert not chunks.at_end
    os.close(pipes.feed_fd)


def test_regular_files_can_be_read(pipes: Pipes, tmp_path: Path) -> None:
    os.close(pipes.feed_fd)
    file = tmp_path / "input"
    file.write_bytes(b"a\t1\n" * 100_000)
    fd = os.open(file, os.O_RDONLY)
    try:
        assert b"".join(InputChunks(fd, pipes.wake_fd)) == file.read_bytes()
    finally:
        os.close(fd)


def test_a_directory_is_an_error_with_a_reason(pipes: Pipes, tmp_path: Path) -> None:
    os.close(pipes.feed_fd)
    fd = os.open(tmp_path, os.O_RDONLY)
    try:
        with pytest.raises(InputError, match="cannot read standard input: Is a directory"):
            list(InputChunks(fd, pipes.wake_fd))
    finally:
        os.close(fd)
