"""One line among several that bring the same messages, and where it stands. Pure."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

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
        held_bytes, held_since: of these.
        at: key of the last message that it has brought, of those that wait the first.
    """

    __slots__ = ("at", "can_heal", "gap", "held", "held_bytes", "held_since", "is_asking",
                 "is_showing", "is_told", "joined", "number", "skipped", "untold")  # fmt: skip

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
        self.held_since = 0.0
        self.at: Any = None
