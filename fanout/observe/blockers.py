"""Who holds the publisher up: who is at a limit of its own, or else is furthest behind."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from fanout.statistics import InTheWay

if TYPE_CHECKING:
    from collections.abc import Collection

    from fanout.observe.survey import Survey
    from fanout.terms.slow_policy import Action

BLOCK: Action = "block"


class Blocker(NamedTuple):
    """Who it is, and which slot it has."""

    who: InTheWay
    slot: int


def holder(survey: Survey, holding: Collection[int]) -> Blocker | None:
    """One of these, which are at a limit of theirs, as their workers say; or nobody any more."""
    places = [place for place, one in enumerate(survey.ids) if one in holding]
    for place, who in zip(places, survey.identities_at(places), strict=True):
        if who is not None and who.subscriber == survey.ids[place] and who.policy == BLOCK:
            found = InTheWay(who.subscriber, who.peer, who.name, str(who.slow_policy))
            return Blocker(found, survey.slots[place])
    return None


def in_the_way(survey: Survey) -> Blocker | None:
    """The subscriber with the action `block` whose oldest queued message is the oldest; or nobody.

    It is as of when its worker has written it down last: who has just begun to wait may not be
    known yet. Who has left or got another policy since the survey began is passed over.
    """
    columns = survey.actions(), survey.queued(), survey.column("oldest")
    behind = [
        (oldest, place)
        for place, (action, queued, oldest) in enumerate(zip(*columns, strict=True))
        if queued and action == BLOCK
    ]
    for _oldest, place in sorted(behind):
        (found,) = survey.identities_at([place])
        if found is None or found.subscriber != survey.ids[place] or found.policy != BLOCK:
            continue
        return Blocker(InTheWay(found.subscriber, found.peer, found.name), survey.slots[place])
    return None
