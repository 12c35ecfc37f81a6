"""A stream that gets over messages which are too large to be kept, and tells of them. Pure.

Such a message is numbered as all others, and counts as come: nobody is asked for it again, or it
would come again at each reconnect, and nothing behind it ever. What is missing by that is told with
the message behind it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fanout.subscriber.message import TOO_LARGE, Gap, NumberedMessage, ReplayedMessage
from fanout.subscriber.past import StreamWithPast
from fanout.subscriber.skimming import Passed, TooLarge
from fanout.subscriber.stream import NUMBER, Stream

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fanout.subscriber.message import Message
    from fanout.subscriber.parsing import Frames
    from fanout.subscriber.since import Position


class PassingStream(StreamWithPast):
    """What one publisher sends us, with gaps where a message was too large.

    Attributes:
        too_large: how many there were.
    """

    def __init__(self, wants: Iterable[bytes], start: bytes | Position = b"") -> None:
        super().__init__(wants, start)
        self.too_large = 0
        self._values = 0  # of these, last values that nobody was told of, nor is by the next one

    def untold_values(self) -> Gap | None:
        """Last values that were too large, to be told, whichever line brings the next message.

        They have no place in the order of all, and do not come again over another line.
        """
        count, self._values = self._values, 0
        return Gap(TOO_LARGE, count, epoch=self.epoch) if count else None

    def _settled(self, frames: Frames) -> Message | None:
        if not isinstance(frames, TooLarge):
            return super()._settled(frames)
        passed = frames.passed
        return super()._settled(passed) if passed[0] else self._settled_unknown(passed)

    def _settled_unknown(self, frames: Passed) -> Message | None:
        """Take one whose topic is not known: it says of no subscription how far it has come.

        Whoever asks again from before it is told of it twice, and of nothing never.
        """
        back, former = self.back, self._former
        if self._is_last:
            return Stream._settled(self, frames)
        if back is None or b"" in back.covered or len(frames) == 1:
            was_open = self._is_open
            message = super()._settled(frames)
            if former and not was_open:  # it may be of those: it does not say that all comes now
                self._former = former
            return message
        _epoch, sequence = NUMBER.unpack(frames[-1])
        if sequence < min(self._next, back.following):
            self.doubles += 1
            return None
        return self._made(frames, ReplayedMessage())

    def _made(self, frames: Frames, message: Message) -> Message | None:
        if not isinstance(frames, Passed):
            return super()._made(frames, message)
        if frames[0] and not frames[0].startswith(self.wants.together):
            self.unwanted += 1
            return None
        self.too_large += 1
        is_last = message.kind == "last"
        is_placed = isinstance(message, NumberedMessage) and not is_last
        if is_last and not self.is_alone:
            self._values += 1
            return None
        epoch, sequence = NUMBER.unpack(frames[-1]) if is_placed else (self.epoch, None)
        self.losses.add_for_good(Gap(TOO_LARGE, 1, sequence, sequence, epoch))
        if is_placed and self._next == sequence + 1:
            self.losses.keep()  # nobody is asked for what is before it either
        return None
