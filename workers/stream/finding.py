"""Finding: what is found of topics with keyframes, for a member that has come. Pure data."""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fanout.shm.spill_area import Stored


class Alone:
    """Places of topics of which there is nothing but a keyframe: they are sent like last values.

    Attributes:
        stored: where `packed()` is kept for another worker; None = nowhere, as they are now.
    """

    __slots__ = ("_places", "stored")

    def __init__(self, places: Iterable[int] = ()) -> None:
        self._places = set(places)
        self.stored: Stored | None = None

    def __len__(self) -> int:
        return len(self._places)

    def __contains__(self, place: int) -> bool:
        return place in self._places

    def add(self, place: int) -> None:
        """One more."""
        self.stored = None
        self._places.add(place)

    def discard(self, place: int) -> None:
        """There is something else of it now."""
        self.stored = None
        self._places.discard(place)

    def packed(self) -> bytes:
        """As another worker needs them."""
        return array("I", self._places).tobytes()

    @classmethod
    def unpacked(cls, packed: bytes) -> Alone:
        """Those that another worker had."""
        return cls(array("I", packed))


class Finding:
    """What is found for one member; its mutable state.

    Attributes:
        first, until: between which messages, the latter of which is where it was.
        low: from where on there may be one now.
        due: of its snapshot, meanwhile it is due at once.
        is_asked_for: whether it has asked for what comes from there on, whatever comes before.
        at: which value of the listing is next.
        room: how many topics more may be found now.
        floors: by topic, the keyframe that it begins with.
        alone: places of topics of which there is nothing but a keyframe.
        comes: of topics that come by themselves, whether the first message is a keyframe; None =
            that is to be looked for.
        lost: topics of which there is none.
        lowest, highest: among these are their last messages, which it is not sent.
    """

    __slots__ = (
        *("alone", "at", "comes", "due", "first", "floors", "highest", "is_asked_for"),
        *("__weakref__", "lost", "low", "lowest", "room", "tries", "until"),
    )

    def __init__(self, first: int, until: int, due: int, *, is_asked_for: bool = False) -> None:
        self.first = self.low = first
        self.until = until
        self.due = due
        self.is_asked_for = is_asked_for
        self.at = 0
        self.tries = 0
        self.room = 0
        self.floors: dict[bytes, int] = {}
        self.alone: list[int] = []
        self.comes: dict[int, bool] | None = None
        self.lost = 0
        self.lowest = until
        self.highest = 0

    @property
    def held(self) -> tuple[int, int, int, bool]:
        """From what another worker begins it anew: nothing is sent before it ends."""
        return self.first, self.until, self.due, self.is_asked_for

    def anew(self) -> Finding:
        """The same with nothing found yet: what was is of a list that is not the one any more."""
        return Finding(*self.held[:3], is_asked_for=self.is_asked_for)

    def lose(self, sequence: int, until: int = 0) -> None:
        """One more topic; this is its last message, or one that comes by itself.

        Args:
            until: its last one is at that one or behind it, but before this one; 0 = at that one.
        """
        first = min(sequence, self.until - 1)
        self.lost += 1
        self.lowest = min(self.lowest, first)
        self.highest = max(self.highest, first, min(until, self.until) - 1)
