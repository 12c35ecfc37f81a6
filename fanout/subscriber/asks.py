"""What is subscribed to while a connection is up, with what was published of it before. Pure.

A publisher sends that behind where it stood: messages that only this subscription wants come from
further back, each once and in order, between others that go on in theirs. It tells where that ends,
by a mark; from there on all is one stream again. One subscription at a time is asked for so, since
a mark says nothing of what it stands for.

If the connection is lost before, it is asked for again, from behind the last message that came of
it; the rest of the subscriptions first.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fanout.subscriber.since import SINCE
from fanout.terms.reserved import RESERVED

if TYPE_CHECKING:
    from fanout.subscriber.since import Position

LOOKED_AT_MAX = 64  # of those that wait, for each that comes: a list is to cost its length


@dataclass(slots=True)
class Ask:
    """One subscription, and from where on it is wanted.

    Attributes:
        start: a position, or what is asked for without one; b"" = nothing is any more.
        covered: what was subscribed to when it was said: that does not come again.
        following: number of the next message that may come of it alone; 0 = none has come.
        is_taken: the publisher has answered, so that what comes is of it: before, what only it
            matches was on its way for something that is wanted no more.
        is_again: it was asked for before, over another connection.
        is_plain: it wants what is published from then on, and waits for an earlier one, of which
            it would have cut off what was published before.
    """

    prefix: bytes
    start: bytes | Position
    covered: tuple[bytes, ...] = ()
    following: int = 0
    is_taken: bool = False
    is_again: bool = False
    is_plain: bool = False

    @property
    def said(self) -> bytes:
        """How a publisher is asked."""
        if isinstance(self.start, bytes):
            return self.start
        return SINCE + b"%016x:%d" % self.start

    def brings_alone(self, topic: bytes) -> bool:
        """Whether only this matches it, and nothing that was wanted when it was said."""
        return not topic.startswith((RESERVED, *self.covered))

    def interrupt(self, epoch: int | None) -> None:
        """The connection is lost: what did not come is to be asked for over the next one."""
        self.is_again = True
        if self.following and epoch is not None:
            self.start = epoch, self.following - 1
        self.following, self.is_taken = 0, False


def overlap(prefix: bytes, other: bytes) -> bool:
    """Whether some messages match both."""
    return prefix.startswith(other) or other.startswith(prefix)


class Asks:
    """Those of one subscriber that are not said yet, or were interrupted. Owned by one thread."""

    def __init__(self) -> None:
        self._waiting: OrderedDict[bytes, Ask] = OrderedDict()  # by their prefixes

    def __contains__(self, prefix: bytes) -> bool:
        return prefix in self._waiting

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, prefix: bytes, start: bytes | Position) -> None:
        """This is to be asked for, after those that wait."""
        self._waiting[prefix] = Ask(prefix, start)

    def add_plain(self, prefix: bytes, start: bytes) -> None:
        """This is to be said, after those that wait; it is as if it had been since `start`."""
        self._waiting[prefix] = Ask(prefix, start, is_again=True, is_plain=True)

    def begin(self, start: bytes) -> None:
        """A connection begins, with what is wanted there: from here on, if not from before."""
        for ask in self._waiting.values():
            if ask.is_plain and not ask.start:
                ask.start = start

    def overlaps(self, prefix: bytes) -> bool:
        """Whether one that waits wants some of the same; of many nobody looks, and one may."""
        is_many = len(self._waiting) > LOOKED_AT_MAX
        return is_many or any(overlap(prefix, other) for other in self._waiting)

    def put_back(self, ask: Ask) -> None:
        """It was interrupted: it is the next."""
        self._waiting[ask.prefix] = ask
        self._waiting.move_to_end(ask.prefix, last=False)

    def leave(self, prefix: bytes) -> bool:
        """It is not wanted any more; False if it does not wait."""
        return self._waiting.pop(prefix, None) is not None

    def take(self) -> Ask | None:
        """The next one, which does not wait any more; None: there is none."""
        return self._waiting.popitem(last=False)[1] if self._waiting else None
