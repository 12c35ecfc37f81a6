"""Snapshots: the last values that a member is to be sent before what comes. Pure data.

One is due when the member's cursor is at the message from which on it wants what is new, and is
made only then. So it has the last values of that very place in the log, however long the member has
been behind, and whatever was published meanwhile: a topic of which a newer message comes is left
out.
"""

from __future__ import annotations

from collections import deque
from math import inf
from typing import TYPE_CHECKING

import msgpack

from fanout.workers.stream.covering import covering
from fanout.workers.stream.finding import Alone
from fanout.workers.stream.value_marks import About

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from fanout.shm.spill_area import Stored
    from fanout.workers.stream.finding import Finding
    from fanout.workers.stream.listing import Listing, Part
    from fanout.workers.stream.loads import Load

SIZED_MAX = 4_096  # subscriptions of which the lengths are found, in some 0.1 ms
PENDING_MAX = 16  # snapshots of one member, from which on it is not read until it has got some


class Snapshot:
    """One of them.

    Args:
        number: of the member's; each is about what is new by it.
        due: from this message on what it wants is sent by itself.
        above: only what was published after this message is to be sent.
        prefixes: which are new.
        is_alone: whether the member wants nothing else.
        is_told: whether its peer wants to know when it begins and ends.
        about: of which subscriptions its peer is told then; None = those prefixes.

    Attributes:
        is_asked_for: whether all that is new is sent from `due` on, whatever it begins with.
        is_begun: whether the peer was told, if it is to be.
        listing: None = it is to be made.
        at: which value of that is next.
        limit: what was published from there on was not in question when that was made.
        part: the names in the part of it that is sent; None = it is not made in parts.
        passed: what is not newer was sent, of that part.
        load: what another worker was sending of it.
        is_last: whether it ends with what is being sent, once all of that went out at once.
        later: places whose last messages were not committed when it was their turn.
        is_passed: whether it was sent the newest of what came from there on before this.
        tries: how often it was waited for those.
        sent, evicted: values that were sent; that were not kept.
        finding: what is being found of topics with keyframes, and `is_found` when that is done.
        alone: places of topics of which there is a keyframe that the log has not to be asked for.
        before: what its member was sent before these; None = it was not sent any.
    """

    __slots__ = (
        *("about", "above", "alone", "at", "before", "due", "evicted", "finding"),
        *("is_alone", "is_asked_for", "is_begun", "is_found", "is_last", "is_passed", "is_told"),
        *("later", "limit", "listing", "load", "number", "part", "passed", "prefixes"),
        *("sent", "tries"),
    )

    def __init__(
        self,
        number: int,
        due: int,
        above: int,
        prefixes: Collection[bytes],
        *,
        is_alone: bool,
        is_told: bool,
        about: About | None = None,
    ) -> None:
        self.number = number
        self.about = about
        self.due = due
        self.above = above
        self.prefixes = prefixes
        self.is_alone = is_alone
        self.is_told = is_told
        self.is_asked_for = self.is_passed = self.is_begun = self.is_last = False
        self.listing: Listing | None = None
        self.at = 0
        self.limit = due
        self.part: Part | None = None  # None = it is not made in parts
        self.passed = -1
        self.load: Load | None = None
        self.later: list[int] = []
        self.tries = 0
        self.sent = 0
        self.evicted = 0
        self.finding: Finding | None = None
        self.is_found = False
        self.alone = Alone()
        self.before: int | None = None

    @property
    def stands_at(self) -> int:
        """What is not newer than this message was sent, of its part, or is not to be.

        What comes by itself is listed as well: if its member jumps over that, it is to be sent.
        """
        if self.listing is None or not self.at:
            return self.passed
        return min(self.listing.sequences[self.at - 1], self.limit - 1)

    @property
    def stands_in(self) -> Part | None:
        """The names of its part, as far as it is known where that ends."""
        if self.part is None or self.listing is None or not self.listing.is_ready:
            return self.part
        return self.listing.part

    def pass_at(self, cursor: int) -> None:
        """Its member is sent the newest of what comes from where it is due on, or from there on."""
        self.is_passed = True
        if self.finding is not None:
            self.finding.due = max(self.finding.due, cursor)
        else:
            self.due = max(self.due, cursor)

    def look_anew(self) -> None:
        """What is left of it is to be found anew."""
        self.part, self.passed = self.stands_in, self.stands_at
        self.listing, self.at = None, 0
        if self.finding is not None:
            self.finding = self.finding.anew()


