"""Keyframes that workers ask for: each topic is told of once in a while, whoever asks. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fanout.events import Event, EventKind

if TYPE_CHECKING:
    from collections.abc import Iterable

EACH = 1.0  # seconds between two events about one topic: a service answers in less
TOPICS_MAX = 1_024  # in that time, as those of one worker

_WHY = "who subscribed was sent nothing of this topic: the log has no keyframe of it any more"


class KeyframesWanted:
    """Its mutable state: which topics were told of lately, the first one first."""

    def __init__(self) -> None:
        self._told: dict[bytes, float] = {}

    def told(self, topics: Iterable[bytes], now: float) -> list[Event]:
        """What is told of these.

        Args:
            now: seconds, of a clock that does not go back.
        """
        told = self._told
        while told and now - told[first := next(iter(told))] >= EACH:
            del told[first]
        events = []
        for topic in topics:
            if topic not in told and len(told) < TOPICS_MAX:
                told[topic] = now
                events.append(Event(EventKind.KEYFRAME_WANTED, _WHY, topic=topic))
        return events
