"""A batch: many messages, one commit."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from fanout.arguments import as_bytes
from fanout.errors import MessageTooLarge
from fanout.send.attempt import Attempt
from fanout.send.wire import (
    COPY_ONCE_BYTES,
    PAYLOAD_HEADERS,
    encode_frames,
    payload_header,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import TracebackType

    from fanout.arguments import Bytes, TopicLike
    from fanout.send.attempt import Encoder
    from fanout.send.topics import Topic


class Messages:
    """Messages that will be committed together.

    A collection belongs to one thread. In all it may take as many bytes as one message may (a
    quarter of the log), and a quarter of the index in messages.

    Attributes:
        sequence: of its first message, once it is published; None before, and if it is empty.
    """

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        # Wire bytes and topic in turn: one call adds both, or neither.
        self._messages: list[bytes | Topic] = []
        self.sequence: int | None = None

    def __len__(self) -> int:
        return len(self._messages) // 2

    def publish(self, topic: TopicLike, payload: Bytes) -> None:
        """Add a message of two frames.

        Raises:
            TypeError: an argument is not bytes-like; the batch is as it was.
        """
        if type(topic) is bytes and type(payload) is bytes:
            found = self._encoder.path.topics.young.get(topic)
            size = len(payload)
            if found is not None and size < COPY_ONCE_BYTES:
                self._messages += found.head + PAYLOAD_HEADERS[size] + payload, found
                return
        body = as_bytes(payload, "payload")
        known = self._encoder.topic(topic)
        self._messages += known.head + payload_header(len(body)) + body, known

    def send_multipart(self, frames: Iterable[Bytes]) -> None:
        """Add a message of any frames.

        Raises:
            TypeError, ValueError: as `Publisher.send_multipart`; the batch is as it was.
        """
        name, wire = encode_frames(frames)
        self._messages += wire, self._encoder.topic(name)

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
        if not self._messages:
            return None
        encoder = self._encoder
        if len(self) > encoder.count_limit:
            raise MessageTooLarge(len(self), encoder.count_limit, "messages")
        wires = cast("list[bytes]", self._messages[::2])
        topics = cast("list[Topic]", self._messages[1::2])
        size = sum(map(len, wires))
        if size > encoder.limit:
            raise MessageTooLarge(size, encoder.limit)
        return Attempt(encoder.path, wires, [topic.id for topic in topics], topics, size)


class Batch(Messages):
    """Messages that are published together when the `with` block ends, or not at all.

    Leaving the block by an exception publishes none of them.
    """

    def __init__(self, encoder: Encoder, commit: Callable[[Attempt], int]) -> None:
        super().__init__(encoder)
        self._commit = commit

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
