"""Where the words of last values are, and how large what they need is; see `kept_values`."""

from __future__ import annotations

from dataclasses import dataclass

# In the header: the first two are written once, the next line by whoever publishes.
H_VALUE_TOPICS = 187  # topics that can have one, and place 0, which stands for none; 0 = off
H_VALUE_BYTES = 188  # of the ring of those that left the log
H_VALUES_FROM = 200  # position in that ring: what was below may be overwritten
H_VALUES_TO = 201  # and where the next one goes
H_VALUES_KNOWN = 202  # topics that have a place
H_VALUES_EVICTED = 203  # topics that lost theirs, or their value, to others
H_VALUES_KEYED = 204  # topics that have had keyframes, of those that have a place
H_VALUES_FORGOTTEN = 205  # how often a topic lost its value: forgotten, or its place given away
H_VALUES_EXPIRED = 208  # sequence: what was published before is too old; the coordinator's

# In the id of a topic: in the index of the log, that the message is a keyframe; in the table of
# topics, that it has had some. And in the size of a message in the ring: that it is one.
KEYFRAME = 1 << 63

_WORD, _PAGE = 8, 4096  # as in the layout
COLUMNS = 3  # of the table of topics: last message, id, where it is kept
SLACK = 4  # 1/4 of the ring is free: else to make room for one, all others are moved
PLACE_BITS = 21  # of a topic's id are its place among them, 0 = it has none
NO_VALUE = (1 << 64) - 1  # last message: there is none; where it is kept: nowhere
EVICTED = NO_VALUE - 1  # where it is kept: nowhere any more


@dataclass(frozen=True, slots=True)
class ValueTable:
    """How large it is; pure arithmetic.

    Args:
        places: for topics, and one more that stands for none; 0 = there is no table.
        ring_bytes: of values that have left the log.
    """

    places: int = 0
    ring_bytes: int = 0

    @classmethod
    def of(cls, topics: int, value_bytes: int) -> ValueTable:
        """One for the values of so many topics, and so many bytes of them."""
        return cls(topics + 1, _whole_pages(value_bytes * SLACK // (SLACK - 1)))

    @property
    def column_bytes(self) -> int:
        """Of one column."""
        return self.places * _WORD

    @property
    def ring(self) -> int:
        """Where the ring begins in it, behind the columns."""
        return _whole_pages(COLUMNS * self.column_bytes)

    @property
    def size(self) -> int:
        """All of it, in bytes."""
        return self.ring + self.ring_bytes


NO_TABLE = ValueTable()


def _whole_pages(size: int) -> int:
    return -(-size // _PAGE) * _PAGE
