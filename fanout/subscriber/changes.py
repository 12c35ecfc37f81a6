"""Changes of subscriptions that are ordered and not made yet, and the topics these lead to. Pure.

Whoever orders one is told at once whether there is room for it. Only the last change of a topic
decides; and one that is made while they are looked at counts the same before and after.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fanout.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


TOPICS_MAX = 1_000_000
"""Subscriptions of one subscriber: as many as a publisher of fanout's can be told to take from one
(`max_subscriptions`). All are kept, and said again over each connection."""


@dataclass(frozen=True, slots=True)
class Change:
    """An order: to want what begins with this, or to want it no more."""

    prefix: bytes
    is_wanted: bool
    make: Callable[[], object]

    def __call__(self) -> object:
        """Carry it out."""
        return self.make()


def has_room(
    prefix: bytes, changes: Iterable[Change], is_there: Callable[[bytes], bool], room: int
) -> bool:
    """Whether one more subscription is possible once the changes are made.

    Args:
        is_there: whether a prefix is subscribed to now.
        room: how many more there may be now.
    """
    last = {change.prefix: change.is_wanted for change in changes}
    if last.get(prefix, is_there(prefix)):
        return True  # it changes nothing
    for one, is_wanted in last.items():
        room -= is_wanted - is_there(one)
    return room > 0


def check_room(
    prefix: bytes,
    count: Callable[[], int],
    is_there: Callable[[bytes], bool],
    waiting: int,
    changes: Callable[[], list[Change]],
) -> None:
    """Refuse one subscription too many.

    Args:
        count: how many there are now.
        is_there: whether a prefix is subscribed to now.
        waiting: changes that are ordered and not made yet.
        changes: says which; asked only if there might be too many, since it looks at all.

    Raises:
        ConfigError: there are `TOPICS_MAX`.
    """
    if waiting < TOPICS_MAX - count():
        return
    # Before `count()`: what another thread changes in between is in both then, and `has_room` takes
    # no notice of what changes nothing. The other way round it would be in neither.
    coming = changes()
    if not has_room(prefix, coming, is_there, TOPICS_MAX - count()):
        raise ConfigError(f"a subscriber has up to {TOPICS_MAX:,} topics: unsubscribe from some")
