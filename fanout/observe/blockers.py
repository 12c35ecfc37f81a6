"""Who holds the publisher up: of those who may, the one that is furthest behind."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fanout.statistics import InTheWay

if TYPE_CHECKING:
    from fanout.observe.survey import Survey


def in_the_way(survey: Survey) -> InTheWay | None:
    """The subscriber with the action `block` whose oldest queued message is the oldest; or nobody.

    It is as of when its worker has written it down last: who has just begun to wait may not be
    known yet.
    """
    columns = survey.actions(), survey.queued(), survey.column("oldest")
    behind = [
        (oldest, place)
        for place, (action, queued, oldest) in enumerate(zip(*columns, strict=True))
        if queued and action == "block"
    ]
    if not behind:
        return None
    _oldest, place = min(behind)
    (who,) = survey.identities_at([place])
    return None if who is None else InTheWay(who.subscriber, who.peer, who.name)
