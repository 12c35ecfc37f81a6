"""The verbs that send: shared by the blocking publisher, its batches and the asyncio one.

A verb encodes its arguments into an `Attempt`: something that can be appended to the log, again and
again if there is no room yet. How to wait for room is the caller's business.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fanout.arguments import as_bytes, as_topic
from fanout.send.topics import NOT_INTERNED, Topic
from fanout.send.wire import (
    COPY_ONCE_BYTES,
    check_size,
    encode_frames,
    payload_header,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from fanout.arguments import Bytes, TopicLike
    from fanout.send.path import SendPath
    from fanout.shm.log import LogWriter

INTERN_BYTES_MAX = 255  # longer topics would fill the table's memory: matched by their bytes


class Attempt:
    """A message or a batch that is ready to be appended.

    Attributes:
        path: where it will be appended.
        size, count: bytes on the wire and messages, for which room is needed.
    """

    __slots__ = ("_topic_ids", "_topics", "_wires", "count", "path", "size")

    def __init__(
        self,
        path: SendPath,
        wires: Sequence[bytes],
        topic_ids: Sequence[int],
        topics: Collection[Topic] | None,
        size: int,
    ) -> None:
        self.path = path
        self._wires = wires
        self._topic_ids = topic_ids
        self._topics = topics  # None = not known
        self.size = size
        self.count = len(topic_ids)

    def append(self) -> int:
        """Try once; returns the sequence of the (first) message, or NO_SPACE."""
        return self.path.append_with(self._write, self._topics)

    def _write(self, log: LogWriter) -> int:
        if self.count == 1:
            return log.append_parts(self._wires, self._topic_ids[0])
        return log.append_batch(self._wires, self._topic_ids)


class Encoder:
    """Turns arguments into attempts; any thread.

    Args:
        path: where they will be appended.
        limit: bytes on the wire that a message may have, and a batch in all.
        count_limit: messages that a batch may have.
    """

    def __init__(self, path: SendPath, limit: int, count_limit: int) -> None:
        self.path = path
        self.limit = limit
        self.count_limit = count_limit

    def topic(self, topic: TopicLike) -> Topic:
        """The interned topic of an argument."""
        name = topic if type(topic) is bytes else as_topic(topic)
        known = self.path.topics.young.get(name)
        if known is not None:
            return known
        if len(name) > INTERN_BYTES_MAX:
            return Topic(NOT_INTERNED, name)
        return self.path.intern(name)

    def two_frames(self, topic: TopicLike, payload: Bytes) -> Attempt:
        """Topic and payload."""
        known = self.topic(topic)
        body = as_bytes(payload, "payload")
        header = payload_header(len(body))
        size = len(known.head) + len(header) + len(body)
        check_size(size, self.limit)
        small = len(body) < COPY_ONCE_BYTES
        head = known.head + header
        wires = (head + body,) if small else (head, body)
        return Attempt(self.path, wires, (known.id,), (known,), size)

    def one_frame(self, frame: Bytes) -> Attempt:
        """A message of one frame, which is its topic too."""
        body = as_bytes(frame, "frame")
        header = payload_header(len(body))
        size = len(header) + len(body)
        check_size(size, self.limit)
        wires = (header + body,) if len(body) < COPY_ONCE_BYTES else (header, body)
        return Attempt(self.path, wires, (NOT_INTERNED,), None, size)

    def frames(self, frames: Iterable[Bytes]) -> Attempt:
        """A message of many frames, the first of which is its topic."""
        name, wire = encode_frames(frames)
        check_size(len(wire), self.limit)
        known = self.topic(name)
        return Attempt(self.path, (wire,), (known.id,), (known,), len(wire))
