"""Topics whose last values are kept: each has a place among them, which is in its id.

There are no more places than there may be topics. When all are taken, the topic that was published
longest ago, to some extent, loses its own, and one that is new gets it. Whoever still holds the
`Topic` of before, in a batch that waits for room, publishes by it without a place: that is why its
id is looked at under the send lock only, and no message is ever taken for one of another topic.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fanout.send.topics import NOT_INTERNED, UNKNOWN, Topic, TopicTable
from fanout.shm.value_layout import KEYFRAME, PLACE_BITS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fanout.send.topics import Subject
    from fanout.shm.value_keeper import ValueKeeper


GENERATIONS = 3  # young, old, cold


class KeptTopic(Topic):
    """One that has a place."""

    __slots__ = ("place",)

    def __init__(self, name: bytes, place: int) -> None:
        super().__init__(NOT_INTERNED, name)
        self.place = place


class Keyframe(Topic):
    """The topic of a message that is a keyframe: with the id of its topic, marked as that.

    Args:
        topic: has a place, or had one.
        values: where that is noted.
    """

    __slots__ = ("_topic", "_values")
    is_known_by_name = False

    def __init__(self, topic: KeptTopic, values: ValueKeeper) -> None:
        self.name, self.head, self.rings = topic.name, topic.head, topic.rings
        self._topic = topic
        self._values = values

    @property
    def id(self) -> int:  # type: ignore[override]  # of others it is stored
        """Asked for under the send lock, when the message is about to be committed."""
        topic_id = self._topic.id
        if topic_id == NOT_INTERNED:  # it has lost its place since
            return NOT_INTERNED
        self._values.note_keyframe(self._topic.place, topic_id)
        return topic_id | KEYFRAME


class KeptTopics(TopicTable):
    """As `TopicTable`; of those that begin with one of some prefixes none is simply forgotten.

    Args:
        limit: topics to remember that have no place.
        values: where their last values are noted.
        prefixes: of the topics that have one.
    """

    def __init__(self, limit: int, values: ValueKeeper, prefixes: Sequence[bytes]) -> None:
        places = len(values.last) - 1
        super().__init__(max(limit, places))
        self._values = values
        self._prefixes = tuple(prefixes)
        self._places = places
        # Those of older generations, longest ago first.
        self._cold: dict[Subject, KeptTopic] = {}
        self._owners: list[KeptTopic | None] = [None]
        self._naming: tuple[KeptTopic, int] | None = None  # it is about to have this id

    def __len__(self) -> int:
        return super().__len__() + len(self._cold)

    def intern(self, name: bytes) -> Topic:
        topic = self.young.get(name)
        if topic is not None:
            return topic
        topic = self._old.get(name) or self._cold.get(name)
        if topic is None or topic.id == NOT_INTERNED:
            topic = self._new(name) if name.startswith(self._prefixes) else self._numbered(name)
        if len(self.young) > self._half:
            self._turn_over()
        self.young[name] = topic
        self._old.pop(name, None)
        self._cold.pop(name, None)
        return topic

    def find(self, name: bytes) -> KeptTopic | None:
        """The topic of this name, if it has a place."""
        topic = self.young.get(name) or self._old.get(name) or self._cold.get(name)
        is_owner = isinstance(topic, KeptTopic) and self._owners[topic.place] is topic and topic.id
        return topic if is_owner else None  # type: ignore[return-value]  # it is one, then

    def named(self, first: int, stop: int) -> list[tuple[int, bytes]]:
        """Places in this range with the topics that have them now; any thread, without the lock."""
        owners = enumerate(self._owners[first:stop], first)
        return [(place, topic.name) for place, topic in owners if topic is not None]

    def keyframe(self, name: bytes) -> Keyframe | None:
        """What a keyframe of this topic is published by; None = it has no place."""
        topic = self.find(name)
        return None if topic is None else Keyframe(topic, self._values)

    def forget(self, topic: KeptTopic) -> None:
        """It has no value any more, until it is published again."""
        self._values.forget(topic.place, self._name(topic))
        self._end_naming()

    def settle(self) -> None:
        """After an interruption: what was begun is made whole, or is as if it had not begun."""
        self._values.settle()
        self._end_naming()

    def _numbered(self, name: bytes) -> Topic:
        topic = Topic(self._next_id << PLACE_BITS, name)
        self._next_id += 1
        return topic

    def _new(self, name: bytes) -> KeptTopic:
        """A topic in a place that is free, or was that of another one.

        Interrupted anywhere, whoever has a place is found among the cold ones, or has no id.
        """
        place = self._free_place()
        topic = KeptTopic(name, place)
        self._cold[name] = topic
        identifier = self._name(topic)
        former = self._owner(place)
        if former is not None:
            former.id = NOT_INTERNED  # before anybody else has its place
        self._values.give(place, identifier)
        self._end_naming()
        return topic

    def _name(self, topic: KeptTopic) -> int:
        """A new id that it is about to have: when its place has it."""
        identifier = self._next_id << PLACE_BITS | topic.place
        self._next_id += 1
        self._naming = topic, identifier
        return identifier

    def _end_naming(self) -> None:
        if self._naming is None:
            return
        topic, identifier = self._naming
        if self._values.ids[topic.place] == identifier:
            former = self._owner(topic.place)
            if former is None:
                self._owners.append(topic)
            else:
                self._owners[topic.place] = topic
            topic.id = identifier
            if former is not None and former.name != topic.name:
                self._cold.pop(former.name, None)
        self._naming = None

    def _owner(self, place: int) -> KeptTopic | None:
        return self._owners[place] if place < len(self._owners) else None

    def _free_place(self) -> int:
        if len(self._owners) <= self._places:
            return len(self._owners)
        for _ in range(GENERATIONS):
            while self._cold:
                name, topic = next(iter(self._cold.items()))
                is_warm = topic in (self.young.get(name), self._old.get(name))
                if self._owners[topic.place] is topic and not is_warm:
                    return topic.place
                del self._cold[name]  # left behind by an interrupted call
            self._turn_over()
        return 1  # not reached: by now all that have one are cold

    def _turn_over(self) -> None:
        """The younger generation is the older one now, and of that one those with a place stay."""
        kept = {name: one for name, one in self._old.items() if isinstance(one, KeptTopic)}
        self._cold.update(kept)
        self._old = self.young
        self.young = {None: UNKNOWN}
