"""Publishing with asyncio: the verbs that send, as in `publishing.py`, awaited."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

from fanout.send.attempt import NO_SPACE, attempt_message
from fanout.send.last_verbs import AwaitedLastVerbs
from fanout.send.verbs import SECONDS, Verbs
from fanout.send.wire import ORDINARY, SEQUENCES
from fanout.terms.refusals import name_as, refuse_arguments

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fanout.send.own_batches import OwnBatches
    from fanout.send.path import SendPath
    from fanout.send.queue import SendQueue
    from fanout.send.topics import Topic
    from fanout.send.wire import Wire
    from fanout.terms.arguments import Bytes, TopicLike
    from fanout.terms.refusals import NotHere


class AwaitedPublishing(AwaitedLastVerbs, Verbs[Coroutine[Any, Any, int]]):
    """Appends by `_path`, or by tasks that wait, or open batches, in its place; None = not yet."""

    __slots__ = ()
    _path: SendPath | SendQueue | OwnBatches[Any] | None
    _own: OwnBatches[Any] | None

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
    ) -> int:
        """Publish a message of two frames, topic and payload; see `fanout.Publisher.publish()`."""
        path = self._path
        if (
            type(topic) is bytes
            and type(payload) is bytes
            and not keyframe
            and path is not None
            and flags is None
            and copy is None
            and track is None
            and (timeout is None or (type(timeout) in SECONDS and timeout >= 0))
        ):
            sequence = path.append(payload, topic)
            if sequence != NO_SPACE:
                return sequence
        elif flags is not None or copy is not None or track is not None:
            refuse_arguments("publish", flags, copy, track)
        elif type(topic) is str:
            return await self.publish(topic.encode(), payload, keyframe=keyframe, timeout=timeout)
        return await Verbs.publish(self, topic, payload, keyframe=keyframe, timeout=timeout)

    async def send(
        self,
        frame: Bytes,
        flags: NotHere | None = None,
        copy: NotHere | None = None,
        track: NotHere | None = None,
        *,
        timeout: float | None = None,
    ) -> int:
        """Publish a message of one frame, which subscribers match by prefix; see `publish()`."""
        path = self._path
        if (
            type(frame) is bytes
            and frame >= ORDINARY  # else it may be on a reserved topic
            and flags is None
            and copy is None
            and track is None
            and path is not None
            and (timeout is None or (type(timeout) in SECONDS and timeout >= 0))
        ):
            sequence = path.append(frame, None)
            if sequence != NO_SPACE:
                return sequence
        return await Verbs.send(self, frame, flags, copy, track, timeout=timeout)

    async def send_multipart(
        self,
        frames: Iterable[Bytes],
        flags: NotHere | None = None,
        copy: NotHere | None = None,
        track: NotHere | None = None,
        *,
        keyframe: bool = False,
        timeout: float | None = None,
    ) -> int:
        """Publish a message of any frames, the first being the topic; see `publish()`."""
        if (
            type(frames) in SEQUENCES
            and flags is None
            and copy is None
            and track is None
            and not keyframe
        ):
            count = len(frames)  # type: ignore[arg-type]  # it is a sequence
            if count == 2:
                topic, payload = frames
                if type(topic) is bytes and type(payload) is bytes:
                    return await self.publish(topic, payload, timeout=timeout)
            elif count == 1:
                [frame] = frames
                if type(frame) is bytes:
                    return await self.send(frame, timeout=timeout)
        if flags is not None or copy is not None or track is not None:
            refuse_arguments("send_multipart", flags, copy, track)
        message = self._encoding().frames(frames)
        return await self._send(self._keyframe(*message) if keyframe else message, timeout)

    async def _send(self, message: tuple[Wire, Topic], timeout: float | None) -> int:
        wire, topic = message
        queue = self._started()
        if self._path is self._own is not None:
            self._own.warn()
        if timeout is None and type(wire) is bytes:  # the usual case, without an attempt
            sequence = queue.append(wire, topic)
            if sequence != NO_SPACE:
                return sequence
        return await queue.send(attempt_message(self._values_path(), wire, topic), timeout)

    def _started(self) -> SendQueue:
        """Raises what there is to say if it was not started."""
        raise NotImplementedError


name_as("Publisher", AwaitedPublishing)
