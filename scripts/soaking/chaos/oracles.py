"""What one subscriber must get, by its policy and its wants. Pure.

An oracle is asked with each whole message, in the order of the stream, and says what is wrong with
that; the bytes were compared before.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from soaking.chaos.messages import Wants, topic_of

if TYPE_CHECKING:
    from collections.abc import Sequence


class Fault(StrEnum):
    """What can be wrong with a stream."""

    LOST = "lost"
    DOUBLED = "doubled"
    TORN = "torn"
    UNWANTED = "unwanted"
    PONG = "pong"
    MARKER = "marker"


class Wrong(Exception):
    """A stream is not what it must be."""

    def __init__(self, fault: Fault, text: str) -> None:
        super().__init__(text)
        self.fault = fault


class Oracle(Protocol):
    """What a subscriber must get.

    Attributes:
        expected: the number of the message that most likely comes next; -1 = nobody knows.
        received: whole messages so far.
        missing: those that it wanted and did not get, below the newest that it got.
    """

    expected: int
    received: int
    missing: int

    def take(self, number: int) -> None:
        """This message has come, whole.

        Raises:
            Wrong: it must not have come now.
        """
        ...

    def missing_of(self, published: int) -> int:
        """How many it wanted and did not get of so many, if it got all that it will get."""
        ...

    def finish(self, published: int) -> None:
        """Nothing more comes.

        Raises:
            Wrong: something is missing that must have come.
        """
        ...

    def has_all(self, published: int) -> bool:
        """Whether nothing more has to come."""
        ...


class Whole:
    """It may lose nothing: all that it wants, from some message on.

    Args:
        first: the first number that it must get; -1 = from any on, it came while others came.
    """

    def __init__(self, wants: Wants, first: int) -> None:
        self._wants = wants
        self.expected = -1 if first < 0 else wants.after(first - 1)
        self.received = 0
        self.missing = 0

    def take(self, number: int) -> None:
        """The next one, and no other."""
        if self.expected != number:
            _refuse_unwanted(self._wants, number)
            if self.expected >= 0:
                _refuse(number, self.expected)
        self.received += 1
        self.expected = self._wants.after(number)

    def missing_of(self, published: int) -> int:
        """All that comes after the last one."""
        return self._wants.between(self.expected, published) if self.expected >= 0 else 0

    def has_all(self, published: int) -> bool:
        """Whether the last one has come."""
        return not self.missing_of(published)

    def finish(self, published: int) -> None:
        """The last one must have come."""
        if missing := self.missing_of(published):
            raise Wrong(Fault.LOST, f"the last {missing}, from {self.expected} on")


class Losing:
    """It may lose messages, but none that comes is out of order, and how many is counted."""

    def __init__(self, wants: Wants, first: int, *, newest: bool = False) -> None:
        self._wants = wants
        self._has_begun = first >= 0
        self._newest = newest and first >= 0  # who came later may not have been there for it
        self._last_of: dict[bytes, int] = {}
        self.expected = wants.after(first - 1) if first >= 0 else -1
        self.received = 0
        self.missing = 0

    def take(self, number: int) -> None:
        """One that is newer than all before."""
        if number != self.expected:
            _refuse_unwanted(self._wants, number)
            if number < self.expected:
                _refuse(number, self.expected)
            if self._has_begun:
                self.missing += self._wants.between(self.expected, number)
        self._has_begun = True
        if self._newest:
            self._last_of[topic_of(number)] = number
        self.received += 1
        self.expected = self._wants.after(number)

    def missing_of(self, published: int) -> int:
        """Those before the last one that came, and those after it."""
        return self.missing + (
            self._wants.between(self.expected, published) if self._has_begun else 0
        )

    def has_all(self, published: int) -> bool:
        """Nobody can tell."""
        return True

    def finish(self, published: int) -> None:
        """Where a newer one takes the place of an older one, the newest must have come."""
        if not self._newest:
            return
        for topic, number in self._wants.last_of_topics(published).items():
            if self._last_of.get(topic, -1) != number:
                raise Wrong(Fault.LOST, f"{number}, the newest of {topic!r}")


class Marked(Losing):
    """It is told of each gap, before the message after it."""

    def __init__(self, wants: Wants, first: int) -> None:
        super().__init__(wants, first)
        self._told = 0

    def marker(self, first: int, last: int, count: int) -> None:
        """It was told that so many were lost, between these."""
        self._told += count
        if not self._has_begun:
            return
        if first < self.expected or count > self._wants.between(first, last + 1):
            raise Wrong(Fault.MARKER, f"{count} of {first} to {last}, and {self.expected} is next")

    def take(self, number: int) -> None:
        """As ever, and what is missing was told."""
        before, had_begun = self.missing, self._has_begun
        super().take(number)
        told, self._told = self._told, 0
        if had_begun and self.missing - before != told:
            text = f"{self.missing - before} are missing before {number}, told of {told}"
            raise Wrong(Fault.MARKER, text)


class Changing:
    """It always wants some topics, and others now and then; it may lose nothing of either.

    A change is in force at the latest when the PONG has come to a PING that was said after it: what
    is published from then on must come, or must not. Before that nobody knows where it takes
    effect, but what has begun goes on without a gap, and what has ended does not come again.
    """

    OFF, COMING, ON, GOING = range(4)

    def __init__(self, always: Sequence[bytes], changing: Sequence[bytes], first: int) -> None:
        self._always, self._changing = Wants(always), Wants(changing)
        self._any = Wants([*always, *changing])
        self._next = -1 if first < 0 else self._always.after(first - 1)  # of those always wanted
        self._next_changing = -1  # -1 = none came since the last change
        self._by = -1  # a change is in force for what is published from this number on
        self.state = self.OFF
        self.received = 0
        self.missing = 0
        self.expected = self._next
        self.changes = 0

    def asked(self) -> None:
        """It has said that it wants the others, or that it does not any more."""
        assert self.state in (self.OFF, self.ON)
        self.state += 1
        self._by = -1
        self.changes += 1
        if self.state == self.COMING:
            self._next_changing = -1

    def answered(self, published: int) -> None:
        """The PONG after that has come, when so many were published at most."""
        self._by = published

    @property
    def is_settled(self) -> bool:
        """Whether the last change is in force, and was seen to be."""
        return self.state in (self.OFF, self.ON)

    def take(self, number: int) -> None:
        """One of those that it wants by now, the next of them."""
        if self._always.has(number):
            if number != self._next and self._next >= 0:
                _refuse(number, self._next)
            self._look_for_a_gap(number)
            self._next = self._always.after(number)
        else:
            _refuse_unwanted(self._changing, number)
            self._take_changing(number)
        self.received += 1
        is_flowing = self.state in (self.ON, self.GOING) and self._next_changing >= 0
        self.expected = min(self._next, self._next_changing) if is_flowing else self._next

    def _take_changing(self, number: int) -> None:
        if self.state == self.OFF:
            raise Wrong(Fault.UNWANTED, f"{number} came, and its topic was cancelled")
        if self._next >= 0 and number > self._next:
            _refuse(number, self._next)
        if self.state == self.COMING:
            first = self._changing.after(self._by - 1) if self._by >= 0 else number
            if number > first:
                raise Wrong(Fault.LOST, f"{number} came, and {first} was subscribed to")
            self.state = self.ON
        elif number != self._next_changing:
            _refuse(number, self._next_changing)
        elif self.state == self.GOING and 0 <= self._by <= number:
            raise Wrong(Fault.UNWANTED, f"{number} came, cancelled since {self._by}")
        self._next_changing = self._changing.after(number)

    def _look_for_a_gap(self, number: int) -> None:
        """A message that is always wanted has come: did one that it wanted as well not?"""
        if self.state == self.ON and number > self._next_changing:
            raise Wrong(Fault.LOST, f"{self._next_changing} before {number}")
        if self.state == self.COMING and self._by >= 0:
            first = self._changing.after(self._by - 1)
            if number > first:
                raise Wrong(Fault.LOST, f"{first} before {number}: it was subscribed to")
        if self.state == self.GOING and self._by >= 0 and number > self._next_changing:
            self.state = self.OFF

    def missing_of(self, published: int) -> int:
        """Those that it always wants, after the last one."""
        return self._always.between(self._next, published) if self._next >= 0 else 0

    def has_all(self, published: int) -> bool:
        """Whether the last of them has come."""
        if self.state == self.ON and self._changing.between(self._next_changing, published):
            return False
        return not self.missing_of(published)

    def finish(self, published: int) -> None:
        """The last of them must have come."""
        if not self.has_all(published):
            raise Wrong(Fault.LOST, f"of the last, from {min(self._next, self.expected)} on")


def _refuse(number: int, expected: int) -> None:
    if number < expected:
        raise Wrong(Fault.DOUBLED, f"{number} came, {expected} is next")
    raise Wrong(Fault.LOST, f"{number} came, {expected} is next")


def _refuse_unwanted(wants: Wants, number: int) -> None:
    if not wants.has(number):
        raise Wrong(Fault.UNWANTED, f"{number} came, on {topic_of(number)!r}")
