"""A batch: many messages, one commit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fanout.encoding import as_bytes, encode_frames, payload_header
from fanout.errors import MessageTooLarge
from fanout.sending import Attempt

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import TracebackType

    from fanout.bells import Bell
    from fanout.encoding import Bytes, TopicLike
    from fanout.sending import Encoder
    from fanout.topics import Topic


class Batch:
    """Messages that are published together when the `with` block ends, or not at all.

    Leaving the block by an exception publishes none of them. A batch belongs to one thread. In all
    it may take as many bytes as one message may (a quarter of the log), and a quarter of the
    index in messages.

    Attributes:
        sequence: of its first message, once it is published; None before, and if it is empty.
    """

    def __init__(self, encoder: Encoder, count_max: int, commit: Callable[[Attempt], int]) -> None:
        self._encoder = encoder
        self._count_max = count_max
        self._commit = commit
        self._wires: list[bytes] = []
        self._topic_ids: list[int] = []
        self._topics: set[Topic] = set()
        self._loose = False  # whether a message concerns everybody
        self.sequence: int | None = None

    def __len__(self) -> int:
        return len(self._wires)

    def publish(self, topic: TopicLike, payload: Bytes) -> None:
        """Add a message of two frames.

        Raises:
            TypeError: an argument is not bytes-like; the batch is as it was.
        """
        body = payload if type(payload) is bytes else as_bytes(payload, "payload")
        known = self._encoder.topic(topic)
        self._topics.add(known)
        self._wires.append(known.head + payload_header(len(body)) + body)
        self._topic_ids.append(known.id)

    def send_multipart(self, frames: Iterable[Bytes]) -> None:
        """Add a message of any frames.

        Raises:
            TypeError, ValueError: as `Publisher.send_multipart`; the batch is as it was.
        """
        name, wire = encode_frames(frames)
        known = self._encoder.topic(name)
        self._topics.add(known)
        self._wires.append(wire)
        self._topic_ids.append(known.id)

    def send(self, frame: Bytes) -> None:
        """Add a message of one frame.

        Raises:
            TypeError: it is not bytes-like; the batch is as it was.
        """
        self.send_multipart((frame,))

    def attempt(self) -> Attempt | None:
        """What to commit, None if it is empty.

        Raises:
            MessageTooLarge: all of it together; nothing is published.
        """
        if not self._wires:
            return None
        size = sum(map(len, self._wires))
        if size > self._encoder.limit:
            raise MessageTooLarge(size, self._encoder.limit)
        if len(self._wires) > self._count_max:
            raise MessageTooLarge(len(self._wires), self._count_max)
        bells: set[Bell] = set()
        for topic in self._topics:
            bells.update(self._encoder.path.bells_for(topic))
        return Attempt(self._encoder.path, self._wires, self._topic_ids, bells, size)

    def __enter__(self) -> Batch:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if kind is None:
            attempt = self.attempt()
            if attempt is not None:
                self.sequence = self._commit(attempt)
