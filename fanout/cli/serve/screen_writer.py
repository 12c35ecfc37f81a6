"""The thread that writes on the screen, so that no other waits for standard error."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from typing import TYPE_CHECKING

from fanout.cli.serve.lines import (
    BAD_INPUT_LINES_MAX,
    EVENT_LINES_MAX,
    Figures,
    LineBudget,
    event_line,
    status_line,
)
from fanout.errors import FanoutError

if TYPE_CHECKING:
    from collections.abc import Callable

    from fanout.cli.serve.items import BadInput
    from fanout.cli.serve.screen import Screen
    from fanout.events import Event

BUDGET_INTERVAL_S = 10.0
"""How often the line budgets are refilled when there are no status lines."""


class ScreenWriter:
    """Prints events, bad input and, at intervals, a status line.

    `bad_input`, `event` and `note` may be called from any thread and do not wait; `start` and
    `stop` belong to one thread.

    Args:
        screen: where to; only this thread writes to it between `start` and `stop`.
        interval_s: seconds between status lines; 0 = none, only events and bad input.
        unit: what an item of the input is called.
    """

    def __init__(self, screen: Screen, *, interval_s: float, unit: str) -> None:
        self._screen = screen
        self._interval_s = interval_s
        self._unit = unit
        self._take: Callable[[], Figures] | None = None  # None until start()
        self._lines: deque[str] = deque()  # bounded by the budgets, but for notes
        self._bad_input_budget = LineBudget(BAD_INPUT_LINES_MAX)
        self._event_budget = LineBudget(EVENT_LINES_MAX)
        self._changed = threading.Condition()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="fanout-screen", daemon=True)

    def start(self, take: Callable[[], Figures]) -> None:
        """Starts the thread; `take` is called on it."""
        self._take = take
        self._thread.start()

    def stop(self) -> None:
        """Prints what is left and ends the thread; later calls print nothing."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        if self._thread.is_alive():
            self._thread.join()
        self._print(self._collect(refill=True))

    def bad_input(self, bad: BadInput) -> None:
        """Reports an item that is not a message, as long as there are not too many."""
        text = f"{self._unit} {bad.number:,}: {bad.reason}"
        self._enqueue(text, self._bad_input_budget)

    def event(self, event: Event) -> None:
        """Reports an event, if it is worth a line."""
        text = event_line(event)
        if text is not None:
            self._enqueue(text, self._event_budget)

    def note(self, text: str) -> None:
        """Prints a line, whatever else there is to say."""
        with self._changed:
            self._lines.append(text)
            self._changed.notify()

    def _enqueue(self, text: str, budget: LineBudget) -> None:
        with self._changed:
            if budget.take():
                self._lines.append(text)
                self._changed.notify()

    def _run(self) -> None:
        # A publisher that ended at once has nothing more to tell; its owner says why it ended.
        with contextlib.suppress(FanoutError):
            self._write()

    def _write(self) -> None:
        assert self._take is not None
        interval = self._interval_s or BUDGET_INTERVAL_S
        before = self._take()
        due = before.now + interval
        while not self._stopping:
            with self._changed:
                self._changed.wait_for(
                    lambda: self._stopping or bool(self._lines),
                    timeout=max(due - time.monotonic(), 0),
                )
            is_due = time.monotonic() >= due
            self._print(self._collect(refill=is_due))
            if not is_due or self._stopping:
                continue
            after = self._take()
            if self._interval_s:
                self._screen.status(status_line(before, after))
            before = after
            due = after.now + interval

    def _collect(self, *, refill: bool) -> list[str]:
        with self._changed:
            lines = list(self._lines)
            self._lines.clear()
            if refill:
                bad_input = self._bad_input_budget.refill()
                events = self._event_budget.refill()
                if bad_input:
                    lines.append(f"and {bad_input:,} more bad input {self._unit}s")
                if events:
                    lines.append(f"and {events:,} more events")
        return lines

    def _print(self, lines: list[str]) -> None:
        for line in lines:
            self._screen.line(line)
