"""Orders: what other threads want done by the one that owns something; in their order, bounded.

Who gives orders faster than they are carried out, or while that thread does not get on (a callback
of the user's has stopped it), is refused: else they would take all memory. And that thread carries
out some of them at a time, for what it has to do besides cannot wait for more.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Generic, TypeVar

from fanout.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

ORDERS_MAX = 1_000_000
"""As many as there may be topics, for all may be subscribed to at once. Each some 400 bytes."""
AT_ONCE = 1_000  # some milliseconds


Order = TypeVar("Order", bound="Callable[[], object]")


class Orders(Generic[Order]):
    """Those that wait; `carry_out()` is for the owner alone, all else for any thread."""

    def __init__(self) -> None:
        self._waiting: deque[Order] = deque()

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, order: Order) -> None:
        """One of which there may be any number.

        Raises:
            ConfigError: too many wait; nothing has changed.
        """
        if len(self._waiting) >= ORDERS_MAX:
            raise ConfigError(
                f"{ORDERS_MAX:,} changes of subscriptions wait for the thread that makes them, "
                "which does not get on so fast, or is held up by a callback: make them later"
            )
        self._waiting.append(order)

    def put(self, order: Order) -> None:
        """One that must not be refused, of a kind of which there are few."""
        self._waiting.append(order)

    def waiting(self) -> list[Order]:
        """Those that are not carried out yet, in their order."""
        return list(self._waiting)  # one call of C, in which no other thread adds any

    def carry_out(self) -> bool:
        """Do some of them; returns whether there are more."""
        for _ in range(min(len(self._waiting), AT_ONCE)):
            self._waiting.popleft()()
        return bool(self._waiting)
