"""Cuts what a producer sends into messages for the log, mostly without touching a byte of them.

The log holds ZMTP frames, which is what producers send. So of a read nothing is needed but where
its messages end, and their topics; the bytes go into the log as they came. That is done for
messages of up to three frames on topics that are known. All others go frame by frame, and come out
as we would have encoded them: long ones, those with commands in between, sizes in a longer form
than needed, or flags that mean nothing. Both ways give the same, however the stream was cut. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fanout.send.topics import UNKNOWN
from fanout.send.wire import ORDINARY
from fanout.zmtp.errors import OverLimitError, RemoteProtocolError
from fanout.zmtp.frames import (
    COMMAND,
    FRAME_BYTES_LIMIT,
    LONG,
    LONG_HEADER_BYTES,
    MORE,
    SHORT_BODY_MAX,
    SHORT_HEADER_BYTES,
    frame_header,
)
from fanout.zmtp.lost_long import WINDOW_BYTES, lost_long_size

if TYPE_CHECKING:
    from fanout.ingress.admission import Admission
    from fanout.send.topics import Topic

FRAMES_MAX = 65_536  # of one message: more take a tenth of a second, and Subscriber refuses them
SHORT_FRAMES_BYTES = 3 * (SHORT_HEADER_BYTES + SHORT_BODY_MAX)  # what three of them take at most
GATHERED_MIN = 64 * 1024  # bytes of a frame that is gathered as it comes, not joined to each read


@dataclass(slots=True)
class Found:
    """Whole messages back to back, in the order in which they came."""

    pieces: list[bytes] = field(default_factory=list)  # together all of them
    size: int = 0  # bytes of these
    ends: list[int] = field(default_factory=list)  # of each message, in all of that
    topics: list[Topic] = field(default_factory=list)


class Splitter:
    """Takes bytes of a producer in traffic. Owned by one thread.

    Args:
        admission: which topics there are.
        max_message_bytes: of one message on the wire.
        max_command_bytes: of one command.

    Attributes:
        commands: bodies of the commands that came, in order; whoever looks at them clears it.
        has_commands: False with a peer of ZMTP 2.0, which has none.
    """

    __slots__ = ("_admission", "_count", "_gathered", "_limit", "_limit_command", "_message",
                 "_rest", "_size_max", "_topic", "_wanted", "commands", "has_commands")  # fmt: skip

    def __init__(
        self, admission: Admission, max_message_bytes: int, max_command_bytes: int
    ) -> None:
        self._admission = admission
        self._limit = max_message_bytes
        self._limit_command = max_command_bytes
        # Bodies of up to so many bytes make no message that is too large, nor does one of three
        # short frames; with limits that are lower than that, nothing is quick.
        self._size_max = max_message_bytes - SHORT_FRAMES_BYTES - LONG_HEADER_BYTES
        self._message = bytearray()  # frames of the message that has begun, as we encode them
        self._count = 0  # of these
        self._topic = b""  # the body of the first of them
        self._rest = b""  # what no frame could be made of yet
        self._gathered: bytearray | None = None  # a long frame with its header, as far as it came
        self._wanted = 0  # bytes of it when it is whole
        self.commands: list[bytes] = []
        self.has_commands = True

    @property
    def part_bytes(self) -> int:
        """Bytes of a message that has begun and is not whole; 0 = there is none."""
        if not self._count and self.has_commands:
            began = self._gathered or self._rest
            if began and began[0] & COMMAND:
                return 0  # that is no message
        return len(self._message) + len(self._rest) + len(self._gathered or b"")

    def split(self, data: bytes, found: Found) -> None:
        """Take the next bytes of the stream, and add the messages that are whole to `found`.

        Raises:
            RemoteProtocolError: the stream cannot be gone on with; what was whole before is found.
        """
        if self._gathered is not None:
            missing = self._wanted - len(self._gathered)
            self._gathered += data[:missing]
            if len(self._gathered) < self._wanted:
                return
            whole, self._gathered = bytes(self._gathered), None
            self._split_slowly(whole, 0, found)
            data = data[missing:]
        elif self._rest:
            data = self._rest + data
        self._rest = b""
        self._admission.refresh()
        offset: int | None = 0
        while offset is not None:
            if not self._message and self._size_max >= 0:
                begin = offset
                offset = self._split_fast(data, begin, found)
                if offset > begin:
                    found.pieces.append(data[begin:offset])
                    found.size += offset - begin
            offset = self._split_slowly(data, offset, found)

    def _split_fast(self, data: bytes, offset: int, found: Found) -> int:
        """Find messages of up to three short frames, of which the second may be long.

        Returns:
            Where the first other one begins, or one that is not whole.
        """
        length, size_max = len(data), self._size_max
        shift = found.size - offset
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
                            return offset
                        end += 9 + size
                    elif flags == MORE:
                        end += 2 + data[end + 1]
                        if data[end]:
                            return offset
                        end += 2 + data[end + 1]
                    else:
                        return offset
                elif flags or not takes_any or data[start:end] < ORDINARY:
                    return offset
                else:
                    topic = UNKNOWN
                if end > length:
                    return offset
                offset = end
                add_end(end + shift)
                add_topic(topic)
        except LookupError:  # the read ends in here, or the topic is new
            return offset

    def _split_slowly(self, data: bytes, offset: int, found: Found) -> int | None:
        """Take frame by frame to the end of a message; None: to the end of what there is.

        Returns:
            Where the next message begins.

        Raises:
            RemoteProtocolError: the stream cannot be gone on with.
        """
        length = len(data)
        while length - offset >= SHORT_HEADER_BYTES:
            flags = data[offset]
            start, size = self._header_at(data, offset)
            if size is None:
                break
            is_command = bool(flags & COMMAND) and self.has_commands
            header = self._check(size, flags, is_command=is_command)
            end = start + size
            if end > length:
                if size >= GATHERED_MIN:
                    self._gathered, self._wanted = bytearray(data[offset:]), end - offset
                    return None
                break
            body = data[start:end]
            offset = end
            if is_command:
                self.commands.append(body)
                continue
            if not self._count:
                self._topic = body
            self._message += header
            self._message += body
            self._count += 1
            if not flags & MORE:
                self._end_message(found)
                return offset
        self._rest = data[offset:]
        return None

    def _header_at(self, data: bytes, offset: int) -> tuple[int, int | None]:
        """Where the body of this frame begins, and its size; None: that is not there yet."""
        flags, size = data[offset], data[offset + 1]
        if flags & LONG:
            start = offset + LONG_HEADER_BYTES
            if start > len(data):
                return start, None
            return start, int.from_bytes(data[offset + 1 : start], "big")
        if flags == COMMAND and not size and self.has_commands:
            long_size = lost_long_size(data[offset : offset + WINDOW_BYTES])
            if long_size is None:
                return offset, None
            if long_size:
                return offset + LONG_HEADER_BYTES, long_size
        return offset + SHORT_HEADER_BYTES, size

    def _check(self, size: int, flags: int, *, is_command: bool) -> bytes:
        """Refuse a frame that is above a limit, by its header; returns that as we make it."""
        if size >= FRAME_BYTES_LIMIT:
            raise RemoteProtocolError(f"a frame of {size} bytes, where 2**63 - 1 are the most")
        if is_command:
            if size > self._limit_command:
                raise OverLimitError(
                    f"a command of {size} bytes, the limit is {self._limit_command}"
                )
            return b""
        header = frame_header(size, flags & MORE)
        if len(self._message) + len(header) + size > self._limit:
            raise OverLimitError(
                f"a message of more than {self._limit} bytes on the wire, a quarter of the log"
            )
        if self._count >= FRAMES_MAX:
            raise OverLimitError(f"a message of more than {FRAMES_MAX} frames")
        return header

    def _end_message(self, found: Found) -> None:
        wire, is_alone = bytes(self._message), self._count == 1
        name, self._topic = self._topic, b""
        self._message.clear()
        self._count = 0
        topic = self._admission.topic_of(name, is_alone=is_alone)
        found.pieces.append(wire)
        found.size += len(wire)
        found.ends.append(found.size)
        found.topics.append(topic)
