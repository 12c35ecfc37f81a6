"""Listings: what is listed for all members, who share it if they want the same. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING
from weakref import WeakSet, WeakValueDictionary

import msgpack

from fanout.workers.stream.listing import ALL_NAMES, Listing
from fanout.workers.tuning import TUNING, ShowTuning

if TYPE_CHECKING:
    from collections.abc import Collection

    from fanout.shm.kept_values import KeptValues
    from fanout.workers.stream.member import Member
    from fanout.workers.stream.snapshot import Snapshot
    from fanout.workers.stream.topic_names import TopicNames

# Of who wants nothing else, up to so many prefixes: then others with the same share the list, and
# what is joined of it. To compare as many takes 0.1 ms; they come as they were read, a few at once.
SHARED_PREFIXES = 4_096
FEW_PREFIXES = 8  # up to so many are the same in any order; more, if they were said in the same one
RECENT_VALUES = 128 * 1024  # of all lists that are kept though nobody has them: 2.5 MiB


class Listings:
    """Makes them; its mutable state: those that somebody has, and some that somebody had.

    Attributes:
        expected: what more than one is known to want, after which message: a list of that is shared
            from the beginning.
    """

    def __init__(
        self, names: TopicNames, values: KeptValues, tuning: ShowTuning = TUNING.show
    ) -> None:
        self._tuning = tuning
        self._names = names
        self._values = values
        self._lists: WeakSet[Listing] = WeakSet()
        self._recent: list[Listing] = []
        self.expected: tuple[int, object] | None = None
        self._shared: WeakValueDictionary[tuple[object, ...], Listing] = WeakValueDictionary()

    @property
    def held(self) -> int:
        """Values that take memory in all of them."""
        return sum([listing.held for listing in self._lists])

    def find(self, member: Member, snapshot: Snapshot, limit: int) -> bool:
        """Find some more of what a member is to be sent of a snapshot; returns whether that is all.

        Args:
            limit: what is published from that message on comes by itself.
        """
        if snapshot.listing is not None and snapshot.limit != limit:
            snapshot.look_anew()  # the member has jumped: other values are the last ones there
            snapshot.later = self._left_of_later(snapshot)
        listing = snapshot.listing
        if listing is None:
            snapshot.limit = limit
            listing = self._known(snapshot)
            if listing is None:
                snapshot.listing = self._list(member, snapshot, is_full=self._is_full())
                return False
            snapshot.listing = listing
        if not listing.is_ready:
            listing.advance()
            self._judge(member, snapshot, listing)
            return False
        return True

    def _judge(self, member: Member, snapshot: Snapshot, listing: Listing) -> None:
        """Some more of it was found: that may be all, or more than there is memory for."""
        if listing.is_given_up:
            snapshot.listing = self._list(member, snapshot, is_full=True)
        elif listing.is_ready and _is_like_others(snapshot) and len(listing) <= RECENT_VALUES:
            self._remember(listing)

    def _left_of_later(self, snapshot: Snapshot) -> list[int]:
        """Those that were not committed, but for what comes in its place in the list now."""
        if snapshot.part is not None:
            return snapshot.later
        last, head = self._values.last, self._values.log.head()
        return [place for place in snapshot.later if not snapshot.passed < last[place] < head]

    def _is_full(self) -> bool:
        return self.held > self._tuning.listed_max

    def _known(self, snapshot: Snapshot) -> Listing | None:
        """One that others have, or had a little while ago, and that has all that it is to be sent.

        What was published since that was made comes by itself.
        """
        if not _is_like_others(snapshot):
            return None
        known = self._shared.get(_key(snapshot))
        if known is None or known.made_at < snapshot.limit or known.is_given_up:
            return None
        head = self._values.log.head()
        if known.is_ready and known.newest >= head:
            return None  # it was being committed when that was made, and may have been taken back
        if known.made_at != head and self._values.has_keyframes:
            return None  # of topics that are new since it has to be known with what they begin
        known.is_shared = True
        return known

    def _list(self, member: Member, snapshot: Snapshot, *, is_full: bool) -> Listing:
        """What is to be found for it, in parts if there is no memory for more at once."""
        if is_full and snapshot.part is None:
            # What it was sent is older than all that is left, whatever the names of that are.
            snapshot.above = max(snapshot.above, snapshot.passed)
            snapshot.part, snapshot.passed = ALL_NAMES, -1
        prefixes, above, part = snapshot.prefixes, snapshot.above, snapshot.part
        snapshots = member.snapshots
        assert snapshots is not None
        listing = Listing(
            *(self._names, self._values, prefixes, above),
            None if snapshot.is_alone else lambda topic: snapshots.is_covered(snapshot, topic),
            0 if part is None else self._tuning.list_part,
            self._is_full,
            *(part or ALL_NAMES, snapshot.passed),
            is_begun=snapshot.is_found,
            at_once=self._tuning.names_per_look,
            in_order=self._tuning.in_order,
        )
        self._lists.add(listing)
        if _is_like_others(snapshot):
            key = _key(snapshot)
            self._shared[key] = listing
            listing.is_shared = (key[0], key[2]) == self.expected
        return listing

    def _remember(self, listing: Listing) -> None:
        """Keep it although nobody may have it: many come one after the other."""
        recent = self._recent
        recent.append(listing)
        while len(recent) > self._tuning.recent_lists or sum(map(len, recent)) > RECENT_VALUES:
            del recent[0]


def _is_like_others(snapshot: Snapshot) -> bool:
    """Whether its list may be that of others, too; in parts each goes on by itself."""
    is_short = len(snapshot.prefixes) <= SHARED_PREFIXES
    return snapshot.is_alone and is_short and snapshot.part is None


def _key(snapshot: Snapshot) -> tuple[object, ...]:
    """Equal for those that share a list, if it was made late enough."""
    return snapshot.above, snapshot.passed, same_prefixes(snapshot.prefixes)


def same_prefixes(prefixes: Collection[bytes]) -> object:
    """Equal for the same prefixes; a set of a thousand would be 64 KiB, kept with the list."""
    return frozenset(prefixes) if len(prefixes) <= FEW_PREFIXES else msgpack.packb([*prefixes])
