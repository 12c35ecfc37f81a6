"""One line among several that bring the same messages, and where it stands. Pure."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from fanout.subscriber.message import CONFLATED

if TYPE_CHECKING:
    from fanout.subscriber.message import Gap, Message


class Member:
    """A line that is up, and where it stands. Owned by its `Run`.

    Attributes:
        joined: all that is wanted has come up to where it stands.
        is_asking: it brings what was missed, in any order: nobody else brings anything then.
        is_showing: it brings last values, or will: nobody else brings anything before these.
        is_told: it is to confirm first that it knows what is subscribed to.
        skipped: key of the last message that was left to others; None = none yet.
        gap: what may be missing before its next message, whatever it says itself.
        untold: what newer messages have taken the place of, told with a double; None: nothing.
        held: messages that wait for others to pass a gap before the first of them.
        held_bytes: of these.
        held_since: when the first of them came; the others with a gap have each its own time.
        at: key of the last message that it has brought, of those that wait the first.
    """

    __slots__ = ("_since", "at", "can_heal", "gap", "held", "held_bytes", "is_asking", "is_showing",
                 "is_told", "joined", "number", "skipped", "untold")  # fmt: skip

    def __init__(self, number: int, *, can_heal: bool) -> None:
        self.number = number
        self.can_heal = can_heal
        self.joined = False
        self.is_asking = False
        self.is_showing = False
        self.is_told = True
        self.skipped: Any = None
        self.gap = False
        self.untold: Gap | None = None
        self.held: deque[Message] = deque()
        self.held_bytes = 0
        self._since: deque[float] = deque()  # when those came that are behind a gap
        self.at: Any = None

    @property
    def held_since(self) -> float:
        return self._since[0]

    def hold(self, message: Message, now: float) -> None:
        """It waits, with all that comes behind it; the first that does is behind a gap."""
        self.held.append(message)
        self.held_bytes += message.size
        if is_behind_gap(message):
            self._since.append(now)

    def release(self) -> Message:
        """The first of those that wait does not any more."""
        message = self.held.popleft()
        self.held_bytes -= message.size
        if is_behind_gap(message):
            self._since.popleft()
        return message

    def let_go(self) -> None:
        """None does."""
        self.held.clear()
        self._since.clear()
        self.held_bytes = 0

    def wait_anew(self, now: float) -> None:
        """Nobody could bring anything up to now."""
        self._since = deque([now] * len(self._since))


def is_behind_gap(message: Message) -> bool:
    """Whether something is missing before it that others may bring."""
    return message.gap is not None and message.gap.reason != CONFLATED
