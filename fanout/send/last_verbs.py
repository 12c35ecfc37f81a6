"""What a publisher can be asked of its last values, in both faces."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from fanout.errors import ConfigError
from fanout.send.keyframes import as_keyframe, in_pieces
from fanout.terms.arguments import as_topic
from fanout.terms.awaiting import PUBLISHER, refuse_await
from fanout.terms.refusals import name_as

if TYPE_CHECKING:
    from fanout.send.kept_path import KeptPath, LastValue
    from fanout.send.path import SendPath
    from fanout.send.topics import Topic
    from fanout.send.wire import Wire
    from fanout.terms.arguments import TopicLike


class LastVerbs:
    """For the blocking publisher."""

    __slots__ = ()

    def last(self, topic: TopicLike) -> LastValue | None:
        """The last message of a topic, as one that subscribes to it now would get it.

        It sees what this thread has published. It needs `last_values`.

        Returns:
            Its sequence and frames; None = there is none: nothing of two frames and more was
            published, or it was forgotten, evicted, or is older than `max_age`.

        Raises:
            TypeError: the topic is neither text nor bytes.
            ConfigError: this publisher keeps no last values.
            ClosedError, ForkedError, PoisonedError, NestedSendError: as `publish()`.
        """
        refuse_await(PUBLISHER)
        return _kept(self._values_path()).last(as_topic(topic))

    def forget(self, topic: TopicLike) -> bool:
        """Have no last message of a topic until it is published again.

        Who subscribes from now on gets none; who has it is told nothing.

        Returns:
            Whether there was one.

        Raises:
            As `last()`; nothing was forgotten.
        """
        refuse_await(PUBLISHER)
        return _kept(self._values_path()).forget(as_topic(topic))

    def _keyframe(self, wire: Wire, topic: Topic) -> tuple[Wire, Topic]:
        return in_pieces(wire), as_keyframe(self._values_path(), topic)

    def _values_path(self) -> SendPath:
        raise NotImplementedError


class AwaitedLastVerbs:
    """For the one of asyncio; neither of them waits."""

    __slots__ = ()

    async def last(self, topic: TopicLike) -> LastValue | None:
        """The last message of a topic, or None; see `fanout.Publisher.last()`."""
        return _kept(self._values_path()).last(as_topic(topic))

    async def forget(self, topic: TopicLike) -> bool:
        """Have no last message of a topic any more; see `fanout.Publisher.forget()`."""
        return _kept(self._values_path()).forget(as_topic(topic))

    def _keyframe(self, wire: Wire, topic: Topic) -> tuple[Wire, Topic]:
        return in_pieces(wire), as_keyframe(self._values_path(), topic)

    def _values_path(self) -> SendPath:
        raise NotImplementedError


def _kept(path: SendPath) -> KeptPath:
    if path.keeps_values:
        return cast("KeptPath", path)
    path.gate.check_use()
    raise ConfigError("this publisher keeps no last values: make it with last_values=LastValues()")


name_as("Publisher", LastVerbs)
name_as("Publisher", AwaitedLastVerbs)
