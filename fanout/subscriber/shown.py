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


class Shown:
    """The newest message of each topic that was given as its last value. Owned by one thread.

    Attributes:
        top: the highest key; None = there are none.
    """

    __slots__ = ("_cancelled", "_names_bytes", "_newest", "top")

    def __init__(self) -> None:
        self._newest: dict[bytes, Any] = {}
        self._names_bytes = 0
        # Prefixes that were cancelled since somebody last looked, each with what was still
        # subscribed to of it: many at once are looked for together.
        self._cancelled: dict[bytes, set[tuple[bytes, ...]]] = {}
        self.top: Any = None

    def __bool__(self) -> bool:
        return bool(self._newest)

    @property
    def is_full(self) -> bool:
        """Whether it knows of no more topics, so that of others it cannot say what has come."""
        if self._cancelled:
            self._let_go()
        return len(self._newest) >= SHOWN_MAX or self._names_bytes >= NAMES_BYTES_MAX

    def has(self, topic: bytes, key: Any) -> bool:
        """Whether this message was given, or a newer one of its topic."""
        if self._cancelled:
            self._let_go()
        newest = self._newest.get(topic)
        return newest is not None and bool(key <= newest)

    def add(self, topic: bytes, key: Any) -> None:
        """This one was given; of a topic too many only the key counts."""
        if self._cancelled:
            self._let_go()
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
            wanted: what still is: of that none comes again.
        """
        if self._newest and not prefix.startswith(wanted.together):
            left = tuple(one for one in wanted if one.startswith(prefix))
            self._cancelled.setdefault(prefix, set()).add(left)

    def _let_go(self) -> None:
        cancelled, self._cancelled = self._cancelled, {}
        for size in {*map(len, cancelled)}:
            found = [topic for topic in self._newest if topic[:size] in cancelled]
            for topic in found:
                if not all(topic.startswith(left) for left in cancelled[topic[:size]]):
                    self._names_bytes -= len(topic)
                    del self._newest[topic]
        if not self._newest:
            self.top = None

    def clear(self) -> None:
        """None of them comes again."""
        self._newest.clear()
        self._cancelled.clear()
        self._names_bytes = 0
        self.top = None
