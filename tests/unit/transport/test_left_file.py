"""Files that were left by a process that was killed: which are removed, and which never."""

from __future__ import annotations

import os
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from fanout.transport.left_file import remove_left
from fanout.transport.opening import open_listener
from tests.unit.transport.listening import BACKLOG

if TYPE_CHECKING:
    from fanout.transport.listener import Listener


def left_by(listener: Listener) -> list[bytes]:
    """What is known of the file of one whose process is then killed: nobody removes it."""
    left = listener.left_file
    assert left is not None
    listener._file = None
    return left


def test_the_file_of_a_killed_process_is_removed_with_its_directory(directory: Path) -> None:
    with closing(open_listener("ipc://feed.sock", BACKLOG)) as listener:
        left = left_by(listener)
    with closing(open_listener("ipc://*", BACKLOG)) as fresh:
        fresh_left = left_by(fresh)
    (directory / "feed.sock").chmod(0o600)
    remove_left(*left)
    remove_left(*fresh_left)
    remove_left(*left)

    assert list(directory.iterdir()) == []
    assert fresh_left[2]
    assert not Path(os.fsdecode(fresh_left[2])).exists()


def test_a_file_that_was_made_later_is_not_removed(directory: Path) -> None:
    with closing(open_listener("ipc://feed.sock", BACKLOG)) as listener:
        left = left_by(listener)
    later = os.stat("feed.sock").st_mtime_ns + 1_000_000
    os.utime("feed.sock", ns=(later, later))  # as if it was another one, with the same number
    remove_left(*left)

    assert (directory / "feed.sock").is_socket(), "it has the number of the one before"


def test_a_file_on_which_somebody_listens_is_not_removed(directory: Path) -> None:
    with closing(open_listener("ipc://feed.sock", BACKLOG)) as listener:
        assert listener.left_file is not None
        remove_left(*listener.left_file)

        assert (directory / "feed.sock").is_socket()
