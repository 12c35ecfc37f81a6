"""What a subscriber gets: messages, and of what is missing before one of them. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

Kind: TypeAlias = Literal["live", "replayed", "last"]

NUMBER_BYTES = 16

MISSING = "missing"  # numbers are not there that should be, and nobody has said why
RECONNECTED = "reconnected"  # what was published between two connections
EXPIRED = "expired"  # the publisher has them no more, or not for us
RESTARTED = "epoch"  # another publisher is there now: nothing is known of the former's last ones
QUEUE_FULL = "queue full"  # the program has not taken them, and we were told to lose them
TOO_LARGE = "too large"  # above `max_message_bytes`: passed over here, not stored
CONFLATED = "conflated"  # newer messages of the same topics took their place


@dataclass(frozen=True, slots=True)
class Gap:
    """Messages that are missing, as far as it is known."""

    reason: str
    """Why: `missing`, `reconnected`, `expired`, `epoch`, `queue full`, `too large`, or what the
    publisher says, for example `lag` or `conflated`."""

    count: int | None = None
    """How many of those that were wanted are missing; None: not known, perhaps none."""

    first: int | None = None
    """Sequence number of the first of them, or the first that may be one; None: not known."""

    last: int | None = None
    """The same of the last."""

    epoch: int | None = None
    """Of the publisher whose sequence numbers these are; None: it has none."""

    _is_unplaced: bool = field(default=False, repr=False, compare=False)
    # Of a part of it nobody knows where it was; of a restart that says nothing.

    def after(self, other: Gap | None) -> Gap:
        """This gap and an older one, between which nothing came, as one.

        That another publisher is there is what a program must know, whatever else was lost.
        """
        if other is None:
            return self
        reason = RESTARTED if other.reason == RESTARTED else self.reason
        known = self.count is not None and other.count is not None
        count = (self.count or 0) + (other.count or 0) if known else None
        is_bare = other.first is None and other.reason == RESTARTED and not other._is_unplaced
        if self.epoch != other.epoch or is_bare:
            is_nowhere = self._is_unplaced or (self.first is None and self.reason != RESTARTED)
            return Gap(reason, count, self.first, self.last, self.epoch, is_nowhere)
        if self.first is None or other.first is None:  # of one of them nobody knows
            return Gap(reason, count, None, None, self.epoch, _is_unplaced=True)
        return Gap(
            reason,
            count,
            min(self.first, other.first),
            max(self.last or 0, other.last or 0),
            self.epoch,
        )


class Message:
    """A message as it was published. Not to be changed.

    Attributes:
        kind: "live"; or "replayed": it was published before this connection, and sent because we
            have missed it; or "last": when we subscribed it was the last one of its topic.
        gap: what is missing between the message before and this one; None: nothing, as far as is
            known.
    """

    __slots__ = ("_wire",)

    _wire: tuple[bytes, ...]  # the frames as they came

    # Most messages have nothing more to say: they need no room for it, nor time to store it.
    kind: Kind = "live"
    gap: Gap | None = None

    @property
    def topic(self) -> bytes:
        """The first frame."""
        return self._wire[0]

    @property
    def payload(self) -> bytes:
        """The second frame; of a message of one frame, that one."""
        frames = self._wire
        return frames[1] if len(frames) > 1 else frames[0]

    @property
    def frames(self) -> tuple[bytes, ...]:
        """All of it, without the number that a publisher with `sequence_frame` appends."""
        return self._wire

    @property
    def sequence(self) -> int | None:
        """Its number, as `publish()` returned it; None: the publisher does not tell."""
        return None

    @property
    def epoch(self) -> int | None:
        """Which run of the publisher has sent it; None: the publisher does not tell."""
        return None

    @property
    def size(self) -> int:
        """Bytes of its frames, and of its number if it has one."""
        return sum(map(len, self._wire))

    def after(self, gap: Gap) -> Message:
        """The same message, before which this is missing, and then what was missing already."""
        copy = MarkedMessage()
        copy._wire = self._wire
        copy.gap = self.gap.after(gap) if self.gap else gap
        return copy

    def instead(self, gap: Gap | None) -> Message:
        """The same message, before which this is missing, whatever it says itself."""
        copy: Message = object.__new__(_PLAIN.get(type(self), type(self)))
        copy._wire = self._wire
        return copy if gap is None else copy.after(gap)

    def __repr__(self) -> str:
        more = "" if self.sequence is None else f" {self.sequence}"
        gap = "" if self.gap is None else f" after {self.gap}"
        return f"<Message{more} {self.frames!r}{gap}>"


class MarkedMessage(Message):
    """A message with something to say of what is before it."""

    __slots__ = ("gap",)

    gap: Gap | None


class NumberedMessage(Message):
    """A message of a publisher that numbers them: its last frame is the number.

    What is in that is found out when somebody asks: most programs look at topic and payload only.
    """

    __slots__ = ()

    @property
    def payload(self) -> bytes:
        frames = self._wire
        return frames[1] if len(frames) > 2 else frames[0]

    @property
    def frames(self) -> tuple[bytes, ...]:
        return self._wire[:-1]

    @property
    def sequence(self) -> int | None:
        return int.from_bytes(self._wire[-1][8:], "big")

    @property
    def epoch(self) -> int | None:
        return int.from_bytes(self._wire[-1][:8], "big")

    def after(self, gap: Gap) -> Message:
        copy = MarkedNumberedMessage()
        copy._wire = self._wire
        copy.gap = self.gap.after(gap) if self.gap else gap
        return copy


class MarkedNumberedMessage(NumberedMessage):
    """A message with its number, behind a gap."""

    __slots__ = ("gap",)

    gap: Gap | None


class ReplayedMessage(NumberedMessage):
    """One that was published before the connection it came over."""

    __slots__ = ()

    kind = "replayed"

    def after(self, gap: Gap) -> Message:
        copy = MarkedReplayedMessage()
        copy._wire = self._wire
        copy.gap = self.gap.after(gap) if self.gap else gap
        return copy


class MarkedReplayedMessage(ReplayedMessage):
    """A message that was missed and is sent again, behind a gap."""

    __slots__ = ("gap",)

    gap: Gap | None


class LastMessage(Message):
    """One that was the last of its topic when that was subscribed to."""

    __slots__ = ()

    kind = "last"

    def after(self, gap: Gap) -> Message:
        copy = MarkedLastMessage()
        copy._wire = self._wire
        copy.gap = self.gap.after(gap) if self.gap else gap
        return copy


class MarkedLastMessage(LastMessage):
    """A message that is a topic's last value, behind a gap."""

    __slots__ = ("gap",)

    gap: Gap | None


class NumberedLastMessage(NumberedMessage):
    """The same with a number."""

    __slots__ = ()

    kind = "last"

    def after(self, gap: Gap) -> Message:
        copy = MarkedNumberedLastMessage()
        copy._wire = self._wire
        copy.gap = self.gap.after(gap) if self.gap else gap
        return copy


class MarkedNumberedLastMessage(NumberedLastMessage):
    """A message that is a topic's last value, with its number, behind a gap."""

    __slots__ = ("gap",)

    gap: Gap | None


def last_message(frames: tuple[bytes, ...], *, numbered: bool) -> Message:
    """What such a message is, before it has its frames; a number is a last frame of 16 bytes."""
    is_numbered = numbered and len(frames) > 1 and len(frames[-1]) == NUMBER_BYTES
    return NumberedLastMessage() if is_numbered else LastMessage()


_PLAIN: dict[type[Message], type[Message]] = {
    MarkedMessage: Message,
    MarkedNumberedMessage: NumberedMessage,
    MarkedReplayedMessage: ReplayedMessage,
    MarkedLastMessage: LastMessage,
    MarkedNumberedLastMessage: NumberedLastMessage,
}