class Snapshots:
    """Those of one member, which has some.

    Its mutable state: which are left, and how the member's subscriptions have changed since the
    first of them: each is about what no other subscription covered when it was asked for.

    Args:
        subscriptions: of the member, as they are now.

    Attributes:
        pending: the next one first.
        stored: where `packed()` is kept for another worker; None = nowhere, as it is now.
    """

    __slots__ = (
        *("_born", "_changes", "_ended", "_has_cancelled", "_number", "_sized", "_sizes"),
        *("_before", "_subscriptions", "pending", "stored"),
    )

    def __init__(self, subscriptions: Collection[bytes]) -> None:
        self._subscriptions = subscriptions
        self._before: list[bytes] = []  # as another worker knew it, see `covering()`
        self._born: dict[bytes, int] = {}
        self._ended: dict[bytes, list[tuple[int, int]]] = {}
        self._has_cancelled = False
        self._number = 0
        self._changes = 0
        self._sized = (0, 0, 0)  # for which state of these the lengths were found
        self._sizes: list[int] = []
        self.pending: deque[Snapshot] = deque()
        self.stored: Stored | None = None

    def follow(self, subscriptions: Collection[bytes]) -> None:
        """Those of the member are in this collection from now on, and are the same."""
        self._subscriptions = subscriptions

    def add_none(self, added: Collection[bytes], kept: Iterable[bytes] = ()) -> None:
        """It wants this, too, and no last values of it: what waits for it is sent all the same."""
        self._begin(added, kept)

    def add(
        self,
        due: int,
        above: int,
        added: Collection[bytes],
        *,
        is_told: bool,
        is_asked_for: bool = False,
        about: About | None = None,
        kept: Iterable[bytes] = (),
    ) -> None:
        """It wants this, too, from message `due` on; `kept` of it all the time, by what is over."""
        self._begin(added, kept)
        is_alone = len(self._subscriptions) == len(added) and not self._has_cancelled
        what = self._number, due, above, added
        snapshot = Snapshot(*what, is_alone=is_alone, is_told=is_told, about=about)
        snapshot.is_asked_for = is_asked_for
        later = [one for one in self.pending if one.due > due]
        for _ in later:  # this one may be of the past, and due before others that wait
            self.pending.pop()
        self.pending.append(snapshot)
        self.pending.extend(later)

    def pass_until(self, first: int, front: int) -> None:
        """It is sent the newest of each topic up to there, beyond what is due on the way.

        Args:
            first: its cursor. What was due before that is due there: it had to jump.
        """
        for one in self.pending:
            if one.due < front and not one.is_passed:
                one.pass_at(first)

    def cancel(self, cancelled: Iterable[bytes]) -> None:
        """It wants this no more."""
        self.stored = None
        self._changes += 1
        self._has_cancelled = True
        for prefix in cancelled:
            self._remember(prefix)

    def _begin(self, added: Collection[bytes], kept: Iterable[bytes]) -> None:
        self.stored = None
        again = [prefix for prefix in added if prefix in self._born]
        if again:  # it was cancelled and subscribed to again at once
            self.cancel(again)
        self._number += 1
        for prefix in added:
            self._born[prefix] = self._number
        for prefix in kept:
            self._changes, self._has_cancelled = self._changes + 1, True
            self._ended.setdefault(prefix, []).append((self._number - 1, self._number))

    def _remember(self, prefix: bytes) -> None:
        """Until when this was wanted, if that says something of what is to be sent.

        What came and went after the snapshots that wait covers nothing of these.
        """
        since = self._born.pop(prefix, 0)
        if any(since <= one.number for one in self.pending):
            self._ended.setdefault(prefix, []).append((since, self._number))

    def is_covered(self, snapshot: Snapshot, topic: bytes) -> bool:
        """Whether another subscription was there before, or it is not wanted by this one any more.

        If it is cancelled, others that were covered by it go on with it, as long as one of them is
        there; who comes when none is gets it anew, by a snapshot of its own.
        """
        wants, born, number = self._subscriptions, self._born, snapshot.number
        if self._has_cancelled:
            return self._is_covered_or_cancelled(number, topic)
        is_wanted = False
        for size in self._sizes_up_to(len(topic)):
            prefix = topic[:size]
            if prefix in wants:
                is_wanted = True
                if born.get(prefix, 0) < number:
                    return True
        return not is_wanted

    def _is_covered_or_cancelled(self, number: int, topic: bytes) -> bool:
        wants, born, ended = self._subscriptions, self._born, self._ended
        spans = list[tuple[int, float]]()  # from when up to when each has wanted it
        is_wanted = False
        for size in self._sizes_up_to(len(topic)):
            prefix = topic[:size]
            if prefix in wants:
                since = born.get(prefix, 0)
                if since < number:
                    return True
                is_wanted = is_wanted or since == number
                spans.append((since, inf))
            for since, until in ended.get(prefix, ()):
                if since < number <= until:
                    return True
                spans.append((since, until))
        if is_wanted:
            return False
        last: float = number
        for since, end in sorted(spans):
            if number <= since <= last:
                last = max(last, end)
        return last < inf

    def _sizes_up_to(self, size: int) -> Iterable[int]:
        """Lengths that subscriptions may have; of many it takes long to find that out."""
        if len(self._subscriptions) > SIZED_MAX:
            return range(size + 1)
        state = len(self._subscriptions), self._number, self._changes
        if state != self._sized:
            self._sized = state
            self._sizes = sorted({*map(len, self._subscriptions), *map(len, self._ended)})
        return self._sizes

    def end_first(self) -> None:
        """It is sent."""
        self.stored = None
        self.pending.popleft()

    # For another worker.

    @property
    def follow_from_wants(self) -> bool:
        """Whether what they are about is all that the member wants."""
        first = self.pending[0]
        alone = len(self.pending) == 1 and first.is_alone and first.about is None
        return alone and self.pending[0].number == self._number and not self._has_cancelled

    def packed(self) -> bytes:
        """What they are about; see `taken_over()`."""
        about = [([*one.prefixes], one.about) for one in self.pending]
        known = self._number, self._has_cancelled, self._born, self._ended
        new = {prefix for one in self.pending for prefix in one.prefixes}
        packed: bytes = msgpack.packb(
            (*known, about, covering(self._subscriptions, self._born, new))
        )
        return packed

    @classmethod
    def taken_over(
        cls, subscriptions: Collection[bytes], about: bytes, number: int
    ) -> tuple[Snapshots, list[tuple[Collection[bytes], About | None]]]:
        """Those of a member that another worker had, and what each is about; they are to be added.

        Args:
            about: what `packed()` has returned; b"" = there is one, about all that it wants.
            number: of the last one.
        """
        made = cls(subscriptions)
        if not about:
            made._number, made._born = number, dict.fromkeys(subscriptions, number)
            return made, [(frozenset(subscriptions), None)]
        fields = msgpack.unpackb(about)
        made._number, made._has_cancelled, made._born, ended, known, made._before = fields
        made._ended = {prefix: [(*one,) for one in several] for prefix, several in ended.items()}
        return made, [(prefixes, told and About(*told)) for prefixes, told in known]

    def cancel_what_is_gone(self) -> None:
        """What it wants no more was cancelled when that had been packed."""
        known = (*self._born, *self._before)
        gone = [prefix for prefix in known if prefix not in self._subscriptions]
        if gone:
            self.cancel(gone)

    @property
    def are_many(self) -> bool:
        """Whether it is to be sent some of them before it says more."""
        return len(self.pending) > PENDING_MAX

    @property
    def has_cancelled(self) -> bool:
        """Whether something that was wanted may not be any more."""
        return self._has_cancelled
