"""What a subscriber got, and what it should have got. Pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

END_TOPIC = b"end"
"""The last message, for everybody: what has not arrived before it never will."""


@dataclass(slots=True)
class Tally:
    """Counts of one subscriber."""

    messages: int = 0
    missing: int = 0
    """Messages skipped by the numbers of their topic."""

    disordered: int = 0
    """Messages that came twice, or before an earlier one."""

    by_topic: Counter[str] = field(default_factory=Counter)
    last_topic: str = ""
    last_values: dict[str, Any] = field(default_factory=dict)
    _last_number: dict[str, int] = field(default_factory=dict)

    def add(self, topic: str, values: dict[str, Any]) -> None:
        """Counts one message; its `number` counts the messages of its topic from 1."""
        number: int = values["number"]
        last = self._last_number.get(topic, 0)
        if number <= last:
            self.disordered += 1
        else:
            self.missing += number - last - 1
            self._last_number[topic] = number
        self.messages += 1
        self.by_topic[topic] += 1
        self.last_topic = topic
        self.last_values = values


def expected(published: Mapping[bytes, int], prefixes: Sequence[bytes]) -> Counter[str]:
    """Returns how many messages of each topic a subscriber to `prefixes` must get."""
    wanted: Counter[str] = Counter()
    for topic, count in published.items():
        if topic.startswith(tuple(prefixes)):
            wanted[topic.decode()] = count
    return wanted


def shortfall(wanted: Mapping[str, int], got: Mapping[str, int]) -> list[str]:
    """Returns a text for each topic of which too few or too many messages came."""
    return [
        f"{topic}: {got.get(topic, 0):,} of {wanted.get(topic, 0):,}"
        for topic in sorted(wanted.keys() | got.keys())
        if wanted.get(topic, 0) != got.get(topic, 0)
    ]
