"""What a program says, line by line, waited for by deadline."""

from __future__ import annotations

import threading
from typing import IO, TYPE_CHECKING, TypeVar

from tests.helpers.waiting import DEADLINE_S

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


class Lines:
    """The lines of a pipe, which a thread of their own reads until its end.

    Attributes:
        said: those that have come so far.
    """

    def __init__(self, pipe: IO[bytes]) -> None:
        self.said: list[str] = []
        self._is_at_end = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._read, args=(pipe,), daemon=True)
        self._thread.start()

    def first(self, look: Callable[[str], T | None]) -> T:
        """Wait for a line of which this says something, and return that."""

        def found() -> T | None:
            return next((it for it in map(look, self.said) if it is not None), None)

        with self._changed:
            self._changed.wait_for(lambda: found() is not None or self._is_at_end, DEADLINE_S)
            it = found()
        assert it is not None, self.said
        return it

    def join(self, timeout: float | None = None) -> None:
        """Wait until all has come that comes: the program has ended."""
        self._thread.join(timeout)

    def _read(self, pipe: IO[bytes]) -> None:
        for line in pipe:
            with self._changed:
                self.said.append(line.decode().rstrip("\n"))
                self._changed.notify_all()
        with self._changed:
            self._is_at_end = True
            self._changed.notify_all()
