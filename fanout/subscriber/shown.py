"""Which last values were given, as long as these or older messages may still come. Pure.

A last value is in no order with what comes by itself: it may be newer than all of that, and come
again, over another line or as what was missed. What comes of its topic and is not newer is a
double. Of other topics older messages may come: their numbers say nothing of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fanout.subscriber.prefixes import Prefixes

SHOWN_MAX = 262_144
"""Topics: some 50 MiB at most, with their names, and only until the last one is passed."""

NAMES_BYTES_MAX = 16 * 1024 * 1024  # of these topics
LOOKED_AT_MAX = 4_096  # of these, for one that is cancelled: else all of them are let go of


class Shown:
    """The newest message of each topic that was given as its last value. Owned by one thread.

    Attributes:
        top: the highest key; None = there are none.
    """

    __slots__ = ("_names_bytes", "_newest", "top")

    def __init__(self) -> None:
        self._newest: dict[bytes, Any] = {}
        self._names_bytes = 0
        self.top: Any = None

    def __bool__(self) -> bool:
        return bool(self._newest)

    @property
    def is_full(self) -> bool:
        """Whether it knows of no more topics, so that of others it cannot say what has come."""
        return len(self._newest) >= SHOWN_MAX or self._names_bytes >= NAMES_BYTES_MAX

    def has(self, topic: bytes, key: Any) -> bool:
        """Whether this message was given, or a newer one of its topic."""
        newest = self._newest.get(topic)
        return newest is not None and bool(key <= newest)

    def add(self, topic: bytes, key: Any) -> None:
        """This one was given; of a topic too many only the key counts."""
        self.top = key if self.top is None else max(self.top, key)
        if topic in self._newest or not self.is_full:
            self._names_bytes += len(topic) * (topic not in self._newest)
            self._newest[topic] = key

    def passed(self, key: Any) -> None:
        """All up to this has come: what is not above it is a double, whatever its topic."""
        if self.top is not None and key >= self.top:
            self.clear()

    def forget(self, prefix: bytes, wanted: Prefixes) -> None:
        """These are wanted no more; if they are again, they come again.

        Args:
            wanted: what still is: if that is all of them, none comes again.
        """
        if not self._newest or prefix.startswith(wanted.together):
            return
        if len(self._newest) > LOOKED_AT_MAX:
            self.clear()
        for topic in [one for one in self._newest if one.startswith(prefix)]:
            self._names_bytes -= len(topic)
            del self._newest[topic]
        if not self._newest:
            self.top = None

    def clear(self) -> None:
        """None of them comes again."""
        self._newest.clear()
        self._names_bytes = 0
        self.top = None
