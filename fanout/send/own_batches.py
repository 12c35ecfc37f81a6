"""Batches that are open, and who publishes, or begins one, beside his own: that goes out first."""

from __future__ import annotations

import sys
import warnings
import weakref
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import MethodType

    from fanout.send.topics import Subject

_BESIDE = (
    "published on the publisher inside of the block of a batch: it goes out at once, before the "
    "messages of the batch; call the same on the batch"
)
_NESTED = (
    "began a batch inside of the block of another one of the same publisher: it goes out at the "
    "end of its own block, before the messages of the other; add to that one, or begin it "
    "afterwards"
)


class _Outer:
    """In the place of a thread or task, whose batch this is: it has begun another one since."""

    __slots__ = ("who",)

    def __init__(self, who: object) -> None:
        self.who = who


class OwnBatches:
    """The open batches of one publisher, by the thread or task that has opened each.

    A publisher sends by this only while a batch is open, so that otherwise it costs nothing. It is
    a warning, not an error: a block that was interrupted before its end could be noted leaves a
    batch that looks open, which must not keep anybody from publishing.

    Args:
        append: appends a message to the log; returns its sequence.
        who: the thread, or the task, that runs now.
        switch: a method of the publisher's, which is told whether any batch is open, when that may
            have changed; it is referred to weakly, for the publisher refers to this.
    """

    __slots__ = ("_append", "_open", "_publisher", "_switch", "_who")

    def __init__(
        self,
        append: Callable[[bytes, Subject], int],
        who: Callable[[], object],
        switch: Callable[[bool], None],
    ) -> None:
        self._append = append
        self._who = who
        # Not a `WeakMethod`, whose look-up is Python: it was a tenth of what a small batch costs.
        method = cast("MethodType", switch)
        self._publisher, self._switch = weakref.ref(method.__self__), method.__func__
        self._open: dict[object, weakref.ref[object]] = {}

    def begin(self, batch: object) -> object:
        """The block of this batch begins, in the present thread or task; returns which that is.

        Warns, with nothing changed yet, who has another one open.
        """
        who = self._who()
        before = self._open.get(who)
        if before is not None and before() is not None:
            _warn(_NESTED)
            self._open[_Outer(who)] = before
        self._open[who] = weakref.ref(batch)
        publisher = self._publisher()
        if publisher is not None:
            self._switch(publisher, True)
        return who

    def end(self, batch: object, began: object) -> None:
        """It ends, wherever; it began in this thread or task, or in None if that is not known."""
        one = self._open.get(began)
        if one is not None and one() is batch and len(self._open) == 1:
            self._open.pop(began, None)  # the usual case, in a third of the time
        else:
            self._take_out(batch)
        publisher = self._publisher()
        if publisher is None:
            return
        while True:  # another thread may begin one after the look, and be switched off by us
            is_open = bool(self._open)
            self._switch(publisher, is_open)
            if bool(self._open) == is_open:
                return

    def _take_out(self, batch: object) -> None:
        """This one and those that are gone without an end; the block around it is his again."""
        for who, one in list(self._open.items()):
            if one() is batch or one() is None:
                self._open.pop(who, None)
        for outer in reversed(self._open.copy()):
            if isinstance(outer, _Outer) and outer.who not in self._open:
                self._open[outer.who] = self._open.pop(outer)

    def append(self, body: bytes, subject: Subject) -> int:
        """Append to the log, and warn if that is beside a batch of the same thread or task."""
        self.warn()
        return self._append(body, subject)

    def warn(self) -> None:
        """Warn who has a batch open, at his own line."""
        if not self._open:
            return
        one = self._open.get(self._who())
        if one is None or one() is None:
            return
        _warn(_BESIDE)


def _warn(text: str) -> None:
    """Warn at the line of the user."""
    level, frame = 1, sys._getframe()
    while frame.f_back is not None and _is_ours(frame.f_globals.get("__name__", "")):
        level, frame = level + 1, frame.f_back
    warnings.warn(text, RuntimeWarning, stacklevel=level)


def _is_ours(module: str) -> bool:
    return module == "fanout" or module.startswith("fanout.")
