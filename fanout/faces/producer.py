"""Producer: publishes from another process, by an endpoint of `Publisher.ingest()`."""

from __future__ import annotations

import logging
import warnings
import weakref
from typing import TYPE_CHECKING, NoReturn

from fanout.errors import Again, ConfigError
from fanout.faces.given_up import GivenUp
from fanout.faces.troubles import Troubles
from fanout.send.keyframes import OF_PRODUCER
from fanout.send.verbs import Verbs
from fanout.send.wire import bodies_of
from fanout.sockets import Limits, Push
from fanout.sockets.face import (
    abandon,
    call_it,
    is_over,
    last_problem_of,
    refuse_too_many,
    tell_given_up,
    tell_problems,
)
from fanout.terms.arguments import as_bytes, as_topic, read_size, shown
from fanout.terms.awaiting import PRODUCER, FirstCall, refuse_await
from fanout.terms.not_a_push_socket import NotAPushSocket
from fanout.terms.refusals import refuse_arguments
from fanout.terms.reserved import refuse_reserved

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import TracebackType

    from fanout.terms.arguments import Bytes, TopicLike
    from fanout.terms.refusals import NotHere

QUEUE_BYTES = 16 * 1024 * 1024  # an eighth of a second of a full 1 Gbit/s link
QUEUE_BYTES_MIN = 64 * 1024
QUEUE_BYTES_MAX = 1 << 40  # catches a wrong unit
LINGER_S = 5.0  # seconds that `close()` allows for sending, as that of a publisher
_MESSAGES_MAX = 1 << 30  # of the queue, which is bounded in bytes: each has 176 more

UNCLOSED = "the producer was not closed: use it in a `with` block, or close() it"

_logger = logging.getLogger("fanout")
_BLOCKING = (
    "this producer blocks, and nothing of it is awaited: use `with`, or fanout.asyncio.Producer "
    "in `async with`"
)


def limits_of(queue_bytes: int | str) -> Limits:
    """What the socket of a producer may hold.

    Raises:
        ConfigError: it is no size, or out of range.
    """
    size = read_size(queue_bytes) if isinstance(queue_bytes, str) else queue_bytes
    is_size = isinstance(size, int) and not isinstance(size, bool)
    if not is_size or not QUEUE_BYTES_MIN <= size <= QUEUE_BYTES_MAX:  # type: ignore[operator]
        raise ConfigError(
            f"queue_bytes must be {QUEUE_BYTES_MIN:,} to {QUEUE_BYTES_MAX:,} bytes, or a size as "
            f"'64M', not {shown(queue_bytes)}"
        )
    return Limits(outbox_bytes=size, outbox_messages=_MESSAGES_MAX)  # type: ignore[arg-type]


def refuse_keyframe(keyframe: bool) -> None:
    """Refuse what only the publisher can say.

    Raises:
        ConfigError: it was said; nothing was sent.
    """
    if keyframe:
        raise ConfigError(f"{OF_PRODUCER}; nothing was sent")


def two_frames(topic: TopicLike, payload: Bytes) -> list[bytes]:
    """The frames of a message on a topic.

    Raises:
        TypeError: an argument is of a wrong type. ConfigError: the topic is a reserved one.
    """
    name = as_topic(topic)
    refuse_reserved(name)
    return [name, as_bytes(payload, "payload")]


def one_frame(frame: Bytes) -> list[bytes]:
    """As `two_frames`, of a message that is its topic."""
    body = as_bytes(frame, "frame")
    refuse_reserved(body)
    return [body]


def many_frames(frames: Iterable[Bytes]) -> list[bytes]:
    """As `two_frames`, of any frames.

    Raises:
        ValueError: there are none, or more than `ingest()` takes of a message.
    """
    bodies = bodies_of(frames)
    refuse_too_many(bodies)
    refuse_reserved(bodies[0])
    return bodies


def not_taken(endpoint: str, timeout: float | None, problem: str, *, is_connected: bool) -> Again:
    """What to raise when a message could not be handed over in time; `problem`: "" = none."""
    why = "takes nothing more" if is_connected else _not_connected(problem)
    error = Again(f"the queue is full for {timeout} s, and {endpoint} {why}; nothing was sent")
    error.subscriber = None
    return error


def not_drained(
    endpoint: str, timeout: float | None, problem: str, *, is_connected: bool
) -> TimeoutError:
    """What to raise when not all was sent in time; `problem`: "" = none."""
    why = "does not take it as fast" if is_connected else _not_connected(problem)
    return TimeoutError(f"not all was sent within {timeout} s: {endpoint} {why}; nothing is lost")


def _not_connected(problem: str) -> str:
    return f"is not connected ({problem})" if problem else "is not connected"


def warn_of_dropped(endpoint: str, count: int, problem: str) -> None:
    """Log what was not sent when a `with` has ended: nobody sees what `close()` returns there."""
    if count:
        why = f"; last problem: {problem}" if problem else ""
        _logger.warning("%d messages for %s were not sent and are dropped%s", count, endpoint, why)


