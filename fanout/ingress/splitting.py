"""Cuts what a producer sends into messages for the log, mostly without touching a byte of them.

The log holds ZMTP frames, which is what producers send. So of a read nothing is needed but where
its messages end, and their topics; the bytes go into the log as they came. That is done for
messages of up to three frames on topics that are known. All others go frame by frame, and come out
as we would have encoded them: long ones, those with commands in between, sizes in a longer form
than needed, or flags that mean nothing. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from struct import Struct
from typing import TYPE_CHECKING

from fanout.send.topics import UNKNOWN
from fanout.send.wire import ORDINARY
from fanout.zmtp.cutting import FRAMES_MAX, StreamCutter
from fanout.zmtp.frames import (
    COMMAND,
    LONG,
    LONG_HEADER_BYTES,
    MORE,
    SHORT_BODY_MAX,
    SHORT_HEADER_BYTES,
    frame_header,
)
from fanout.zmtp.lost_long import lost_long_size

if TYPE_CHECKING:
    from fanout.ingress.admission import Admission
    from fanout.send.topics import Topic
    from fanout.shm.log import Buffer

SHORT_FRAMES_BYTES = 3 * (SHORT_HEADER_BYTES + SHORT_BODY_MAX)  # what three of them take at most
RUN_MIN = 16  # messages of one size in a row that are found together: with fewer it does not pay


@dataclass(slots=True)
class FoundMessages:
    """Whole messages back to back, in the order in which they came."""

    pieces: list[Buffer] = field(default_factory=list)  # together all of them
    size: int = 0  # bytes of these
    ends: list[int] = field(default_factory=list)  # of each message, in all of that
    topics: list[Topic] = field(default_factory=list)


class Splitter(StreamCutter[FoundMessages]):
    """Takes bytes of a producer in traffic. Owned by one thread.

    Args:
        admission: which topics there are.
        max_message_bytes: of one message on the wire.
        max_command_bytes: of one command.
    """

    __slots__ = ("_admission", "_message", "_size_max", "_topic")

    def __init__(
        self, admission: Admission, max_message_bytes: int, max_command_bytes: int
    ) -> None:
        super().__init__(
            max_command_bytes=max_command_bytes,
            max_message_bytes=max_message_bytes,
            max_frames=FRAMES_MAX,
            costs=(SHORT_HEADER_BYTES, LONG_HEADER_BYTES),
            counting="on the wire, a quarter of the log",
        )
        self._admission = admission
        # Bodies of up to so many bytes make no message that is too large, nor does one of three
        # short frames; with limits that are lower than that, nothing is quick.
        self._size_max = max_message_bytes - SHORT_FRAMES_BYTES - LONG_HEADER_BYTES
        self._message = bytearray()  # frames of the message that has begun, as we encode them
        self._topic = b""  # the body of the first of them

    @property
    def part_bytes(self) -> int:
        """Bytes of a message that has begun and is not whole; 0 = there is none."""
        if not self._count and self.has_commands:
            began = self._gathered or self._rest
            if began and began[0] & COMMAND:
                return 0  # that is no message
        return len(self._message) + len(self._rest) + len(self._gathered or b"")

    def _cut_fast(self, data: bytes, offset: int, found: FoundMessages) -> int:
        """Find messages of up to three short frames, of which the second of two may be long."""
        self._admission.refresh()
        if self._size_max < 0:
            return offset
        end = self._find(data, offset, found)
        if end > offset:
            found.pieces.append(memoryview(data)[offset:end])
            found.size += end - offset
        return end

    def _find(self, data: bytes, offset: int, found: FoundMessages) -> int:
        """Add ends and topics of these; returns where the first other message begins."""
        begin = offset
        # Once a read, behind what began before: it looks at all of it, and may find nothing.
        if len(found.ends) < 2:
            offset = self._cut_run(data, offset, found)
        length, size_max = len(data), self._size_max
        shift = found.size - begin
        known, takes_any = self._admission.known, self._admission.takes_any
        add_end, add_topic = found.ends.append, found.topics.append
        try:
            while True:
                start = offset + 2
                end = start + data[offset + 1]
                flags = data[offset]
                if flags == MORE:
                    topic = known[data[start:end]]
                    flags = data[end]
                    if not flags:
                        end += 2 + data[end + 1]
                    elif flags == LONG:
                        size = int.from_bytes(data[end + 1 : end + 9], "big")
                        if not SHORT_BODY_MAX < size <= size_max:
                            break
                        end += 9 + size
                    elif flags == MORE:
                        end += 2 + data[end + 1]
                        if data[end]:
                            break
                        end += 2 + data[end + 1]
                    else:
                        break
                elif flags or not takes_any or data[start:end] < ORDINARY:
                    break
                else:
                    topic = UNKNOWN
                if end > length:
                    break
                offset = end
                add_end(end + shift)
                add_topic(topic)
        except LookupError:  # the read ends in here, or the topic is new
            pass
        return offset

    def _cut_run(self, data: bytes, offset: int, found: FoundMessages) -> int:
        """Find messages in a row of two short frames that are as long as those of the first.

        They stand at equal distances. So each of their four header bytes is one slice with a step,
        and it is the same in all of them as far as they go on. Half the time of one by one.

        Returns:
            Where the first other one begins, or one on a topic that is not known.
        """
        length = len(data)
        topic_size = data[offset + 1] if offset + 1 < length else 0
        second = 2 + topic_size
        if offset + second + 1 >= length:
            return offset
        step = second + 2 + data[offset + second + 1]
        end = offset + (length - offset) // step * step
        count = (end - offset) // step
        if count < RUN_MIN or data[offset] != MORE or data[offset + second]:
            return offset
        for at in (0, 1, second, second + 1):
            column = data[offset + at : end : step]
            count = min(count, len(column) - len(column.lstrip(column[:1])))
        if count < RUN_MIN:
            return offset
        run = memoryview(data)[offset : offset + count * step]
        names = Struct(f"2x{topic_size}s{step - second}x").iter_unpack(run)
        known = self._admission.known
        try:
            topics = [known[name] for (name,) in names]
        except LookupError:  # a new one is among them
            return offset
        found.topics += topics
        end = offset + count * step
        shift = found.size - offset
        found.ends.extend(range(shift + offset + step, shift + end + 1, step))
        return end

    def _add(self, body: bytes) -> None:
        if not self._message:
            self._topic = body
        self._message += frame_header(len(body), MORE)
        self._message += body

    def _end(self, body: bytes, found: FoundMessages) -> None:
        is_alone = not self._message
        name, self._topic = body if is_alone else self._topic, b""
        wire = b"".join((self._message, frame_header(len(body)), body))
        self._message.clear()
        topic = self._admission.topic_of(name, is_alone=is_alone)
        found.pieces.append(wire)
        found.size += len(wire)
        found.ends.append(found.size)
        found.topics.append(topic)

    def _lost_size(self, window: bytes) -> int | None:
        return lost_long_size(window)
