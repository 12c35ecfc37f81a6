"""Publishing: the verbs that send of the blocking publisher, from their arguments to the send path.

The usual message is appended at once; only what is not so simple takes the long way round.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fanout.send.attempt import NO_SPACE, attempt_message
from fanout.send.last_verbs import LastVerbs
from fanout.send.verbs import SECONDS, Verbs
from fanout.send.wire import ORDINARY
from fanout.terms.arguments import as_timeout
from fanout.terms.refusals import name_as, refuse_arguments

if TYPE_CHECKING:
    from fanout.send.own_batches import OwnBatches
    from fanout.send.path import SendPath
    from fanout.send.topics import Topic
    from fanout.send.waiting import Waiter
    from fanout.send.wire import Wire
    from fanout.terms.arguments import Bytes, TopicLike
    from fanout.terms.refusals import NotHere


class Publishing(LastVerbs, Verbs[int]):
    """Appends by `_path`, which is that of the publisher, or of its open batches."""

    __slots__ = ()
    _path: SendPath | OwnBatches[Any]
    _own: OwnBatches[Any]
    _waiter: Waiter

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
    ) -> int:
        """Publish a message of two frames, topic and payload.

        It costs the same for any number of subscribers and waits for none of them, unless
        `slow_policy="block"`.

        Args:
            topic: what subscribers match by prefix; `str` is encoded as UTF-8.
            payload: copied before this returns.
            keyframe: who comes later gets the last one and all since then; needs `last_values`.
            timeout: seconds to wait for room in the log, 0 or more, `math.inf` too; None = as long
                as it takes, which ends when the slowest subscriber has been evicted
                (`send_timeout`).

        Returns:
            Its sequence number: 0 for the first message, then one more for each.

        Raises:
            TypeError: an argument is of a wrong type; the text names it. Nothing was sent.
            ValueError: `timeout` is below 0, or NaN. Nothing was sent.
            ConfigError: the topic is reserved (`\\0fanout.`) or has no keyframes. Nothing was sent.
            MessageTooLarge, Again, ClosedError, BrokenError, PoisonedError: nothing was sent.
            Anything that interrupts from outside (KeyboardInterrupt): sent whole or not at all.
        """
        if (
            type(topic) is bytes
            and type(payload) is bytes
            and not keyframe
            and flags is None
            and copy is None
            and track is None
            and (timeout is None or (type(timeout) in SECONDS and timeout >= 0))
        ):
            sequence = self._path.append(payload, topic)  # a method that is kept costs 2 % more
            if sequence != NO_SPACE:
                return sequence
        elif flags is not None or copy is not None or track is not None:
            refuse_arguments("publish", flags, copy, track)
        elif type(topic) is str:
            return self.publish(topic.encode(), payload, keyframe=keyframe, timeout=timeout)
        # Not super(): a function that has it in it is dearer to call.
        return Verbs.publish(self, topic, payload, keyframe=keyframe, timeout=timeout)

    def send(
        self,
        frame: Bytes,
        flags: NotHere | None = None,
        copy: NotHere | None = None,
        track: NotHere | None = None,
        *,
        timeout: float | None = None,
    ) -> int:
        """Publish a message of one frame, which subscribers match by prefix; see `publish()`."""
        if (
            type(frame) is bytes
            and frame >= ORDINARY  # else it may be on a reserved topic
            and flags is None
            and copy is None
            and track is None
            and (timeout is None or (type(timeout) in SECONDS and timeout >= 0))
        ):
            sequence = self._path.append(frame, None)
            if sequence != NO_SPACE:
                return sequence
        return Verbs.send(self, frame, flags, copy, track, timeout=timeout)

    def _send(self, message: tuple[Wire, Topic], timeout: float | None) -> int:
        wire, topic = message
        if timeout is None and type(wire) is bytes:  # the usual case, without an attempt
            sequence = self._path.append(wire, topic)
        else:
            self._own.warn()
            as_timeout(timeout)  # before anything is sent
            sequence = attempt_message(self._values_path(), wire, topic).append()
        if sequence != NO_SPACE:
            return sequence
        return self._waiter.send(attempt_message(self._values_path(), wire, topic), timeout)


name_as("Publisher", Publishing)