class Producer(NotAPushSocket, Verbs[None]):
    """Publishes through a publisher in another process, which has called `ingest()`.

    What it sends waits in a queue, also while nobody is connected, and goes out on a thread of its
    own; while the queue is full, sending waits. It connects again whenever the connection is lost,
    and sends whole what was not, or half sent. There is no acknowledgement: what the systems had
    taken of it, and the publisher had not read when one of both ended, is lost. Any thread may
    call; a child of a fork makes its own: there each call raises `ForkedError`.

    Args:
        endpoint: of `ingest()`: "tcp://10.0.0.7:5557" or "ipc:///run/intake".
        queue_bytes: what may wait, each message with 176 bytes more; a size such as "64M" may be
            given as text.

    Raises:
        TypeError, ConfigError: an argument cannot work; nothing was started.
    """

    __slots__ = ("__weakref__", "_endpoint", "_given_up", "_hand", "_push")

    def __init__(self, endpoint: str, *, queue_bytes: int | str = QUEUE_BYTES) -> None:
        limits = limits_of(queue_bytes)
        self._endpoint = endpoint
        self._given_up = GivenUp(endpoint)
        self._push = push = Push(limits=limits)
        self._hand: Callable[[list[bytes], float | None], None] = FirstCall(
            weakref.ref(self), "_hand", push.send, PRODUCER
        )
        tell_given_up(push, self._given_up.add)
        tell_problems(push, Troubles(endpoint).tell)
        call_it(push, "the producer")
        try:
            push.connect(endpoint)
        except BaseException:
            push.stop()
            raise

    def __del__(self) -> None:
        push = getattr(self, "_push", None)  # none: its `__init__` has refused something
        if push is None or is_over(push):
            return
        warnings.warn(f"unclosed {self!r}", ResourceWarning, source=self, stacklevel=2)
        # Python shows that to nobody who has not asked for it, and messages may be lost with it.
        count = push.statistics().outbox
        abandon(push)
        warn_of_dropped(self._endpoint, count, UNCLOSED)

    def __repr__(self) -> str:
        return f"<fanout.Producer {'closed' if self.closed else self._endpoint}>"

    def publish(
        self,
        topic: TopicLike,
        payload: Bytes,
        flags: NotHere | None = None,
        copy: NotHere | None = None,
        track: NotHere | None = None,
        *,
        keyframe: bool = False,
        timeout: float | None = None,
    ) -> None:
        """Have a message of two frames published, topic and payload.

        Args:
            keyframe: what only the publisher itself can say.
            timeout: seconds to wait for room in the queue, 0 or more; None = as long as it takes.

        Raises:
            TypeError, ValueError, ConfigError: an argument cannot work; nothing was sent.
            Again: the queue was full for `timeout`, since nobody is connected, or the publisher
                does not keep up; nothing was sent.
            MessageTooLarge: the publisher that is connected does not take it; nothing was sent.
            ClosedError, ForkedError: nothing was sent.
        """
        if flags is not None or copy is not None or track is not None:
            refuse_arguments("publish", flags, copy, track)
        refuse_keyframe(keyframe)
        self._hand_over(two_frames(topic, payload), timeout)

    def send(
        self,
        frame: Bytes,
        flags: NotHere | None = None,
        copy: NotHere | None = None,
        track: NotHere | None = None,
        *,
        timeout: float | None = None,
    ) -> None:
        """Have a message of one frame published; see `publish()`."""
        if flags is not None or copy is not None or track is not None:
            refuse_arguments("send", flags, copy, track)
        self._hand_over(one_frame(frame), timeout)

    def send_multipart(
        self,
        frames: Iterable[Bytes],
        flags: NotHere | None = None,
        copy: NotHere | None = None,
        track: NotHere | None = None,
        *,
        keyframe: bool = False,
        timeout: float | None = None,
    ) -> None:
        """Have a message of any frames published, the first being the topic; see `publish()`."""
        if flags is not None or copy is not None or track is not None:
            refuse_arguments("send_multipart", flags, copy, track)
        refuse_keyframe(keyframe)
        self._hand_over(many_frames(frames), timeout)

    @property
    def connected(self) -> bool:
        """Whether the publisher is connected now."""
        return self._push.peers > 0

    @property
    def closed(self) -> bool:
        """Whether `close()` or `stop()` was called."""
        return self._push.closed

    def drain(self, timeout: float | None = None) -> None:
        """Wait until all that was sent so far is in the hands of the system.

        Raises:
            TimeoutError: it was not in time; nothing is lost by that.
            MessageTooLarge: a message from before the connection was there is given up, since the
                publisher does not take it; told once, all others are in the hands of the system.
            TypeError, ValueError: `timeout` is no time to wait.
        """
        refuse_await(PRODUCER)
        try:
            self._push.drain(timeout)
        except TimeoutError:
            problem = last_problem_of(self._push)
            raise not_drained(
                self._endpoint, timeout, problem, is_connected=self.connected
            ) from None
        self._given_up.check()

    def close(self, timeout: float | None = LINGER_S) -> int:
        """Send what waits, and end; idempotent.

        Args:
            timeout: seconds after which what was not sent is dropped; None = as long as it takes.

        Returns:
            How many messages were dropped by that, or given up before and not told by `drain()`.
        """
        refuse_await(PRODUCER)
        dropped = self._push.close(timeout)
        return dropped + self._given_up.take()

    def stop(self) -> int:
        """End at once; returns how many messages were dropped by that. Idempotent."""
        refuse_await(PRODUCER)
        dropped = self._push.stop()
        return dropped + self._given_up.take()

    def __enter__(self) -> Producer:
        self._push.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if not self.closed:  # else its `close()` has told
            warn_of_dropped(self._endpoint, self.close(), last_problem_of(self._push))

    if not TYPE_CHECKING:  # type checkers refuse it by themselves

        async def __aenter__(self) -> NoReturn:
            raise TypeError(_BLOCKING)

        __aexit__ = __aenter__

    def _hand_over(self, frames: list[bytes], timeout: float | None) -> None:
        try:
            self._hand(frames, timeout)
        except TimeoutError:
            problem = last_problem_of(self._push)
            raise not_taken(self._endpoint, timeout, problem, is_connected=self.connected) from None
