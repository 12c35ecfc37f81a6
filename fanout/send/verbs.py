"""The verbs that send, for the blocking publisher and for the asyncio one."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Generic, Never, TypeVar

import msgpack

from fanout.errors import Again
from fanout.refusals import NotASocket, refuse_arguments

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fanout.arguments import Bytes, TopicLike
    from fanout.send.topics import Topic
    from fanout.send.wire import Encoder, Wire

R = TypeVar("R")


class Verbs(NotASocket, Generic[R]):
    """Encodes arguments and hands them on; how to wait for room is the subclass's business.

    `R` is what a verb returns: a sequence number, or an awaitable of one. All of them raise what
    `fanout.Publisher.publish()` does. Those that pyzmq has too take further arguments only to say
    what to do instead (`args`, `pyzmq`).
    """

    def publish(self, topic: TopicLike, payload: Bytes, *, timeout: float | None = None) -> R:
        """Publish a message of two frames, topic and payload; see `fanout.Publisher.publish()`."""
        return self._send(self._encoding().two_frames(topic, payload), timeout)

    def send(self, frame: Bytes, *args: Never, timeout: float | None = None, **pyzmq: Never) -> R:
        """Publish a message of one frame, which subscribers match by prefix; see `publish()`."""
        if args or pyzmq:
            refuse_arguments("send", args, pyzmq)
        return self._send(self._encoding().one_frame(frame), timeout)

    def send_multipart(
        self, frames: Iterable[Bytes], *args: Never, timeout: float | None = None, **pyzmq: Never
    ) -> R:
        """Publish a message of any frames, the first being the topic; see `publish()`.

        Raises:
            ValueError: there are no frames.
        """
        if args or pyzmq:
            refuse_arguments("send_multipart", args, pyzmq)
        return self._send(self._encoding().frames(frames), timeout)

    def send_string(
        self,
        text: str,
        *args: Never,
        encoding: str = "utf-8",
        timeout: float | None = None,
        **pyzmq: Never,
    ) -> R:
        """Publish a `str` as one frame; see `publish()`."""
        if args or pyzmq:
            refuse_arguments("send_string", args, pyzmq)
        if not isinstance(text, str):
            raise TypeError(f"text must be str, not {type(text).__name__}")
        return self.send(text.encode(encoding), timeout=timeout)

    def send_json(
        self,
        value: object,
        *args: Never,
        topic: TopicLike | None = None,
        timeout: float | None = None,
        **pyzmq: Never,
    ) -> R:
        """Publish a value as JSON: one frame, or two with a topic; see `publish()`."""
        if args or pyzmq:
            refuse_arguments("send_json", args, pyzmq)
        return self._send_value(json.dumps(value).encode(), topic, timeout)

    def send_msgpack(
        self,
        value: object,
        *args: Never,
        topic: TopicLike | None = None,
        timeout: float | None = None,
        **pyzmq: Never,
    ) -> R:
        """Publish a value as msgpack: one frame, or two with a topic; see `publish()`."""
        if args or pyzmq:
            refuse_arguments("send_msgpack", args, pyzmq)
        return self._send_value(msgpack.packb(value), topic, timeout)

    def _send_value(self, body: bytes, topic: TopicLike | None, timeout: float | None) -> R:
        if topic is None:
            return self.send(body, timeout=timeout)
        return self.publish(topic, body, timeout=timeout)

    def _encoding(self) -> Encoder:
        raise NotImplementedError

    def _send(self, message: tuple[Wire, Topic], timeout: float | None) -> R:
        raise NotImplementedError


def no_room(timeout: float | None) -> Again:
    """What to raise when there was no room in time."""
    return Again(
        f"no room in the log within {timeout} s: a subscriber does not keep up "
        f"(see subscribers()); nothing was sent"
    )
