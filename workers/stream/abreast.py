"""Abreast: members that are behind, stand at the same place and are sent the same bytes. Pure.

A send of half a MiB leaves nothing of ours in the processor's caches. So all sends to such a group
come first, and nothing between them; and then what is to be noted of each, which is fetched once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fanout.workers.stream.member import BLOCKED
from fanout.workers.stream.steps import is_plain

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from fanout.workers.stream.cohort import Cohort
    from fanout.workers.stream.member import Member

BROKEN = -1  # a connection is dead


def in_groups(
    members: Sequence[Member], everything: Cohort[Member], stop: int, most: int
) -> Iterator[tuple[int, list[Member]]]:
    """The same members in the same order, in groups of those next to each other who are abreast.

    Each is looked at when its group is due, not before.

    Args:
        everything: who is of this cohort may be abreast of others, if it is plain.
        stop: a position; and stands before it.
        most: of a group.

    Returns:
        Where a group stands, and who belongs to it; -1 and one member that is none of these.
    """
    group: list[Member] = []
    place = -1
    for member in members:
        position = member.position
        is_alone = position >= stop or not (
            member.cohort is everything and member.state is BLOCKED and is_plain(member)
        )
        if group and (position != place or is_alone or len(group) == most):
            yield place, group
            group = []
        place = -1 if is_alone else position
        group.append(member)
    if group:
        yield place, group


def fill(
    members: Sequence[Member], span: memoryview, errors: list[tuple[Member, OSError]]
) -> list[int]:
    """Send all of these the same.

    Args:
        errors: those whose connections are dead are added.

    Returns:
        How many bytes the socket of each took, or `BROKEN`.
    """
    taken = []
    for member in members:
        try:
            taken.append(member.send(span))
        except BlockingIOError:
            taken.append(0)
        except OSError as error:
            taken.append(BROKEN)
            errors.append((member, error))
    return taken
