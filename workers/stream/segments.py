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
