"""What is read by a thread of its own, while the test goes on."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Self

from tests.helpers.waiting import DEADLINE_S

if TYPE_CHECKING:
    from types import TracebackType


class ReadsBeside(ABC):
    """A block in which a thread reads; it has ended when the block is left.

    Attributes:
        is_over: the block is being left: reading ends, and may fail.
    """

    def __init__(self) -> None:
        self.is_over = False
        self._thread = threading.Thread(target=self.read, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.is_over = True
        self.stop()
        self._thread.join(DEADLINE_S)
        assert not self._thread.is_alive(), "it still reads"
        self.close()

    @abstractmethod
    def read(self) -> None:
        """Read until there is no more, or it is over; in the thread."""

    @abstractmethod
    def stop(self) -> None:
        """Let the thread notice that it is over."""

    @abstractmethod
    def close(self) -> None:
        """Close what was read, when nobody reads any more."""
