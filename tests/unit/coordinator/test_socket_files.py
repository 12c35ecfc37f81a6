"""Socket files that workers are told of: those of listeners that are open, as they come and go."""

from __future__ import annotations

import weakref
from contextlib import closing
from typing import TYPE_CHECKING

from fanout.control.leftovers import LeftFile
from fanout.coordinator.socket_files import SocketFiles, news
from fanout.transport.opening import open_listener

if TYPE_CHECKING:
    from pathlib import Path


def test_those_of_open_listeners_are_known(tmp_path: Path) -> None:
    files = SocketFiles()
    with closing(open_listener("tcp://127.0.0.1:*", 1)) as port:
        files.note(port)
    assert files.known == {}
    with closing(open_listener(f"ipc://{tmp_path}/first", 1)) as first:
        files.note(first)
        with closing(open_listener(f"ipc://{tmp_path}/second", 1)) as second:
            files.note(second)
            assert list(files.known.values()) == [first.left_file, second.left_file]
        with closing(open_listener(f"ipc://{tmp_path}/third", 1)) as third:
            files.note(third)
            assert list(files.known.values()) == [first.left_file, third.left_file]


def test_what_is_to_be_noted_later_is_not_kept_open_by_that(tmp_path: Path) -> None:
    files = SocketFiles()
    listener = open_listener(f"ipc://{tmp_path}/socket", 1)
    later, ref = files.noting(listener), weakref.ref(listener)
    with closing(listener):
        later()
        assert list(files.known.values()) == [listener.left_file]
    del listener
    later()

    assert ref() is None


def test_only_what_is_new_is_said_and_what_is_gone_first() -> None:
    kept, old, new = [b"kept", b"1", b""], [b"again", b"2", b""], [b"again", b"3", b""]
    gone = [b"gone", b"4", b""]
    told = {file[0]: file for file in (kept, old, gone)}
    known = {file[0]: file for file in (kept, new)}

    assert news(told, known) == [LeftFile(gone, False), LeftFile(new, True)]
    assert news(known, known) == []
