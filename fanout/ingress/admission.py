"""Which topics producers may publish on, and the send path's `Topic` of each. Pure.

A topic is looked at once, when it is first met; then it is found in a dict. That is emptied
whenever the publisher's own table has dropped a generation: so it is bounded as that one is, and
holds no topic that the publisher has forgotten for long.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fanout.send.topics import NOT_INTERNED, UNKNOWN, Topic
from fanout.send.wire import INTERN_BYTES_MAX
from fanout.terms.reserved import RESERVED
from fanout.zmtp import RemoteProtocolError
from fanout.zmtp.commands import printable

if TYPE_CHECKING:
    from collections.abc import Callable

    from fanout.send.topics import TopicTable


class ForbiddenTopicError(RemoteProtocolError):
    """The producer publishes where it may not; the text says on which topic."""


class Admission:
    """The topics of one endpoint. Owned by one thread.

    Args:
        topics: those that were published lately.
        intern: adds one to them, and returns it.
        allowed: prefixes of the topics that may be published on; None = any.

    Attributes:
        known: topics that were looked at, and may be published on.
        takes_any: whether a message of one frame needs no look, if it is on no reserved topic.
    """

    def __init__(
        self,
        topics: TopicTable,
        intern: Callable[[bytes], Topic],
        allowed: tuple[bytes, ...] | None,
    ) -> None:
        self.known: dict[bytes, Topic] = {}
        self.takes_any = allowed is None
        self._topics = topics
        self._generation = topics.young
        self._intern = intern
        self._allowed = allowed

    def refresh(self) -> None:
        """Forget what the publisher has forgotten; before `known` is looked into."""
        if self._topics.young is not self._generation:
            self._generation = self._topics.young
            self.known.clear()

    def topic_of(self, name: bytes, *, is_alone: bool) -> Topic:
        """The topic of a message, by its first frame.

        Args:
            is_alone: that is its only frame, and as good as never the same again.

        Raises:
            ForbiddenTopicError: it may not be published on.
        """
        if name.startswith(RESERVED):
            raise ForbiddenTopicError(f'publishes on the reserved topic "{printable(name)}"')
        if self._allowed is not None and not name.startswith(self._allowed):
            raise ForbiddenTopicError(
                f'publishes on the topic "{printable(name)}", which allowed_topics does not have'
            )
        if is_alone:
            return UNKNOWN
        if len(name) > INTERN_BYTES_MAX:
            return Topic(NOT_INTERNED, name)
        topic = self._intern(name)
        self.refresh()  # that may have dropped a generation
        self.known[name] = topic
        return topic
