"""Snapshots: the last values that a member is to be sent before what comes. Pure data.

One is due when the member's cursor is at the message from which on it wants what is new, and is
made only then. So it has the last values of that very place in the log, however long the member has
been behind, and whatever was published meanwhile: a topic of which a newer message comes is left
out.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from fanout.workers.stream.finding import Finding
    from fanout.workers.stream.listing import Listing

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

    Attributes:
        listing: None = it is not begun.
        at: which value of that is next.
        later: places whose last messages were not committed when it was their turn.
        is_passed: whether it was sent the newest of what came from there on before this.
        tries: how often it was waited for those.
        sent, evicted: values that were sent; that were not kept.
        finding: what is being found of topics with keyframes, and `is_found` when that is done.
        alone: places of topics of which there is a keyframe that the log has not to be asked for.
        before: what its member was sent before these; None = it was not sent any.
    """

    __slots__ = (
        *(
            "above",
            "alone",
            "at",
            "before",
            "due",
            "evicted",
            "finding",
            "is_alone",
            "is_found",
            "is_passed",
            "is_told",
            "later",
            "listing",
            "number",
        ),
        *("prefixes", "sent", "tries"),
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
    ) -> None:
        self.number = number
        self.due = due
        self.above = above
        self.prefixes = prefixes
        self.is_alone = is_alone
        self.is_told = is_told
        self.is_passed = False
        self.listing: Listing | None = None
        self.at = 0
        self.later: list[int] = []
        self.tries = 0
        self.sent = 0
        self.evicted = 0
        self.finding: Finding | None = None
        self.is_found = False
        self.alone: set[int] = set()
        self.before: int | None = None


class Snapshots:
    """Those of one member, which has some.

    Its mutable state: which are left, and how the member's subscriptions have changed since the
    first of them: each is about what no other subscription covered when it was asked for.

    Args:
        subscriptions: of the member, as they are now.
    """

    __slots__ = (
        *("_born", "_changes", "_ended", "_has_cancelled", "_number", "_sized", "_sizes"),
        "_subscriptions",
        "pending",
    )

    def __init__(self, subscriptions: Collection[bytes]) -> None:
        self._subscriptions = subscriptions
        self._born: dict[bytes, int] = {}
        self._ended: dict[bytes, list[tuple[int, int]]] = {}
        self._has_cancelled = False
        self._number = 0
        self._changes = 0
        self._sized = (0, 0, 0)  # for which state of these the lengths were found
        self._sizes: list[int] = []
        self.pending: deque[Snapshot] = deque()

    def add_none(self, added: Collection[bytes]) -> None:
        """It wants this, too, and no last values of it: what waits for it is sent all the same."""
        self._number += 1
        for prefix in added:
            self._born[prefix] = self._number

    def add(self, due: int, above: int, added: Collection[bytes], *, is_told: bool) -> None:
        """It wants this, too, from message `due` on."""
        self._number += 1
        for prefix in added:
            self._born[prefix] = self._number
        is_alone = len(self._subscriptions) == len(added) and not self._has_cancelled
        snapshot = Snapshot(self._number, due, above, added, is_alone=is_alone, is_told=is_told)
        later = [one for one in self.pending if one.due > due]
        for _ in later:  # what it has missed may come before what it waits for
            self.pending.pop()
        self.pending.append(snapshot)
        self.pending.extend(later)

    def pass_until(self, front: int) -> None:
        """It is sent the newest of each topic up to there, beyond what is due on the way."""
        for one in self.pending:
            one.is_passed = one.is_passed or one.due < front

    def cancel(self, cancelled: Iterable[bytes]) -> None:
        """It wants this no more."""
        self._changes += 1
        self._has_cancelled = True
        numbers = [one.number for one in self.pending]
        for prefix in cancelled:
            since = self._born.pop(prefix, 0)
            # Of what comes and goes with no snapshot in between nothing is remembered: that is no
            # end of it, while one waits.
            if any(since < number for number in numbers):
                self._ended.setdefault(prefix, []).append((since, self._number))

    def is_covered(self, snapshot: Snapshot, topic: bytes) -> bool:
        """Whether another subscription was there before, or nothing wants the topic any more."""
        wants, born, ended = self._subscriptions, self._born, self._ended
        number, is_wanted = snapshot.number, False
        for size in self._sizes_up_to(len(topic)):
            prefix = topic[:size]
            if prefix in wants:
                is_wanted = True
                if born.get(prefix, 0) < number:
                    return True
            for since, until in ended.get(prefix, ()):
                if since < number <= until:
                    return True
        return not is_wanted

    def _sizes_up_to(self, size: int) -> Iterable[int]:
        """Lengths that subscriptions may have; of many it takes long to find that out."""
        if len(self._subscriptions) > SIZED_MAX:
            return range(size + 1)
        state = len(self._subscriptions), self._number, self._changes
        if state != self._sized:
            self._sized = state
            self._sizes = sorted({*map(len, self._subscriptions), *map(len, self._ended)})
        return self._sizes

    @property
    def are_many(self) -> bool:
        """Whether it is to be sent some of them before it says more."""
        return len(self.pending) > PENDING_MAX

    @property
    def has_cancelled(self) -> bool:
        """Whether something that was wanted may not be any more."""
        return self._has_cancelled
