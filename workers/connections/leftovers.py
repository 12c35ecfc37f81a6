"""Leftovers: what a worker removes of a publisher whose process was killed. Shell."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fanout.transport.left_file import remove_left

if TYPE_CHECKING:
    from fanout.control.leftovers import LeftFile


class Leftovers:
    """The socket files of the publisher; its mutable state is which ones there are, by path."""

    def __init__(self) -> None:
        self._files: dict[bytes, list[bytes]] = {}

    def note(self, message: LeftFile) -> None:
        """A file is there, or is not any more."""
        path = message.file[0]
        if message.is_there:
            self._files[path] = message.file
        else:
            self._files.pop(path, None)

    def remove(self) -> None:
        """The publisher's process is gone: remove what nobody uses. Other workers do the same."""
        for file in self._files.values():
            remove_left(*file)
        self._files.clear()
