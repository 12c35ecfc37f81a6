"""The producer for asyncio: as `fanout.Producer`, awaited."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, NoReturn

from fanout.errors import ClosedError
from fanout.faces.given_up import GivenUp
from fanout.faces.producer import (
    LINGER_S,
    QUEUE_BYTES,
    limits_of,
    many_frames,
    not_drained,
    not_taken,
    one_frame,
    refuse_keyframe,
    two_frames,
    warn_of_dropped,
)
from fanout.faces.troubles import Troubles
from fanout.send.verbs import Verbs
from fanout.sockets.asyncio import Push
from fanout.sockets.face import call_it, last_problem_of, tell_given_up, tell_problems
from fanout.subscriber.settings import endpoint_of
from fanout.terms.not_a_push_socket import NotAPushSocket
from fanout.terms.refusals import refuse_arguments

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import TracebackType

    from fanout.terms.arguments import Bytes, TopicLike
    from fanout.terms.refusals import NotHere

_AWAITED = "this producer is for asyncio: use it in `async with`"


class Producer(NotAPushSocket, Verbs[Coroutine[Any, Any, None]]):
    """As `fanout.Producer`; belongs to the event loop that starts it, by `async with`.

    Cancelled at any await, a message was handed over whole or not at all.
    """

    __slots__ = ("_endpoint", "_given_up", "_limits", "_push")

    def __init__(self, endpoint: str, *, queue_bytes: int | str = QUEUE_BYTES) -> None:
        endpoint_of(endpoint)
        self._limits = limits_of(queue_bytes)
        self._endpoint = endpoint
        self._given_up = GivenUp(endpoint)
        self._push: Push | None = None

    def __repr__(self) -> str:
        return f"<fanout.asyncio.Producer {'closed' if self.closed else self._endpoint}>"

    async def publish(
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
        """Have a message of two frames published; see `fanout.Producer.publish()`."""
        if flags is not None or copy is not None or track is not None:
            refuse_arguments("publish", flags, copy, track)
        refuse_keyframe(keyframe)
        await self._hand_over(two_frames(topic, payload), timeout)

    async def send(
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
        await self._hand_over(one_frame(frame), timeout)

    async def send_multipart(
        self,
        frames: Iterable[Bytes],
        flags: NotHere | None = None,
        copy: NotHere | None = None,
        track: NotHere | None = None,
        *,
        keyframe: bool = False,
        timeout: float | None = None,
    ) -> None:
        """Have a message of any frames published; see `publish()`."""
        if flags is not None or copy is not None or track is not None:
            refuse_arguments("send_multipart", flags, copy, track)
        refuse_keyframe(keyframe)
        await self._hand_over(many_frames(frames), timeout)

    @property
    def connected(self) -> bool:
        """Whether the publisher is connected now."""
        return self._push is not None and self._push.peers > 0

    @property
    def closed(self) -> bool:
        """Whether `close()` or `stop()` was called."""
        return self._push is not None and self._push.closed

    async def drain(self, timeout: float | None = None) -> None:
        """Wait until all that was sent is in the hands of the system; see `fanout.Producer`."""
        push = self._started()
        try:
            await push.drain(timeout)
        except TimeoutError:
            problem = last_problem_of(push)
            raise not_drained(
                self._endpoint, timeout, problem, is_connected=self.connected
            ) from None
        self._given_up.check()

    async def close(self, timeout: float | None = LINGER_S) -> int:
        """Send what waits, and end; cancelled, it goes on. Returns how many were dropped."""
        if self._push is None:
            return 0
        dropped = await self._push.close(timeout)
        return dropped + self._given_up.take()

    async def stop(self) -> int:
        """End at once; returns how many messages were dropped by that. Idempotent."""
        return await self.close(0)

    async def __aenter__(self) -> Producer:
        if self._push is not None:
            raise ClosedError("a producer is started once: make a new one")
        self._push = Push(limits=self._limits)
        tell_given_up(self._push, self._given_up.add)
        tell_problems(self._push, Troubles(self._endpoint).tell)
        call_it(self._push, "the producer")
        self._push.connect(self._endpoint)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if not self.closed:  # else its `close()` has told
            warn_of_dropped(self._endpoint, await self.close(), last_problem_of(self._started()))

    if not TYPE_CHECKING:  # type checkers refuse it by themselves

        def __enter__(self) -> NoReturn:
            raise TypeError(_AWAITED)

        __exit__ = __enter__

    def _started(self) -> Push:
        if self._push is None:
            raise ClosedError(_AWAITED)
        return self._push

    async def _hand_over(self, frames: list[bytes], timeout: float | None) -> None:
        push = self._started()
        try:
            await push.send(frames, timeout)
        except TimeoutError:
            problem = last_problem_of(push)
            raise not_taken(self._endpoint, timeout, problem, is_connected=self.connected) from None
