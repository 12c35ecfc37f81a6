"""A chain: what somebody is sent of some topics from the last keyframe of each on. Pure data.

It takes the place of a cohort in the segments of a member: it wants these topics, each from a
message of its own on. What that is is found when it is sent, as with a cohort; so it takes as much
memory as there are topics, however many messages these have.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import msgpack

from fanout.workers.stream.cohort import Cohort

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from fanout.shm.reader import LogReader
    from fanout.zmtp.encoding import Encoding

NEVER = (1 << 64) - 1  # from which message on a topic is wanted that is not
PIECE = 16_384  # messages that are looked at together


class Chain(Cohort[Any]):
    """One of them; nobody belongs to it.

    Args:
        floors: by topic, the keyframe from which on it is wanted.
    """

    __slots__ = ("__weakref__", "floors")

    floors: dict[bytes, int]

    def __init__(self, floors: dict[bytes, int], encoding: Encoding | None) -> None:
        super().__init__(frozenset(floors), encoding)
        self.everything = False  # a topic may be empty
        self.floors = floors

    def wants(self, topic: bytes) -> bool:
        return topic in self.floors

    def packed(self) -> bytes:
        """What it wants, for another worker; see `chain_of()`."""
        packed: bytes = msgpack.packb(self.floors)
        return packed

    def chosen(
        self, first: int, stop: int, log: LogReader, name_of: Callable[[int, int], bytes]
    ) -> Iterator[tuple[int, int]]:
        """Which messages it wants of those from `first` up to, not including, `stop`; and sizes.

        Args:
            name_of: the topic of an id; of id 0, that of the message with this sequence.
        """
        known: dict[int, int] = {}
        for low in range(first, stop, PIECE):
            high = min(stop, low + PIECE)
            sizes = [end - start for start, end in pairwise(log.boundaries(low, high))]
            for sequence, topic_id in enumerate(log.topic_ids(low, high), low):
                floor = known.get(topic_id) if topic_id else None
                if floor is None:
                    floor = self.floors.get(name_of(topic_id, sequence), NEVER)
                    known[topic_id] = floor
                if floor <= sequence:
                    yield sequence, sizes[sequence - low]


def chain_of(packed: bytes, encoding: Encoding | None) -> Chain:
    """One that another worker had."""
    return Chain(msgpack.unpackb(packed), encoding)
