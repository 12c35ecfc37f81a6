"""What a subscriber is told of that it does not get: before anything behind it comes, all of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.simulation.telling import ALL, CONFLATED, NOTHING
from tests.simulation.violated import require

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.simulation.shown.feed import Feed


class Told:
    """That of one subscriber.

    Args:
        level: of what it wants to be told; of what it does not, it must not be.

    Attributes:
        losses: how many messages it was told that it has lost.
        of_keyframes: it was told that there are no keyframes.
        expired: it is still to be told that some of what it had asked for is not there any more.
    """

    def __init__(self, feed: Feed, level: int) -> None:
        self.level = level
        self.losses = 0
        self.of_keyframes = False
        self.expired = False
        self._feed = feed
        self._ranges: list[tuple[int, int]] = []
        self._lost: set[int] = set()  # and not told yet
        self._conflated: list[int] = []  # in the order in which it missed them

    def lose(self, gone: Iterable[int]) -> None:
        """It does not get these."""
        if self.level:
            self._lost.update(gone)

    def lose_not(self, them: Iterable[int]) -> None:
        """It was written down nowhere that it does not get these."""
        self._lost.difference_update(them)

    def conflate(self, gone: Iterable[int]) -> None:
        """Newer ones have taken the place of these."""
        if self.level == ALL:
            self._conflated += gone

    def require_told(self, stop: int) -> None:
        """It was told of all that is missing below this message."""
        require(not self.expired, f"{stop} comes, and it was not told what is not there any more")
        untold = sorted(one for one in (*self._lost, *self._conflated) if one < stop)
        require(not untold, f"{untold} are missing before {stop}, and it was not told")

    def require_told_of(self, missing: Iterable[int], *, is_late: bool) -> None:
        """It was told of these, which were published before it came.

        Args:
            is_late: or is, before anything comes by itself.
        """
        ranges = self._ranges
        untold = [one for one in missing if not any(low <= one <= high for low, high in ranges)]
        if is_late:
            self.lose(untold)
        elif self.level:
            require(not untold, f"{untold} are missing, and it was not told")

    def take_marker(self, marker: dict[str, object]) -> None:
        """It is told of a gap."""
        first, last, count = marker["first"], marker["last"], marker["count"]
        assert isinstance(first, int)
        assert isinstance(last, int)
        assert isinstance(count, int)
        there = 0 <= first <= last < len(self._feed.messages)
        require(there, f"a gap of {first} to {last}")
        require(self.level > NOTHING, "it is told of a gap, and has not asked for that")
        if marker["reason"] == "expired":
            require(self.expired, "it is told that something is not there any more")
            self.expired = False
        elif marker["reason"] == "epoch":
            pass
        elif marker["reason"] == "keyframe":
            self.of_keyframes = True
        elif marker["reason"] == CONFLATED:
            require(self.level == ALL, "it is told of conflation, and has not asked for that")
            told, self._conflated = sorted(self._conflated[:count]), self._conflated[count:]
            is_right = bool(told) and (told[0], told[-1], len(told)) == (first, last, count)
            require(is_right, f"{marker}, and newer ones have the place of {told}")
        else:
            self._ranges.append((first, last))
            self.losses += count
            self._lost -= {*range(first, last + 1)}
