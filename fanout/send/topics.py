"""Topics that were published lately: an id for each, so that workers match a number.

Ids are never reused: a worker may remember what an id matched for as long as it likes. The table is
bounded: it keeps two generations, and forgets the older one when the younger is full. That is close
to "least recently used" and costs nothing when a topic is found, which is nearly always.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from fanout.zmtp.frames import MORE, frame_header

if TYPE_CHECKING:
    from fanout.shm.bells import Bell

NOT_INTERNED = 0  # the worker looks at the bytes of the message


class Topic:
    """What the send path needs to know of a topic: no computing for each message."""

    __slots__ = ("head", "id", "name", "rings")
    is_known_by_name = True  # another one of the same name does as well

    def __init__(self, identifier: int, name: bytes) -> None:
        self.id = identifier
        self.name = name
        self.head = frame_header(len(name), MORE) + name  # first frame, with more to come
        # The routes of the interest, and the workers that had a subscriber for it then: together,
        # since threads may look them up at once.
        self.rings: tuple[int, tuple[Bell, ...]] = (-1, ())


UNKNOWN = Topic(NOT_INTERNED, b"")  # of a message that nobody has looked up: it may concern anyone
UNKNOWN.head = b""  # its only frame is the last one

# What a message is on, given with its body: the name of its topic, with the body as the other frame
# of two; None, where the body is the only frame; or its topic, where the body is all of it as it
# travels, headers too.
Subject: TypeAlias = bytes | Topic | None


class TopicTable:
    """Topic by name; the caller holds the send lock, but for a look-up in `young`.

    Args:
        limit: topics to remember, in both generations together.

    Attributes:
        young: the younger generation by name; None is found too, which is `UNKNOWN`.
    """

    __slots__ = ("_half", "_next_id", "_old", "young")

    def __init__(self, limit: int) -> None:
        self._half = max(limit // 2, 1)
        self.young: dict[Subject, Topic] = {None: UNKNOWN}
        self._old: dict[Subject, Topic] = {None: UNKNOWN}
        self._next_id = NOT_INTERNED + 1

    def __len__(self) -> int:
        return len(self.young) + len(self._old) - 2  # the key None, of single frames, is in both

    def intern(self, name: bytes) -> Topic:
        """The topic of this name, new if it is not known (any more)."""
        topic = self.young.get(name)
        if topic is not None:
            return topic
        topic = self._old.pop(name, None)
        if topic is None:
            topic = Topic(self._next_id, name)
            self._next_id += 1
        if len(self.young) > self._half:
            self._old = self.young
            self.young = {None: UNKNOWN}
        self.young[name] = topic
        return topic
