"""Who wants a topic, as messages on it show."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from fanout.workers.stream.cohort import Cohort
    from fanout.workers.stream.cohorts import Cohorts

M = TypeVar("M")


def picks_of(cohort: Cohort[M]) -> list[list[bytes]]:
    """The lists that have what a cohort wants of a batch."""
    return [cohort.picks] if cohort.direct else [prefix.picks for prefix in cohort.prefixes]


def wanting(cohorts: Cohorts[M], topic: bytes) -> list[Cohort[M]]:
    """The filtered cohorts that a message on this topic goes to, as often as it does."""
    for append in cohorts.appends(topic):
        append(topic)
    found = []
    for cohort in cohorts.filtered:
        found += [cohort] * sum(map(len, picks_of(cohort)))
    for owner in cohorts.owners.values():  # also of who has left, and is not taken out yet
        owner.picks.clear()
    return found
