"""Segments: what a member wants of which stretch of the log. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from fanout.workers.stream.member import Member, Wants

# From a message up to, not including, another one it wants this.
Segment: TypeAlias = "tuple[int, int, Wants]"


def segments(member: Member, first: int, front: int) -> Iterator[Segment]:
    """What a member wants, from message `first` on, which is not before its cursor."""
    for until, cohort in member.older:
        if until > first:
            yield first, until, cohort
            first = until
    if first < front:
        yield first, front, member.cohort


def handed_over(members: Iterable[Member], front: int) -> int:
    """The message below which these have everything, of what does not come at their cursors."""
    behind = [one for one in members if one.spill or one.snapshots or one.sealed]
    return min([_first_unsent(one, front) for one in behind], default=front)


def _first_unsent(member: Member, front: int) -> int:
    """Of the rest of a message, last values, and what was encrypted and is kept: the first one.

    Last values are all that there was below a message, whichever it is sent.
    """
    kept_from = None if member.sealed is None else member.sealed.kept_from
    found = front if kept_from is None else kept_from
    if member.snapshots is not None:
        found = min(found, max(0, member.snapshots.pending[0].due - 1))
    return min(found, member.spilled) if member.spill else found
