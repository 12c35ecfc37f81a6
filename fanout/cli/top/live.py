"""The live table: looks, draws and takes keys, until somebody has seen enough."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from fanout.cli.arguments import OK
from fanout.cli.top.choosing import NoPublisher
from fanout.cli.top.view import press
from fanout.cli.top.watching import Wanted
from fanout.errors import ClosedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from fanout.cli.top.figures import EndFigures, Frame, SubscriberFigures
    from fanout.cli.top.view import View
    from fanout.cli.top.watching import Watcher


class Keys(Protocol):
    """Where keys come from."""

    def wait(self, timeout_s: float | None) -> list[str]: ...
    def suspend(self) -> None: ...
    def resume(self) -> None: ...


class Screen(Protocol):
    """Where the table is drawn."""

    def rows(self, workers: int) -> int: ...
    def draw(
        self,
        frame: Frame,
        view: View,
        selected: SubscriberFigures | EndFigures | str,
        problem: str,
    ) -> None: ...
    def suspend(self) -> None: ...
    def resume(self) -> None: ...


class LiveTable:
    """One table on one screen.

    Args:
        view: how it is looked at to begin with.
        stop: puts this process into the background, and returns when it is back.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        watcher: Watcher,
        view: View,
        keys: Keys,
        screen: Screen,
        *,
        stop: Callable[[], object],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._watcher = watcher
        self._view = view
        self._keys = keys
        self._screen = screen
        self._stop = stop
        self._clock = clock
        self._problem = ""  # why there is nothing new any more
        self._selected: SubscriberFigures | EndFigures | str = ""  # or why it is not there

    def run(self) -> int:
        """Show it until it is left; returns the exit status.

        Raises:
            NoPublisher: it ended before there was anything to show.
        """
        try:
            self._watcher.look()
            frame = self._frame(0)
        except ClosedError as error:
            raise NoPublisher(str(error)) from None
        due = self._clock() + self._view.interval_s
        while not self._view.quits:
            self._screen.draw(frame, self._view, self._selected, self._problem)
            is_still = self._view.paused or bool(self._problem)
            keys = self._keys.wait(None if is_still else max(0.0, due - self._clock()))
            for key in keys:
                self._press(key, frame)
            if self._view.paused or self._problem:
                frame = self._kept(frame)
                continue
            try:
                if self._clock() >= due:
                    self._watcher.look()
                    due = self._clock() + self._view.interval_s
                frame = self._frame(len(frame.workers))
            except ClosedError as error:
                self._problem = str(error)
        return OK

    def _press(self, key: str, frame: Frame) -> None:
        if key == "quit":
            self._view = replace(self._view, quits=True)
        elif key == "stop":
            self._screen.suspend()
            self._keys.suspend()
            self._stop()
            self._keys.resume()
            self._screen.resume()
        elif key != "redraw":
            is_still = self._view.paused or bool(self._problem)
            ids = [one.statistics.id for one in frame.shown]
            self._view = press(self._view, key, ids, ids if is_still else frame.order)
            self._watcher.interval_s = self._view.interval_s

    def _frame(self, workers: int) -> Frame:
        view = self._view
        frame = self._watcher.frame(
            Wanted(
                sort=view.sort,
                descending=view.descending,
                filter=view.filter,
                rows=self._screen.rows(workers),
                first=view.first,
                selected=view.selected,
                ended=view.ended,
            )
        )
        self._view = replace(view, first=frame.first)
        if view.selected is not None and view.details:
            self._selected = self._figures_of(view.selected)
        return frame

    def _figures_of(self, selected: int) -> SubscriberFigures | EndFigures | str:
        watcher = self._watcher
        if self._view.ended:
            return watcher.ended(selected) or "others have ended since, its figures are not kept"
        return watcher.subscriber(selected) or watcher.end_of(selected) or "it has left"

    def _kept(self, frame: Frame) -> Frame:
        """The same figures, with those of who is selected now."""
        selected = self._view.selected
        found = (one for one in frame.shown if one.statistics.id == selected)
        self._selected = next(found, self._selected)
        return frame
