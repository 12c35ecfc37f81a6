"""What `sub` says of messages that are missing: at once, and then once a second. Pure.

A publisher that conflates may tell of a gap before each message: as many lines would be read by
nobody. Time is passed in.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from fanout.subscriber.message import Gap, Message

EACH_S = 1.0  # at most one line a second for each reason: what people can still read
REASONS_MAX = 16  # told apart in this time; a publisher may invent as many as it likes
OTHERS = "other reasons"


class GapNotes:
    """Sums gaps up by their reason. Owned by one thread.

    Args:
        tell: told a line for people.

    Attributes:
        due: when `look` is to be called next, in seconds; None = there is nothing to be told.
    """

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self._told = -EACH_S  # when something was told last
        self._counts: dict[str, int] = {}  # how many are missing, by reason
        self._unknown: dict[str, int] = {}  # gaps of unknown size
        self.due: float | None = None

    def take(self, messages: Iterable[Message], now: float) -> None:
        """Note what is missing before these, and tell it if it is time."""
        for message in messages:
            gap = message.gap
            if gap is not None:
                self._note(gap)
        self.look(now)

    def look(self, now: float) -> None:
        """Tell what there is to tell, if it is time."""
        if not self._counts and not self._unknown:
            return
        if now - self._told < EACH_S:
            self.due = self._told + EACH_S
            return
        self.flush()
        self._told = now

    def flush(self) -> None:
        """Tell all that there is to tell."""
        for reason, count in self._counts.items():
            what = "1 message is" if count == 1 else f"{count:,} messages are"
            self._tell(f"{what} missing: {reason}")
        for reason, times in self._unknown.items():
            often = "" if times == 1 else f", {times:,} times"
            self._tell(f"nobody knows how many messages are missing: {reason}{often}")
        self._counts.clear()
        self._unknown.clear()
        self.due = None

    def _note(self, gap: Gap) -> None:
        sums = self._unknown if gap.count is None else self._counts
        reason = gap.reason if gap.reason in sums or len(sums) < REASONS_MAX else OTHERS
        count = 1 if gap.count is None else gap.count
        if count:
            sums[reason] = sums.get(reason, 0) + count
