"""A callback that is called on an event loop, whatever thread the call comes from."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from fanout.events import Event

HELD_MAX = 64  # events on their way to the loop: one switch of threads for many in a burst
LOOK_EVERY = 1.0  # seconds between looks at whether a loop that takes nothing is closed


class LoopCallback:
    """Takes events on any other thread and calls the callback with them on the loop, in order.

    A loop that is busy lets nothing accumulate here: the caller waits, and has a bound for what
    waits with it. Once the loop is closed, and with it whoever listened, events are dropped.

    Its mutable state: the events on their way; while there are any, the loop has been asked.
    """

    def __init__(self, callback: Callable[[Event], None], loop: asyncio.AbstractEventLoop) -> None:
        self._callback = callback
        self._loop = loop
        self._held: list[Event] = []
        self._changed = threading.Condition()

    def __call__(self, event: Event) -> None:
        """Have the loop call the callback; waits while the loop is busy."""
        with self._changed:
            while len(self._held) >= HELD_MAX and not self._loop.is_closed():
                self._changed.wait(LOOK_EVERY)
            self._held.append(event)
            if len(self._held) > 1 and not self._loop.is_closed():
                return
            try:
                self._loop.call_soon_threadsafe(self._hand_over)
            except RuntimeError:  # it is closed
                self._held.clear()

    def _hand_over(self) -> None:
        """On the loop."""
        with self._changed:
            events, self._held = self._held, []
            self._changed.notify()
        for event in events:
            self._loop.call_soon(self._callback, event)  # what it raises is the loop's affair
