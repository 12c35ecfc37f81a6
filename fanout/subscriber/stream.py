"""From frames to messages: what is wanted, where the stream stands, what is missing in it. Pure.

A publisher with `sequence_frame` ends each message in its epoch and its number. Who wants
everything sees each number that is missing. Who wants some topics sees holes that are none: there
only the publisher's markers tell what was lost, and of the time between two connections nobody can.

What one read brought is looked at as a whole: mostly its numbers are as they should be. If they are
not, it is taken message by message.
"""

from __future__ import annotations

import struct
from itertools import islice
from operator import itemgetter, lt
from typing import TYPE_CHECKING, Any

import msgpack

from fanout.reserved import GAP_TOPIC, RESERVED
from fanout.subscriber.message import (
    MISSING,
    RECONNECTED,
    RESTARTED,
    Gap,
    Message,
    NumberedMessage,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from fanout.introduction import Introduction
    from fanout.subscriber.parsing import Frames

NUMBER = struct.Struct(">QQ")  # epoch and sequence, as `sequence_frame` has them
MARKER_BYTES_MAX = 4096  # ours have some 60; a stranger's may be anything
_ORDINARY = RESERVED[:-1] + bytes((RESERVED[-1] + 1,))  # topics from here on are not reserved
_last = itemgetter(-1)


class Stream:
    """What one publisher sends us, over one connection after another. Owned by one thread.

    Attributes:
        wants: prefixes that are subscribed to; to be changed by `want` and `leave`.
        unwanted: messages that came though nobody wants them any more.
        doubles: messages that came though they had come before.
        missing: messages that are missing for certain.
        holes: gaps in which nobody knows how many messages are missing.
    """

    def __init__(self, wants: Iterable[bytes]) -> None:
        self.wants = set(wants)
        self.unwanted = 0
        self.doubles = 0
        self.missing = 0
        self.holes = 0
        self._prefixes = tuple(self.wants)
        self._numbered = False
        self._seen: tuple[int | None, int] | None = None  # epoch and head at the last handshake
        self._epoch: int | None = None  # of the last message that had a number
        self._next = 0  # number of the message that comes next if none is missing
        self._told = 0  # up to this number the publisher has told what is missing
        self._gap: Gap | None = None  # what is missing before the next message
        self._is_open = False  # what was published since the last connection may be missing

    @property
    def position(self) -> tuple[int, int] | None:
        """Epoch and sequence number of the last message that came; None: not known."""
        return None if self._epoch is None or not self._next else (self._epoch, self._next - 1)

    def want(self, prefix: bytes) -> bool:
        """Subscribe; False if it was subscribed to already."""
        if prefix in self.wants:
            return False
        self.wants.add(prefix)
        self._prefixes = tuple(self.wants)
        if not prefix:
            self._epoch = None  # what was published before that is not missing
        return True

    def leave(self, prefix: bytes) -> bool:
        """Cancel; False if it was not subscribed to."""
        if prefix not in self.wants:
            return False
        self.wants.remove(prefix)
        self._prefixes = tuple(self.wants)
        return True

    def begin(self, introduction: Introduction | None) -> None:
        """A connection begins: of a publisher that has said this of itself, or nothing."""
        self._numbered = introduction is not None and introduction.sequence
        epoch = None if introduction is None else introduction.epoch
        before = self._seen
        self._seen = epoch, 0 if introduction is None else introduction.head
        if before is None or (epoch is not None and before == self._seen):
            return  # nothing was published meanwhile, if this is not the first connection
        if before[0] != epoch and None not in (before[0], epoch):
            self._add(Gap(RESTARTED, epoch=epoch))
        elif self._numbered and self._epoch is not None:
            self._is_open = True
            return
        else:
            self._add(Gap(RECONNECTED, epoch=epoch))
        self._epoch = None

    def take(self, found: Sequence[Frames]) -> list[Message]:
        """The messages of a read, as the program gets them."""
        if found and self._gap is None and not self._is_open:
            messages = self._take_numbered(found) if self._numbered else self._take_others(found)
            if messages is not None:
                return messages
        settled = map(self._settled, found)
        return [message for message in settled if message is not None]

    def _take_numbered(self, found: Sequence[Frames]) -> list[Message] | None:
        """Take them if all are in order; None if not."""
        numbers = b"".join(map(_last, found))
        count = len(found)
        if len(numbers) != NUMBER.size * count:
            return None
        words = struct.unpack(f">{2 * count}Q", numbers)
        sequences, epoch, wants_all = words[1::2], self._epoch, b"" in self.wants
        if epoch is None or words[::2].count(epoch) != count:
            return None
        first = sequences[0]
        if wants_all:
            if first != self._next or sequences != tuple(range(first, first + count)):
                return None
        elif first < self._next or not all(map(lt, sequences, islice(sequences, 1, None))):
            return None
        self._next = sequences[-1] + 1
        messages: list[Message] = []
        add, new, kind, prefixes = messages.append, object.__new__, NumberedMessage, self._prefixes
        for frames in found:
            if wants_all or frames[0].startswith(prefixes):
                message = new(kind)
                message._wire = frames
                add(message)
        self.unwanted += count - len(messages)
        return messages

    def _take_others(self, found: Sequence[Frames]) -> list[Message] | None:
        """Take them if none is of the reserved topics; None if one is."""
        messages: list[Message] = []
        add, new, kind = messages.append, object.__new__, Message
        wants_all, prefixes, ordinary = b"" in self.wants, self._prefixes, _ORDINARY
        for frames in found:
            topic = frames[0]
            if topic < ordinary and topic.startswith(RESERVED):
                return None
            if wants_all or topic.startswith(prefixes):
                message = new(kind)
                message._wire = frames
                add(message)
        self.unwanted += len(found) - len(messages)
        return messages

    def _settled(self, frames: Frames) -> Message | None:
        """Take one that may be the first after something, or out of order; None: it is nothing."""
        if frames[0].startswith(RESERVED) and self._seen is not None and self._seen[0] is not None:
            self._take_marker(frames)
            return None
        if not self._numbered or len(frames) < 2 or len(frames[-1]) != NUMBER.size:
            return self._made(frames, Message())
        epoch, sequence = NUMBER.unpack(frames[-1])
        if self._epoch != epoch:
            self._epoch, self._next, self._told = epoch, sequence, 0
        if sequence < self._next:
            self.doubles += 1
            return None
        self._miss(sequence)
        self._is_open = False
        self._next = sequence + 1
        return self._made(frames, NumberedMessage())

    def _miss(self, sequence: int) -> None:
        """All before this number has come, or is missing."""
        first = max(self._next, self._told)
        wants_all = b"" in self.wants
        if first < sequence and (wants_all or self._is_open):
            reason = RECONNECTED if self._is_open else MISSING
            count = sequence - first if wants_all else None
            self._add(Gap(reason, count, first, sequence - 1, self._epoch))

    def _made(self, frames: Frames, message: Message) -> Message | None:
        """A message if it is wanted, with what is missing before it."""
        if not frames[0].startswith(self._prefixes):
            self.unwanted += 1
            return None
        message._wire = frames
        gap, self._gap = self._gap, None
        return message if gap is None else message.after(gap)

    def _take_marker(self, frames: Frames) -> None:
        """Take what the publisher says of what is missing, if it can be understood."""
        if frames[0] != GAP_TOPIC or len(frames) != 2 or len(frames[1]) > MARKER_BYTES_MAX:
            return
        try:
            said: Any = msgpack.unpackb(frames[1])
            epoch, first, last, count = (
                int(said[key]) for key in ("epoch", "first", "last", "count")
            )
            reason = str(said["reason"])
        except (ValueError, TypeError, LookupError):
            return
        if self._seen is None or epoch != self._seen[0]:
            return
        self._told = max(self._told, last + 1)
        self._add(Gap(reason, count, first, last, epoch))

    def _add(self, gap: Gap) -> None:
        if gap.count is None:
            self.holes += 1
        else:
            self.missing += gap.count
        self._gap = gap.after(self._gap)
