"""The send path of a publisher that keeps last values: it notes them, and can be asked for them.

Others do not pay for it: which path a publisher has is decided when it is made.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from fanout.send.kept_topics import KeptTopics
from fanout.send.numbered_path import NumberedPath
from fanout.send.path import SendPath
from fanout.shm.valued_log import NumberedValuedLog, ValuedLog
from fanout.zmtp.frames import split_message

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from fanout.send.path import Demand
    from fanout.send.topics import Topic
    from fanout.shm.bells import Bell
    from fanout.shm.doorbell import Doorbell
    from fanout.shm.segment import Segment


class LastValue(NamedTuple):
    """The last message of a topic.

    Args:
        sequence: as `publish()` returned it.
        frames: as they were published, topic first.
    """

    sequence: int
    frames: tuple[bytes, ...]


class KeptPath(SendPath):
    """As `SendPath`; messages of two frames and more are last values, if their topic has a place.

    Args:
        prefixes: of the topics that have one.
    """

    make_log = ValuedLog
    keeps_values = True
    log: ValuedLog
    topics: KeptTopics
    _added_frames = 0

    def __init__(
        self,
        segment: Segment,
        bells: Sequence[Bell],
        room: Doorbell,
        interest: Demand,
        max_topics: int,
        prefixes: Sequence[bytes] = (b"",),
    ) -> None:
        super().__init__(segment, bells, room, interest, max_topics)
        self.topics = KeptTopics(max_topics, self.log.values, prefixes)

    def append_parts(self, parts: Sequence[bytes], topic: Topic) -> int:
        def append() -> int:
            return self.log.append_parts(parts, topic.id)

        return self._append_with(lambda: self._marking(append), (topic,))

    def append_batch(self, wires: Sequence[bytes], topics: Sequence[Topic]) -> int:
        def append() -> int:
            # Under the lock: one of them may have lost its place while there was no room.
            return self.log.append_batch(wires, [topic.id for topic in topics])

        return self._append_with(lambda: self._marking(append), topics)

    def _marking(self, append: Callable[[], int]) -> int:
        """Call that, which marks keyframes when it asks for the ids of their topics."""
        values = self.log.values
        values.begin_marking()
        try:
            return append()
        finally:
            values.end_marking()

    def last(self, name: bytes) -> LastValue | None:
        """The last value of a topic; any thread."""
        return self._locked(lambda: self._find(name))

    def keyframe(self, name: bytes) -> Topic | None:
        """What a keyframe of a topic is published by; None = there can be none. Any thread."""
        return self._locked(lambda: self.topics.keyframe(name))

    def forget(self, name: bytes) -> bool:
        """Have no last value of a topic until it is published again; returns whether it had one."""
        return self._locked(lambda: self._forget(name))

    def _find(self, name: bytes) -> LastValue | None:
        self._check()
        topic = self.topics.find(name)
        found = None if topic is None else self.log.values.find(topic.place)
        if found is None:
            return None
        frames = split_message(found.wire)
        return LastValue(found.sequence, tuple(frames[: len(frames) - self._added_frames]))

    def _forget(self, name: bytes) -> bool:
        self._check()
        topic = self.topics.find(name)
        if topic is None or self.log.values.find(topic.place) is None:
            return False
        self.topics.forget(topic)
        return True

    def _check(self) -> None:
        """Raise why nothing can be asked: what was interrupted may be noted as a last value."""
        self.gate.check_use()
        if self._guard.poisoned:
            raise self._guard.error()

    def _recover_now(self) -> None:
        self.gate.check()
        self.topics.settle()
        super()._recover_now()

    def _settle(self) -> None:
        if self._lock.current._is_owned() and not self.gate.forked:
            self.topics.settle()
        super()._settle()

    def _look_for_room(self, needed_bytes: int, count: int) -> bool:
        """The values in the log may be in the way, and are then copied at once."""
        look = super()._look_for_room
        if look(needed_bytes, count):
            return True
        return self.log.values.hurry(self.log.head) and look(needed_bytes, count)


class NumberedKeptPath(KeptPath, NumberedPath):
    """Keeps last values, and its messages are numbered."""

    make_log = NumberedValuedLog
    _added_frames = 1
