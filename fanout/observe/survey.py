"""A survey: a few words of every subscriber, read column by column.

To read all of a row costs 20 us; a column of ten thousand subscribers less than a millisecond. So
who looks at all of them each second, to sort them, reads the columns that it needs, and the rows of
those that it shows.
"""

from __future__ import annotations

from itertools import compress
from operator import add, eq, sub
from typing import TYPE_CHECKING, TypeAlias

from fanout.shm.cards import Card, Cards
from fanout.shm.subscriber_slot import SubscriberSlots
from fanout.shm.words import StuckRecord

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fanout.shm.cards import Identity
    from fanout.shm.segment import Segment

# Cards that were read, by slot, each with its version then: a reader keeps them between surveys.
Known: TypeAlias = "dict[int, tuple[int, Identity]]"

_KEPT = 1_000  # cards of those who have left


class Survey:
    """Every subscriber whose handshake is done; all lists are in the order of their slots.

    Each word is seen for itself: two columns may be a moment apart, and who comes or leaves
    meanwhile may have another's figure in one. It is for sorting and for rates; what
    `Reader.subscribers` returns is exact.

    Args:
        known: cards from earlier surveys of this segment; it is brought up to date when texts are
            asked for.

    Attributes:
        slots: which slots they have.
        ids: their ids.
    """

    def __init__(self, segment: Segment, known: Known) -> None:
        self._segment = segment
        self._known = known
        self._cards = Cards(segment)
        self._figures = SubscriberSlots(segment)
        ids = self._cards.ids()
        protocols = self._cards.protocols()
        # Not strict: a slot that nobody had before may be somebody's by now.
        self._is_there = [bool(i and done) for i, done in zip(ids, protocols, strict=False)]
        self.slots = list(compress(range(len(ids)), self._is_there))
        self.ids = self._picked(ids)
        # Whose worker has not taken its slot yet has nothing in it, but perhaps another's figures.
        self._is_its_own = list(map(eq, self.ids, self._picked(self._figures.ids())))

    def column(self, field: str) -> list[int]:
        """This field of the checkpoint of each."""
        values = self._picked(self._figures.column(field))
        return [value if own else 0 for value, own in zip(values, self._is_its_own, strict=True)]

    def queued(self) -> list[int]:
        """Messages that matched and were not sent, dropped or conflated."""
        gone = map(add, self.column("sent"), self.column("dropped"))
        gone = map(add, gone, self.column("conflated"))
        return list(map(sub, self.column("matched"), gone))

    def queued_bytes(self) -> list[int]:
        """Their bytes; of one that is partly sent, the rest."""
        gone = map(add, self.column("sent_bytes"), self.column("dropped_bytes"))
        gone = map(add, gone, self.column("conflated_bytes"))
        return list(map(sub, self.column("matched_bytes"), gone))

    def workers(self) -> list[int]:
        """Which worker serves each."""
        return self._picked(self._cards.workers())

    def actions(self) -> list[str]:
        """What happens to each when it is behind, in a word."""
        return list(compress(self._cards.actions(), self._is_there))

    def subscriptions(self) -> list[int]:
        """How many distinct ones each has."""
        return self._picked(self._cards.subscriptions())

    def texts(self) -> list[tuple[str, ...]]:
        """What somebody may look for: id, name, user, address, endpoint, policy."""
        pairs = zip(self.ids, self.identities(), strict=True)
        return [
            (str(i), *((who.name, who.user, who.peer, who.endpoint, who.policy) if who else ()))
            for i, who in pairs
        ]

    def identities(self) -> list[Identity | None]:
        """Who each is, None where that is half-written; numbers in it may be old."""
        found = self.identities_at(range(len(self.slots)))
        if len(self._known) > 2 * len(self.slots) + _KEPT:  # most of those have left
            for slot in self._known.keys() - set(self.slots):
                del self._known[slot]
        return found

    def identities_at(self, places: Iterable[int]) -> list[Identity | None]:
        """The same of those at these places in the lists."""
        versions = self._cards.versions()
        return [self._of_card(slot, versions[slot]) for slot in map(self.slots.__getitem__, places)]

    def _of_card(self, slot: int, version: int) -> Identity | None:
        known = self._known.get(slot)
        if known is not None and known[0] == version:
            return known[1]
        try:
            identity = Card(self._segment, slot).read()
        except StuckRecord:
            return None
        if identity is not None:
            self._known[slot] = (version, identity)
        return identity

    def _picked(self, column: list[int]) -> list[int]:
        return list(compress(column, self._is_there))
