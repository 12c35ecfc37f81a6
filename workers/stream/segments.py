"""Segments: what a member wants of which stretch of the log. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator

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


def first_unsent(member: Member) -> int:
    """The message below which a member has everything, of what does not come at its cursor.

    That is the rest of a message, or last values: all that there was below a message, whichever it
    is sent.
    """
    if member.snapshots is None:
        return member.spilled
    due = max(0, member.snapshots.pending[0].due - 1)
    return min(due, member.spilled) if member.spill else due
