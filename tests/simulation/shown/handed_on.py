"""What a subscriber must be sent whose worker dies, and with which another one goes on.

What its worker has done since its record nobody knows but by the bytes that it was sent: so the
model forgets that as well, and hears it again from who does it again.
"""

from __future__ import annotations

from copy import copy
from typing import Any

from tests.simulation.shown.due import Due
from tests.simulation.shown.model import Viewer


class HandedOn(Viewer):
    """One of them.

    Attributes:
        is_handed_on: whether another worker has gone on with it, once.
        is_restored: whether it is done again what its worker has done since its record.
        is_handed_load: whether it is sent what its worker had joined, whatever it has cancelled.
    """

    def __init__(self, *which: Any, **how: Any) -> None:
        super().__init__(*which, **how)
        self.is_restored = self.is_handed_load = self.is_handed_on = False
        self._kept: list[Due] = []
        self._lost_then: set[int] = set()

    def keep(self) -> None:
        """A record says how it stands now."""
        self._kept, self._lost_then = [*map(_copy_of, self._dues)], {*self.live.dropped}

    def forget(self) -> None:
        """Its worker has died."""
        self.lost -= sum(one.lost for one in self._dues)
        later = self._dues[len(self._kept) :]
        self._dues[:] = [*map(_copy_of, self._kept), *map(_anew, later)]
        self.lost += sum(one.lost for one in self._dues)
        self._told.lose_not(self.live.dropped - self._lost_then)
        self.live.dropped = {*self._lost_then}

    def restore(self, *, has_rest: bool) -> None:
        """Another one has done all that again: what it has said is in force there."""
        self.is_handed_load = self.is_handed_on = True
        self.obey(has_rest=has_rest)

    def show(self, cursor: int, *, is_first: bool, has_rest: bool) -> None:
        before = self._is_rest
        super().show(cursor, is_first=is_first, has_rest=has_rest)
        if self.is_restored:  # it is known already what it is in the middle of
            self._is_rest = before

    def take(self, topic: bytes, body: bytes, sequence: int) -> None:
        self._is_late = self._is_late or self.is_handed_load
        super().take(topic, body, sequence)

    def _take_mark(self, mark: dict[str, object]) -> None:
        """Who goes on with it does not know what it had cancelled before it was sent this."""
        begun = sum(one.as_of is not None for one in self._dues)
        new, said = self.wanting.added[begun - 1], mark["subscriptions"]
        assert isinstance(said, int)
        if self.is_handed_on and len({*new} & self.wanting.wants) <= said <= len(new):
            mark = {**mark, "subscriptions": len(new)}
        super()._take_mark(mark)


def _copy_of(due: Due) -> Due:
    """As it is now, but for what it was sent, which stays."""
    made = copy(due)
    made.lows, made._cursors = [*due.lows], [*due._cursors]
    made._stages, made._jumps = [*due._stages], [*due._jumps]
    return made


def _anew(due: Due) -> Due:
    """As it was before anything had come of it."""
    made = Due(due._feed, due.at)
    made.above, made.is_asked, made.got = due.above, due.is_asked, due.got
    return made
