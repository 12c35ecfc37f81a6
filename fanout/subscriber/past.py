"""A stream with one past more: of what was subscribed to later, from further back. Pure.

What only that subscription wants comes in an order of its own, between what others want, which goes
on where it was; until a mark says that all is one stream again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fanout.reserved import RESERVED
from fanout.subscriber.losses import end_of, values_shown
from fanout.subscriber.message import ReplayedMessage
from fanout.subscriber.stream import NUMBER, Stream

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fanout.subscriber.asks import Ask
    from fanout.subscriber.message import Message
    from fanout.subscriber.parsing import Frames
    from fanout.subscriber.since import Position


class StreamWithPast(Stream):
    """What one publisher sends us, with what was published of one subscription before.

    Attributes:
        values_due: subscriptions of which last values are still to come, as long as the publisher
            has not said that these were all.
    """

    def __init__(self, wants: Iterable[bytes], start: bytes | Position = b"") -> None:
        super().__init__(wants, start)
        self.values_due = 0

    @property
    def is_showing(self) -> bool:
        """Whether last values come, or will."""
        return self.values_due > 0 or self._is_last

    def go_further_back(self, ask: Ask) -> None:
        """Subscribe to something of which all is to come from further back, until a mark."""
        ask.covered = (*self.wants,)
        self.back = ask
        self.want(ask.prefix)

    def interrupt(self) -> Ask | None:
        """The connection is lost; what is to be asked for again, and not wanted until then."""
        ask, self.back = self.back, None
        if ask is None:
            return None
        ask.interrupt(self.epoch)
        return ask if self.leave(ask.prefix) else None

    def _settled(self, frames: Frames) -> Message | None:
        back, topic = self.back, frames[0]
        if (
            back is None
            or self._is_last
            or topic.startswith((RESERVED, *back.covered))
            or len(frames) < 2
            or len(frames[-1]) != NUMBER.size
        ):
            return super()._settled(frames)
        _epoch, sequence = NUMBER.unpack(frames[-1])
        if sequence < back.following:
            self.doubles += 1
            return None
        back.following = sequence + 1
        return self._made(frames, ReplayedMessage())

    def _take_marker(self, frames: Frames) -> None:
        self.values_due = max(0, self.values_due - values_shown(frames, self.values_due))
        end = end_of(frames)
        if end is None or self.back is None or end[0] != self.epoch:
            super()._take_marker(frames)
            return
        epoch, at = end
        self.back, self._early = None, None
        if self._epoch != epoch:
            self._epoch, self._next, self._told = epoch, 0, 0
        self._next = max(self._next, at)
