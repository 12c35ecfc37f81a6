"""Keyframe requests: the publisher is asked for keyframes that are not there any more. Shell.

Whoever subscribes can bring that about, as often as it likes. So a topic is asked for once a second
at most, and no more topics than some in that time; who comes later asks again. While the publisher
does not read, none is asked for once so many messages wait: what waits is to be bounded by whom a
worker serves, not by how long that takes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fanout.control.messages import KeyframeWanted

if TYPE_CHECKING:
    from collections.abc import Callable

    from fanout.control.channel import Channel

EACH_NS = 1_000_000_000  # of one topic
TOPICS_MAX = 1_024  # in that time: a service that makes one takes about 1 ms


class KeyframeRequests:
    """Its mutable state: which topics were asked for lately, the first one first.

    Args:
        channel: to the coordinator.
        now: monotonic ns.
    """

    def __init__(self, channel: Channel, now: Callable[[], int]) -> None:
        self._channel = channel
        self._now = now
        self._asked: dict[bytes, int] = {}

    def ask(self, topic: bytes) -> None:
        """Ask for a keyframe of this topic, if it was not asked for just now."""
        now, asked = self._now(), self._asked
        while asked and now - asked[first := next(iter(asked))] >= EACH_NS:
            del asked[first]
        if topic in asked or max(len(asked), self._channel.pending) >= TOPICS_MAX:
            return
        asked[topic] = now
        self._channel.post(KeyframeWanted([topic]))
