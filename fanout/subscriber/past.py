"""A stream with one past more: of what was subscribed to later, from further back. Pure.

What only that subscription wants comes in an order of its own, between what others want, which goes
on where it was; until a mark says that all is one stream again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fanout.subscriber.due import Due
from fanout.subscriber.early import Came
from fanout.subscriber.losses import end_of, values_as_of, values_shown
from fanout.subscriber.message import ReplayedMessage
from fanout.subscriber.parsing import HERE
from fanout.subscriber.shown import Shown
from fanout.subscriber.stream import NUMBER, Stream
from fanout.terms.reserved import RESERVED, SNAPSHOT_TOPIC

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from fanout.subscriber.asks import Ask
    from fanout.subscriber.message import Message
    from fanout.subscriber.parsing import Frames
    from fanout.subscriber.since import Position
    from fanout.terms.introduction import Introduction


class StreamWithPast(Stream):
    """What one publisher sends us, with what was published of one subscription before.

    Attributes:
        is_alone: it is all that the program gets, so that it has to know which last values came.
    """

    def __init__(self, wants: Iterable[bytes], start: bytes | Position = b"") -> None:
        super().__init__(wants, start)
        self._first = None if isinstance(start, bytes) else start
        self.is_alone = True
        self._due = Due()
        self._shown = Shown()  # as long as they would come again over another connection
        self._shown_of: int | None = None  # epoch of these
        self._open = 0  # marks that last values begin, of which the end did not come
        self._is_resumed = False  # others came within the last values that come now

    @property
    def is_showing(self) -> bool:
        """Whether last values come, or will."""
        return bool(self._due) or self._is_last

    def begin(self, introduction: Introduction | None, *, asked: bool = False) -> None:
        super().begin(introduction, asked=asked)
        self._open, self._is_resumed = 0, False

    def take(self, found: Sequence[Frames]) -> list[Message]:
        before = self.position
        if self._shown:  # each may be one of them, that comes again as what was missed
            settled = map(self._settled, found)
            messages = [message for message in settled if message is not None]
        else:
            messages = super().take(found)
        goes_on = self.position != before and not self.is_showing
        if self._shown and goes_on:
            self._shown.passed(self._next - 1)  # so that none comes again
        return messages

    @property
    def origin(self) -> tuple[int, int] | None:
        """From where on all is to come, as `known`; None: some is missing that was not told yet."""
        return None if self.losses.gap is not None else self.known

    def go_to(self, epoch: int, sequence: int) -> None:
        """Go on after this message, which has come elsewhere."""
        self._epoch, self._next, self._told = epoch, sequence + 1, 0
        self._seen = epoch, -1
        self._early = None
        self.losses.told()  # it is of a time before that

    def go_back(self, origin: tuple[int, int] | None) -> None:
        """Go back to where all begins, since nothing has come elsewhere; None: as at first."""
        if origin is None and self._first is not None:
            self.go_to(*self._first)
            return
        self._epoch, self._next, self._told = None, 0, 0
        self._origin = origin
        self._early = None
        self.losses.told()

    def expect_anew(
        self, prefixes: Iterable[bytes], asked: bytes, anew: Collection[bytes] = ()
    ) -> None:
        """A connection has begun that brings last values of these; nobody else does any more.

        Args:
            asked: what it was asked for with them.
            anew: of which of them all last values come, behind the others.
        """
        due = dict.fromkeys((one for one in prefixes if one not in anew), asked)
        self._due = Due(due | dict.fromkeys(sorted(anew), b""))
        if self._shown_of != self.epoch:
            self._shown.clear()
            self._shown_of = self.epoch

    def expect(self, prefix: bytes) -> None:
        """All last values of this come, too: now, or over the next connection."""
        self._due.expect(prefix)

    def is_due(self, prefix: bytes) -> bool:
        """Whether last values of it are still to come, or may be."""
        return prefix in self._due

    def come_in_parts(self) -> None:
        """What was missed comes in any order, though everything is wanted: that is said later."""
        if self._early is None:
            self._early = Came()

    def lacking(self, asked: bytes, epoch: int) -> list[bytes]:
        """Subscriptions of which some would never come if a new connection is asked for that.

        What is asked for says that all is there up to then. Only what was asked for the same before
        would come as it would have then; and who is asked for all there is sends last values, too.

        Args:
            epoch: of the publisher that is asked.
        """
        known = self.known
        if not asked or known is None or known[0] != epoch or not known[1]:
            return []
        return [prefix for prefix, before in self._due.asked.items() if before != asked]

    def hand_over(self) -> dict[bytes, bytes]:
        """The connection is lost: what another one is to bring instead, see `take_over`."""
        due, self._due = self._due, Due()
        return due.asked

    def take_over(self, due: Mapping[bytes, bytes]) -> None:
        """Have the last values come that another connection has not brought to the end."""
        self._due = Due(due)

    def leave(self, prefix: bytes) -> bool:
        self._due.cancel(prefix, is_counted=False)
        return super().leave(prefix)

    def cancel(self, prefix: bytes, *, is_counted: bool = False) -> bool:
        """As `leave`; if it is subscribed to again, all of it comes again.

        Args:
            is_counted: a mark will count it, where its last values end.
        """
        self._due.cancel(prefix, is_counted=is_counted)
        is_left = super().leave(prefix)
        self._shown.forget(prefix, self.wants)
        return is_left

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
        if frames is HERE:
            if back is not None:
                back.is_taken = True
            return None
        is_from_back = back is not None and back.brings_alone(topic)
        is_last = self._is_last and not (self._is_resumed and is_from_back)
        if is_last and self.is_alone and not topic.startswith(RESERVED):
            return self._take_value(frames)
        if (
            back is None
            or is_last
            or not is_from_back
            or len(frames) < 2
            or len(frames[-1]) != NUMBER.size
        ):
            return super()._settled(frames)
        if not back.is_taken:
            self.unwanted += 1
            return None
        _epoch, sequence = NUMBER.unpack(frames[-1])
        if sequence < back.following:
            self.doubles += 1
            return None
        back.following = sequence + 1
        return self._made(frames, ReplayedMessage())

    def _is_next(self, sequence: int, topic: bytes) -> bool:
        return super()._is_next(sequence, topic) and not self._shown.has(topic, sequence)

    def _is_new(self, sequence: int, topic: bytes) -> bool:
        return super()._is_new(sequence, topic) and not self._shown.has(topic, sequence)

    def _take_value(self, frames: Frames) -> Message | None:
        """A last value; a connection before may have been lost in the middle of these."""
        if self._numbered and len(frames) > 1 and len(frames[-1]) == NUMBER.size:
            sequence = NUMBER.unpack(frames[-1])[1]
            early = self._early
            is_early = early is not None and sequence in early
            if is_early or self._shown.has(frames[0], sequence):
                self.doubles += 1
                return None
            if frames[0].startswith(self.wants.together):  # else the program does not get it
                self._shown.add(frames[0], sequence)
        return super()._settled(frames)

    def _begin_there(self, shown: tuple[int, int] | None) -> None:
        """Last values as of this have come: what is older is not asked for by another connection.

        Or it would be sent what a topic was before the last value that it has had.
        """
        origin = self._origin
        if shown is None or origin is None or self.position is not None or self._replayed:
            return
        if origin[0] == shown[0] and origin[1] < shown[1]:
            self._origin = shown

    def _take_marker(self, frames: Frames) -> None:
        self._due.shown(values_shown(frames, len(self._due)))
        self._begin_there(values_as_of(frames))
        end = end_of(frames)
        if end is None or self.back is None or end[0] != self.epoch:
            super()._take_marker(frames)
            if frames[0] == SNAPSHOT_TOPIC:
                self._open_or_close(begins=self._is_last)
            return
        epoch, at = end
        self.back, self._early = None, None
        if self._epoch != epoch:
            self._epoch, self._next, self._told = epoch, 0, 0
        self._pass(at)

    def _open_or_close(self, *, begins: bool) -> None:
        """Last values begin, or end.

        Those of what is asked for from further back come at once, in the middle of others; then
        what was published of that comes, and the rest of the others behind it.
        """
        self._open = self._open + 1 if begins else max(0, self._open - 1)
        self._is_last = self._open > 0
        self._is_resumed = self._is_last and not begins
