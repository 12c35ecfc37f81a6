"""What is missing of a stream: counted at once, and told by the next message. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import msgpack

from fanout.subscriber.message import CONFLATED, MISSING, Gap
from fanout.terms.reserved import GAP_TOPIC, SINCE_TOPIC, SNAPSHOT_TOPIC

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from fanout.subscriber.parsing import Frames

T = TypeVar("T")

MARKER_BYTES_MAX = 4096  # ours have some 60; a stranger's may be anything
REASON_MAX = 64  # characters; ours have up to 20, and a program may well print it


class Losses:
    """Gaps before the next message, as one, and how much is missing in all. Owned by one thread.

    Attributes:
        gap: what is missing before the next message; None = nothing, as far as is known.
        missing: messages that are missing for certain, without those that were conflated.
        conflated: messages that the publisher has left out for newer ones, as it was told to.
        holes: gaps in which nobody knows how many messages are missing.
    """

    __slots__ = ("_certain", "_uncounted", "conflated", "gap", "holes", "missing")

    def __init__(self) -> None:
        self.gap: Gap | None = None
        self.missing = 0
        self.conflated = 0
        self.holes = 0
        self._certain: Gap | None = None  # the part of `gap` that is not retracted
        self._uncounted = (0, 0, 0)  # missing, conflated, holes of the rest of it

    def add(self, gap: Gap) -> None:
        """This is missing before the next message, too."""
        count, holes = gap.count or 0, int(gap.count is None)
        missing, conflated = (0, count) if gap.reason == CONFLATED else (count, 0)
        self._count(missing, conflated, holes)
        before = self._uncounted
        self._uncounted = before[0] + missing, before[1] + conflated, before[2] + holes
        self.gap = gap.after(self.gap)

    def add_for_good(self, gap: Gap) -> None:
        """As `add`; and it is not retracted, since nobody is asked for it again."""
        self._count(gap.count or 0, 0, int(gap.count is None))
        self.gap = gap.after(self.gap)
        self._certain = gap.after(self._certain)

    def told(self) -> Gap | None:
        """The gap, which is told from here on."""
        gap, self.gap = self.gap, None
        self._forget()
        return gap

    def keep(self) -> None:
        """What is missing up to here nobody is asked for again: it is told, whatever comes."""
        self._forget()
        self._certain = self.gap

    def retract(self) -> None:
        """Nobody was told of the gap yet, and what is missing in it will come, or be told again."""
        missing, conflated, holes = self._uncounted
        self._count(-missing, -conflated, -holes)
        self.gap = self._certain
        self._uncounted = 0, 0, 0

    def _forget(self) -> None:
        self._certain = None
        self._uncounted = 0, 0, 0

    def _count(self, missing: int, conflated: int, holes: int) -> None:
        self.missing += missing
        self.conflated += conflated
        self.holes += holes


@dataclass(frozen=True, slots=True)
class Marker:
    """What a publisher says of messages that it has lost for us."""

    epoch: int
    first: int
    last: int
    count: int
    reason: str


def begins_last(frames: Frames, before: bool) -> bool:
    """Whether last values follow a message of a reserved topic; as before, if it is not about them.

    What cannot be understood is their end.
    """
    if frames[0] != SNAPSHOT_TOPIC:
        return before
    return bool(_said_in(frames, SNAPSHOT_TOPIC, lambda said: said["end"] is False))


class ValuesShown(NamedTuple):
    """Of which subscriptions all last values were sent.

    Args:
        many: of so many.
        names: of these, those that are named; others are so only if there are too many.
        denied: of the names, those of which nothing was sent, since we may have nothing of them.
    """

    many: int
    names: Sequence[bytes] = ()
    denied: Collection[bytes] = ()


NONE_SHOWN = ValuesShown(0)


def values_shown(frames: Frames, most: int) -> ValuesShown:
    """Of which subscriptions a message says that all their last values were sent.

    Args:
        most: of so many, by one that does not say of how many.
    """
    if frames[0] != SNAPSHOT_TOPIC or begins_last(frames, before=False):
        return NONE_SHOWN
    shown = _said_in(frames, SNAPSHOT_TOPIC, lambda said: _shown(said, most))
    return ValuesShown(most) if shown is None else shown


def _shown(said: Any, most: int) -> ValuesShown:
    count, found = max(0, int(said.get("subscriptions", most))), said.get("prefixes")
    if not isinstance(found, list) or not all(isinstance(one, bytes) for one in found):
        return ValuesShown(count)
    return ValuesShown(count, found, frozenset(found[: max(0, int(said.get("denied", 0)))]))


def values_as_of(frames: Frames) -> tuple[int, int] | None:
    """Epoch, and number from which on all comes by itself, at the end of last values; else None."""
    return None if begins_last(frames, before=False) else _where(frames, SNAPSHOT_TOPIC)


def end_of(frames: Frames) -> tuple[int, int] | None:
    """Epoch and number from which on all comes by itself, if this message says so."""
    return _where(frames, SINCE_TOPIC)


def marker_of(frames: Frames) -> Marker | None:
    """Read a message of a reserved topic; None: it is no marker, or none that can be understood."""
    found = _said_in(frames, GAP_TOPIC, _marker)
    if found is None or min(found.first, found.last, found.count) < 0:
        return None
    if found.reason.isprintable() and 0 < len(found.reason) <= REASON_MAX:
        return found
    return replace(found, reason=MISSING)


def _where(frames: Frames, topic: bytes) -> tuple[int, int] | None:
    found = _said_in(frames, topic, lambda said: (int(said["epoch"]), int(said["at"])))
    return found if found is not None and found[1] >= 0 else None


def _marker(said: Any) -> Marker:
    epoch, first, last, count = (int(said[key]) for key in ("epoch", "first", "last", "count"))
    reason = said["reason"]
    return Marker(epoch, first, last, count, reason if isinstance(reason, str) else MISSING)


def _said_in(frames: Frames, topic: bytes, read: Callable[[Any], T]) -> T | None:
    """What is read out of a message of this reserved topic, if it can be understood."""
    if frames[0] != topic or len(frames) != 2 or len(frames[1]) > MARKER_BYTES_MAX:
        return None
    try:
        return read(msgpack.unpackb(frames[1]))
    except (ValueError, TypeError, LookupError, AttributeError, OverflowError):
        return None  # the last one by an infinity
