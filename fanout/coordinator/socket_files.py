"""Socket files: which ones workers are to remove if this process is killed."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, TypeAlias

from fanout.control.leftovers import LeftFile

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from fanout.transport.listener import Listener

Known: TypeAlias = "dict[bytes, list[bytes]]"  # by path, as in `LeftFile`


class SocketFiles:
    """Those of all listeners of a publisher; its coordinator's thread alone.

    Its mutable state: the listeners, which others own and close, and what is known of their files.
    Of one that was closed nobody need be told at once: its file is not there any more, or is
    another one.

    Attributes:
        known: is replaced by another dict with each change.
    """

    def __init__(self) -> None:
        self.known: Known = {}
        self._listeners: list[weakref.ref[Listener]] = []

    def noting(self, listener: Listener) -> Callable[[], None]:
        """What notes it, later; any thread.

        It does not keep it: whoever opens it may be interrupted, and then nobody closes it.
        """
        ref = weakref.ref(listener)

        def note() -> None:
            still = ref()
            if still is not None:
                self.note(still)

        return note

    def note(self, listener: Listener) -> None:
        """One more listens; those that were closed are forgotten."""
        if listener.left_file is None:
            return
        listeners = [one for ref in self._listeners if (one := ref()) is not None]
        still = [one for one in [*listeners, listener] if one.left_file is not None]
        self._listeners = [weakref.ref(one) for one in still]
        files = [one.left_file for one in still]
        self.known = {file[0]: file for file in files if file is not None}


def news(told: Mapping[bytes, list[bytes]], known: Mapping[bytes, list[bytes]]) -> list[LeftFile]:
    """What to say to a worker that was told of these and is to know those; what is gone first."""
    gone = [LeftFile(file, False) for path, file in told.items() if path not in known]
    return gone + [LeftFile(file, True) for path, file in known.items() if told.get(path) != file]
