"""Who subscribes to what, and what each has received, as it is kept. Pure."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fanout import Message

TOPICS = 10
PAYLOAD_BYTES = 2_000
KINDS = 4  # of subscribers: both faces, over one endpoint and over two
_RECORD = struct.Struct(">HQQBqqq")
_NONE = -1


def topic_of(number: int) -> bytes:
    """The topic of a message, by its number."""
    return b"t%d." % (number * 7 % TOPICS)


@dataclass(frozen=True)
class Person:
    """One subscriber.

    Attributes:
        topics: numbers of those that it wants; empty = everything.
        awaited: it is one of asyncio.
        doubly: it knows both endpoints.
    """

    number: int

    @property
    def topics(self) -> tuple[int, ...]:
        return tuple(range(self.number % TOPICS, TOPICS, 3))[: self.number % 4]

    @property
    def wants(self) -> list[bytes]:
        return [b"t%d." % topic for topic in self.topics] or [b""]

    @property
    def awaited(self) -> bool:
        return self.number % KINDS < 2

    @property
    def doubly(self) -> bool:
        return self.number % 2 == 1

    def has(self, number: int) -> bool:
        """Whether it wants the message of this number."""
        return not self.topics or number * 7 % TOPICS in self.topics


@dataclass(frozen=True)
class Record:
    """One message as a subscriber has got it, and the gap before it.

    Attributes:
        gap: there is one.
        restarted: it says that the publisher was started anew.
        count, first, last: of the gap; None = not known.
    """

    person: int
    epoch: int
    sequence: int
    gap: bool = False
    restarted: bool = False
    count: int | None = None
    first: int | None = None
    last: int | None = None

    def to_bytes(self) -> bytes:
        """For a file."""
        numbers = (_NONE if one is None else one for one in (self.count, self.first, self.last))
        flags = self.gap + 2 * self.restarted
        return _RECORD.pack(self.person, self.epoch, self.sequence, flags, *numbers)


def record_of(person: int, message: Message) -> Record:
    """What is kept of a message.

    Raises:
        ValueError: it has no number.
    """
    if message.epoch is None or message.sequence is None:
        raise ValueError(f"no number: {message!r}")
    gap = message.gap
    if gap is None:
        return Record(person, message.epoch, message.sequence)
    return Record(
        person,
        message.epoch,
        message.sequence,
        True,
        gap.reason == "epoch",
        gap.count,
        gap.first,
        gap.last,
    )


def records_in(data: bytes) -> Iterator[Record]:
    """What is in a file; what is not whole at its end was never received."""
    whole = len(data) - len(data) % _RECORD.size
    for person, epoch, sequence, flags, *numbers in _RECORD.iter_unpack(data[:whole]):
        count, first, last = (None if one == _NONE else one for one in numbers)
        gap, restarted = bool(flags & 1), bool(flags & 2)
        yield Record(person, epoch, sequence, gap, restarted, count, first, last)
