"""A batch: many messages, one commit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn, Self

from fanout.errors import MessageTooLarge
from fanout.send.attempt import NO_SPACE, Attempt, attempt_pairs
from fanout.send.keyframes import as_keyframe
from fanout.send.wire import ORDINARY, SEQUENCES
from fanout.terms.arguments import as_bytes, as_topic
from fanout.terms.awaiting import BATCH, refuse_await
from fanout.terms.refusals import NotAPublisher, name_as, refuse_arguments, refuse_timeout
from fanout.terms.reserved import refuse_reserved

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import TracebackType

    from fanout.send.own_batches import OwnBatches
    from fanout.send.topics import Subject, Topic
    from fanout.send.wire import Coded, Collected, Wire
    from fanout.terms.arguments import Bytes, TopicLike
    from fanout.terms.refusals import NotHere


class _Shut(list["Wire | Subject"]):
    """What a batch has in the place of its messages outside of its block: it takes none.

    So a message that is added costs no look at whether the block is open.
    """

    def __init__(self, when: str) -> None:
        self.refusal = (
            f"a batch is for one `with` block, and the block of this one {when}: nothing was added "
            "or sent; make a batch for each block by `batch()`"
        )

    def __iadd__(self, _messages: object) -> NoReturn:  # type: ignore[misc]
        raise RuntimeError(self.refusal)


_BEFORE = _Shut("has not begun")
_AFTER = _Shut("is over")


class _First(list["Wire | Subject"]):
    """What has the messages of a batch while none was added to any of its publisher.

    The first one looks whether the call that adds it is awaited; nothing is, in asyncio neither.

    Args:
        own: the batches of that publisher.
    """

    def __init__(self, own: OwnBatches[Any]) -> None:
        self._own = own

    def __iadd__(self, pair: Any) -> Collected:  # type: ignore[misc,override]
        refuse_await(BATCH)
        own = self._own
        own.has_collected = True
        messages: Collected = own.rules.path.collect()
        messages += pair
        return messages


class Messages(NotAPublisher):
    """Messages that will be committed together, added in one block.

    A collection belongs to one thread. In all it may take as many bytes as one message may (a
    quarter of the log), and a quarter of the index in messages.

    Attributes:
        sequence: of its first message, once it is published; None before, and if it is empty.
    """

    __slots__ = (
        *("__weakref__", "_began", "_count", "_messages"),
        *("_own", "_timeout", "sequence"),
    )

    def __init__(self, own: OwnBatches[Self], timeout: float | None) -> None:
        self._own = own
        self._timeout = timeout
        # Body and subject of each, in turn: one call adds both, or neither.
        self._messages: Collected = _BEFORE
        self._began: object = None  # the thread or task
        self.sequence: int | None = None

    def __len__(self) -> int:
        """Messages that were added to it, whether or not they were published then."""
        messages = self._messages
        return self._count if messages is _AFTER else len(messages) // 2

    @property
    def _is_over(self) -> bool:
        """Whether it takes no messages: its block has not begun, or is over."""
        return isinstance(self._messages, _Shut)

    def _begin(self) -> Self:
        """Take messages from now on; returns itself.

        Raises:
            RuntimeError: its block has begun before, and may be over.
        """
        if self._messages is not _BEFORE:
            when = "is over" if self._messages is _AFTER else "has begun already"
            raise RuntimeError(_Shut(when).refusal)
        own = self._own
        messages = own.rules.path.collect() if own.has_collected else _First(own)
        self._began = own.begin(self)  # which may warn, and that raise
        self._messages = messages
        return self

    def _leave(self, kind: type[BaseException] | None) -> Attempt | None:
        """Its block ends, by this kind of exception or by none; returns what to commit.

        Raises:
            MessageTooLarge: all of it together; nothing is published.
            ConfigError: a topic is a reserved one; nothing is published.
        """
        messages: Any = self._messages
        self._count = count = len(messages) // 2  # the messages that it had
        self._messages = _AFTER
        own = self._own
        own.end(self, self._began)
        self._began = None  # it is not to keep a task that is over
        if kind is not None or not count:
            return None
        rules = own.rules
        if type(messages) is not list:
            coded: Coded = messages
            if coded.young is rules.path.topics.young:
                return coded  # the usual case, which has no more than it may
        if count > rules.count_limit:
            raise MessageTooLarge(count, rules.count_limit, "messages")
        attempt = attempt_pairs(rules.path, rules.encoder, messages)
        if attempt.size > rules.limit:
            raise MessageTooLarge(attempt.size, rules.limit)
        return attempt

    def publish(
        self,
        topic: TopicLike,
        payload: Bytes,
        flags: NotHere | None = None,
        copy: NotHere | None = None,
        track: NotHere | None = None,
        *,
        keyframe: bool = False,
        timeout: NotHere | None = None,
    ) -> None:
        """Add a message of two frames.

        Raises:
            TypeError: an argument is not bytes-like; the batch is as it was.
            ConfigError: the topic has no keyframes; the batch is as it was.
            RuntimeError: it is not in its `with` block.
        """
        if flags is not None or copy is not None or track is not None:
            refuse_arguments("publish", flags, copy, track)
        if type(topic) is bytes and type(payload) is bytes and timeout is None and not keyframe:
            self._messages += payload, topic
            return
        refuse_timeout(timeout)
        body, name = as_bytes(payload, "payload"), as_topic(topic)
        self._messages += self._keyframe((name, body)) if keyframe else (body, name)

    def send_multipart(
        self,
        frames: Iterable[Bytes],
        flags: NotHere | None = None,
        copy: NotHere | None = None,
        track: NotHere | None = None,
        *,
        keyframe: bool = False,
        timeout: NotHere | None = None,
    ) -> None:
        """Add a message of any frames.

        Raises:
            TypeError, ValueError: as `Publisher.send_multipart`; the batch is as it was.
            ConfigError, RuntimeError: as `publish()`.
        """
        if flags is not None or copy is not None or track is not None:
            refuse_arguments("send_multipart", flags, copy, track)
        if timeout is not None:
            refuse_timeout(timeout)
        if keyframe:
            self._messages += self._keyframe(frames)
            return
        if type(frames) in SEQUENCES:
            count = len(frames)  # type: ignore[arg-type]  # it is a sequence
            if count == 2:
                topic, payload = frames
                if type(topic) is bytes and type(payload) is bytes:
                    self._messages += payload, topic
                    return
            elif count == 1:
                [frame] = frames
                if type(frame) is bytes and frame >= ORDINARY:
                    self._messages += frame, None
                    return
        self._messages += self._own.rules.encoder.frames(frames)

    def _keyframe(self, frames: Iterable[Bytes]) -> tuple[Wire, Topic]:
        rules = self._own.rules
        wire, topic = rules.encoder.frames(frames)
        return wire, as_keyframe(rules.path, topic)

    def send(
        self,
        frame: Bytes,
        flags: NotHere | None = None,
        copy: NotHere | None = None,
        track: NotHere | None = None,
        *,
        timeout: NotHere | None = None,
    ) -> None:
        """Add a message of one frame.

        Raises:
            TypeError: it is not bytes-like; the batch is as it was.
            ConfigError: it is on a reserved topic; the batch is as it was.
            RuntimeError: as `publish()`.
        """
        if flags is not None or copy is not None or track is not None:
            refuse_arguments("send", flags, copy, track)
        if timeout is not None:
            refuse_timeout(timeout)
        body = as_bytes(frame, "frame")
        if body < ORDINARY:
            refuse_reserved(body)
        self._messages += body, None


name_as("Batch", Messages)


class Batch(Messages):
    """Messages that are published together when the `with` block ends, or not at all.

    Leaving the block by an exception publishes none of them. A batch is for one block: outside of
    it every call raises a RuntimeError.
    """

    __slots__ = ()

    __enter__ = Messages._begin  # itself: one call less

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        attempt = self._leave(kind)
        if attempt is not None:
            own = self._own
            sequence = attempt.append() if own.is_usual else NO_SPACE
            self.sequence = sequence if sequence != NO_SPACE else own.commit(attempt, self._timeout)

    if not TYPE_CHECKING:  # type checkers refuse it by themselves

        async def __aenter__(self) -> NoReturn:
            raise TypeError("this batch blocks: use `with`, or one of fanout.asyncio.Publisher")

        __aexit__ = __aenter__
