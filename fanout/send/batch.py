"""A batch: many messages, one commit."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, cast

from fanout.arguments import as_bytes, as_topic
from fanout.errors import MessageTooLarge
from fanout.send.attempt import Attempt, attempt_batch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import TracebackType

    from fanout.arguments import Bytes, TopicLike
    from fanout.send.path import SendPath
    from fanout.send.topics import Topic
    from fanout.send.wire import Encoder, Wire


class BatchRules(NamedTuple):
    """How the batches of a publisher are encoded and committed."""

    path: SendPath
    encoder: Encoder  # without a limit for each message, and each in one piece
    limit: int  # bytes on the wire, in all
    count_limit: int  # messages


class Messages:
    """Messages that will be committed together.

    A collection belongs to one thread. In all it may take as many bytes as one message may (a
    quarter of the log), and a quarter of the index in messages.

    Attributes:
        sequence: of its first message, once it is published; None before, and if it is empty.
    """

    def __init__(self, rules: BatchRules) -> None:
        self._rules = rules
        # What `Encoder.many` takes, in turn: one call adds both, or neither.
        self._messages: list[Wire | Topic] = []
        self.sequence: int | None = None

    def __len__(self) -> int:
        return len(self._messages) // 2

    def publish(self, topic: TopicLike, payload: Bytes) -> None:
        """Add a message of two frames.

        Raises:
            TypeError: an argument is not bytes-like; the batch is as it was.
        """
        if type(topic) is bytes and type(payload) is bytes:
            self._messages += payload, topic
        else:
            self._messages += as_bytes(payload, "payload"), as_topic(topic)

    def send_multipart(self, frames: Iterable[Bytes]) -> None:
        """Add a message of any frames.

        Raises:
            TypeError, ValueError: as `Publisher.send_multipart`; the batch is as it was.
        """
        self._messages += self._rules.encoder.frames(frames)

    def send(self, frame: Bytes) -> None:
        """Add a message of one frame.

        Raises:
            TypeError: it is not bytes-like; the batch is as it was.
        """
        self._messages += self._rules.encoder.one_frame(frame)

    def attempt(self) -> Attempt | None:
        """What to commit, None if it is empty.

        Raises:
            MessageTooLarge: all of it together; nothing is published.
        """
        if not self._messages:
            return None
        path, encoder, limit, count_limit = self._rules
        if len(self) > count_limit:
            raise MessageTooLarge(len(self), count_limit, "messages")
        bodies = cast("list[bytes]", self._messages[::2])
        names = cast("list[bytes | Topic]", self._messages[1::2])
        attempt = attempt_batch(path, *encoder.many(bodies, names))
        if attempt.size > limit:
            raise MessageTooLarge(attempt.size, limit)
        return attempt


class Batch(Messages):
    """Messages that are published together when the `with` block ends, or not at all.

    Leaving the block by an exception publishes none of them.
    """

    def __init__(self, rules: BatchRules, commit: Callable[[Attempt], int]) -> None:
        super().__init__(rules)
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
