"""The verbs that send, for the blocking publisher and for the asyncio one.

Most messages are of one or two frames of bytes. Each verb turns what it is given into such a one
with as few calls as there can be, and hands it to `publish()` or `send()` of the same publisher,
which append it at once; only what is not so simple takes the long way round, by the `Encoder`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

from fanout.errors import Again, ConfigError
from fanout.send.keyframes import NO_TOPIC
from fanout.send.wire import SEQUENCES, as_json, as_msgpack
from fanout.terms.refusals import NotASocket, name_as, refuse_arguments, refuse_encoding

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fanout.send.topics import Topic
    from fanout.send.wire import Encoder, Wire
    from fanout.statistics import InTheWay
    from fanout.terms.arguments import Bytes, TopicLike
    from fanout.terms.refusals import NotHere

R = TypeVar("R")

SECONDS = (float, int)  # types of a timeout that needs no further look, unless it is below 0


class Verbs(NotASocket, Generic[R]):
    """Encodes arguments and hands them on; how to wait for room is the subclass's business.

    `R` is what a verb returns: a sequence number, or an awaitable of one. All of them raise what
    `fanout.Publisher.publish()` does. Those that pyzmq has too take its further arguments only to
    say what to do instead. (They are spelled out: `*args` and `**keywords` would make a tuple and a
    dict for each call. Where a value is encoded, the empty dict does not matter.)
    """

    __slots__ = ()

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
    ) -> R:
        """Publish a message of two frames, topic and payload; see `fanout.Publisher.publish()`."""
        if flags is not None or copy is not None or track is not None:
            refuse_arguments("publish", flags, copy, track)
        message = self._encoding().two_frames(topic, payload)
        return self._send(self._keyframe(*message) if keyframe else message, timeout)

    def send(
        self,
        frame: Bytes,
        flags: NotHere | None = None,
        copy: NotHere | None = None,
        track: NotHere | None = None,
        *,
        timeout: float | None = None,
    ) -> R:
        """Publish a message of one frame, which subscribers match by prefix; see `publish()`."""
        if flags is not None or copy is not None or track is not None:
            refuse_arguments("send", flags, copy, track)
        return self._send(self._encoding().one_frame(frame), timeout)

    def send_multipart(
        self,
        frames: Iterable[Bytes],
        flags: NotHere | None = None,
        copy: NotHere | None = None,
        track: NotHere | None = None,
        *,
        keyframe: bool = False,
        timeout: float | None = None,
    ) -> R:
        """Publish a message of any frames, the first being the topic; see `publish()`.

        Raises:
            ValueError: there are no frames.
        """
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
                    return self.publish(topic, payload, timeout=timeout)
            elif count == 1:
                [frame] = frames
                if type(frame) is bytes:
                    return self.send(frame, timeout=timeout)
        if flags is not None or copy is not None or track is not None:
            refuse_arguments("send_multipart", flags, copy, track)
        message = self._encoding().frames(frames)
        return self._send(self._keyframe(*message) if keyframe else message, timeout)

    def send_string(
        self,
        text: str,
        flags: NotHere | None = None,
        copy: NotHere | None = None,
        track: NotHere | None = None,
        *,
        encoding: str = "utf-8",
        timeout: float | None = None,
    ) -> R:
        """Publish a `str` as one frame; see `publish()`."""
        if flags is not None or copy is not None or track is not None:
            refuse_arguments("send_string", flags, copy, track)
        if not isinstance(text, str):
            raise TypeError(f"text must be str, not {type(text).__name__}")
        if timeout is None:  # without keywords it is compiled, see `_send_on()`
            return self.send(text.encode(encoding))
        return self.send(text.encode(encoding), timeout=timeout)

    def send_json(
        self,
        value: object,
        flags: NotHere | None = None,
        copy: NotHere | None = None,
        track: NotHere | None = None,
        *,
        topic: TopicLike | None = None,
        keyframe: bool = False,
        timeout: float | None = None,
        **unknown: NotHere,
    ) -> R:
        """Publish a value as JSON: one frame, or two with a topic; see `publish()`.

        Raises:
            ValueError: it holds NaN or infinity, for which JSON has no word, or itself.
        """
        if flags is not None or copy is not None or track is not None:
            refuse_arguments("send_json", flags, copy, track)
        if unknown:
            refuse_encoding("send_json", "json.dumps", unknown)
        if timeout is None and not keyframe:
            body = as_json(value)
            return self.send(body) if topic is None else self.publish(topic, body)
        return self._send_on(topic, as_json(value), keyframe, timeout)

    def send_msgpack(
        self,
        value: object,
        flags: NotHere | None = None,
        copy: NotHere | None = None,
        track: NotHere | None = None,
        *,
        topic: TopicLike | None = None,
        keyframe: bool = False,
        timeout: float | None = None,
        **unknown: NotHere,
    ) -> R:
        """Publish a value as msgpack: one frame, or two with a topic; see `publish()`."""
        if flags is not None or copy is not None or track is not None:
            refuse_arguments("send_msgpack", flags, copy, track)
        if unknown:
            refuse_encoding("send_msgpack", "msgpack.packb", unknown)
        if timeout is None and not keyframe:
            body = as_msgpack(value)
            return self.send(body) if topic is None else self.publish(topic, body)
        return self._send_on(topic, as_msgpack(value), keyframe, timeout)

    def _send_on(
        self, topic: TopicLike | None, body: bytes, keyframe: bool, timeout: float | None
    ) -> R:
        """With keywords, which no compiled verb takes: so what is usual does not come by here."""
        if topic is not None:
            return self.publish(topic, body, keyframe=keyframe, timeout=timeout)
        if keyframe:
            raise nameless()
        return self.send(body, timeout=timeout)

    def _encoding(self) -> Encoder:
        raise NotImplementedError

    def _keyframe(self, wire: Wire, topic: Topic) -> tuple[Wire, Topic]:
        """This message as a keyframe is published.

        Raises:
            ConfigError: there are none; nothing was sent.
        """
        raise NotImplementedError

    def _send(self, message: tuple[Wire, Topic], timeout: float | None) -> R:
        raise NotImplementedError


name_as("Publisher", Verbs)


def nameless() -> ConfigError:
    """What to raise when a keyframe has no topic."""
    return ConfigError(f"{NO_TOPIC}: say topic=...; nothing was sent")


def no_room(timeout: float | None, who: InTheWay | None) -> Again:
    """What to raise when there was no room in time.

    Args:
        who: is in the way, as far as is known.
    """
    why = f"no room in the log within {timeout} s"
    what = f"{who} does not keep up, and has the policy 'block'"
    if who is None:
        what = "a subscriber that may block, or a worker, does not keep up (see subscribers())"
        what += ", or a lost worker is being replaced"
    elif who.over:
        why, what = f"held up for {timeout} s", f"{who} is at a limit of its policy ({who.over})"
    error = Again(f"{why}: {what}; nothing was sent")
    error.subscriber = None if who is None else who.id
    return error
