"""Credit: how far the publisher may go before who blocks has to be looked at again. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

UNBOUNDED = 1 << 63  # more than there can be
NO_ROOM = 1  # the log has passed it, if it has any message
_LEFT = 1 << 62  # in a word: it is not said up to where, but how many more


class Credit(NamedTuple):
    """It may commit while the log has not come to either of the first two, or not to the third.

    As words, 0 is none: what nobody has written bounds nothing.

    Attributes:
        sequence: the next message is below it.
        position: of the log, the same in bytes.
        room: a position up to which sockets take it: so it does not come to wait.
    """

    sequence: int = UNBOUNDED
    position: int = UNBOUNDED
    room: int = NO_ROOM

    def allows(self, head: int, position: int) -> bool:
        """Whether a call may go whose first message is there."""
        return self.has_room(position) or (head < self.sequence and position < self.position)

    def has_room(self, position: int) -> bool:
        """Whether sockets take what begins there."""
        return NO_ROOM <= position < self.room

    def unserved(self) -> Credit:
        """What is left of it when nobody serves any more who has given it.

        Not what sockets take: nobody hands them anything. Nor how much more: it is not known from
        where on.
        """
        if self == FREE:
            return self
        return USED_UP if self.is_left else self._replace(room=NO_ROOM)

    def reaches(self, other: Credit, position: int) -> bool:
        """Whether it allows for all from that position on that the other one does."""
        return (
            self.sequence >= other.sequence
            and self.position >= other.position
            and (self.room >= other.room or other.room <= position)
        )

    def minus(self, head: int, position: int) -> Credit:
        """How many messages and bytes that is from there."""
        return Credit(
            max(0, self.sequence - head),
            max(0, self.position - position),
            max(0, self.room - position),
        )

    def left_at(self, head: int, position: int) -> Credit:
        """How much of it is left there, for as long as nothing comes that counts."""
        return Credit(
            _left(self.sequence, head), _left(self.position, position), _left(self.room, position)
        )

    @property
    def is_left(self) -> bool:
        """Whether it is such an amount."""
        return bool((self.sequence | self.position | self.room) & _LEFT)

    def beyond(self, head: int, position: int) -> Credit:
        """Such an amount from there on."""
        return Credit(
            _beyond(self.sequence, head),
            _beyond(self.position, position),
            _beyond(self.room, position),
        )


FREE = Credit(room=UNBOUNDED)  # nobody is to be waited for
USED_UP = Credit(1, 1)  # somebody is: there is a message at least, for which that is so


def _left(credit: int, begin: int) -> int:
    return _LEFT | max(0, credit - begin) if NO_ROOM < credit < UNBOUNDED else credit


def _beyond(left: int, begin: int) -> int:
    return begin + (left & ~_LEFT) if left & _LEFT else left


def least(credits: Iterable[Credit]) -> Credit:
    """What all of them allow for."""
    return Credit(*map(min, zip(FREE, *credits, strict=True)))


def read_credit(words: memoryview, index: int) -> Credit:
    """What is in three words from there on; `FREE` itself if nobody has written any."""
    sequence, position, room = words[index], words[index + 1], words[index + 2]
    if not (sequence or position or room):
        return FREE
    return Credit(sequence or UNBOUNDED, position or UNBOUNDED, room or UNBOUNDED)


def write_credit(words: memoryview, index: int, credit: Credit) -> None:
    """Have it in three words from there on; who reads between the stores finds some of each."""
    for place, word in enumerate(credit, index):
        words[place] = word % UNBOUNDED
