"""What was given to the program in any order, above all that is known to have come. Pure.

A line that brings what was missed, one subscription after another, may be lost before it has
brought all. Whoever goes on has to ask from where nothing was missing, and not from the highest
number that came: so some of it comes twice, and is given once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fanout.subscriber.losses import Losses

if TYPE_CHECKING:
    from fanout.subscriber.message import Gap, Message


class Early:
    """Keys of those messages; as many as a publisher sends before all it was asked for is taken.

    Owned by its `Run`.
    """

    def __init__(self) -> None:
        self._keys: set[Any] = set()
        self._top: Any = None
        self._untold = Losses()

    def __bool__(self) -> bool:
        return bool(self._keys) or self._untold.gap is not None

    def __contains__(self, key: Any) -> bool:
        return key in self._keys

    def add(self, key: Any) -> None:
        """This was given, though older ones may still come."""
        self._top = key if not self._keys else max(self._top, key)
        self._keys.add(key)

    def passed(self, key: Any) -> None:
        """All up to this has come."""
        if self._keys and key >= self._top:
            self._keys.clear()

    def keep(self, gap: Gap | None) -> None:
        """This was to be told with a message that is not given again."""
        if gap is not None:
            self._untold.add(gap)

    def told(self, message: Message) -> Message:
        """The message that is given next, with what was to be told."""
        if self._untold.gap is None:
            return message
        self.keep(message.gap)
        return message.instead(self._untold.told())
