"""Cuts what a publisher sends into messages: many in one loop, without an object for each frame.

A read holds hundreds of messages of two or three frames. They are found by a few indexings each,
with names that are local; what is rarer takes the slow way, `_read_slowly`: long topics, messages
of more frames, commands, and what began in an earlier read. Both ways give the same, so
that it makes no difference how the stream was cut. Pure.
"""

from __future__ import annotations

from fanout.zmtp.errors import OverLimitError, RemoteProtocolError
from fanout.zmtp.frames import (
    COMMAND,
    FRAME_BYTES_LIMIT,
    LONG,
    LONG_HEADER_BYTES,
    MORE,
    SHORT_BODY_MAX,
    SHORT_HEADER_BYTES,
)

Frames = tuple[bytes, ...]

MESSAGE_BYTES_MAX = 64 * 1024 * 1024
"""Of one message in memory: a quarter of a log of 256 MiB; who sends more is taken for faulty."""

FRAME_COST_BYTES = 64  # counted for each frame: empty ones take memory too, about so much
FRAMES_MAX = 65_536  # of one message: a list of so many takes a tenth of a second to be read
COMMAND_BYTES_MAX = 64 * 1024  # a PING has up to 23; what a stranger calls a command gets no more

QUICK_FRAMES_MAX = 3
QUICK_BYTES_MAX = QUICK_FRAMES_MAX * (SHORT_BODY_MAX + FRAME_COST_BYTES)
"""What a message that is read the quick way can count for: limits from here on need no look."""

GATHERED_MIN = 64 * 1024
"""Bytes of a frame that is gathered as it comes: to join what is there with each read would copy it
again and again."""


class MessageParser:
    """Takes bytes of a connection in traffic; returns its messages. Owned by one thread.

    Attributes:
        commands: bodies of the commands that came, in order; whoever looks at them clears it.
        has_commands: False with a peer of ZMTP 2.0, which has none.

    Args:
        max_message_bytes: of one message, 64 added for each frame.
        max_frames: of one message.
    """

    __slots__ = ("_frames", "_gathered", "_is_quick", "_max_bytes", "_max_frames", "_rest", "_size",
                 "_wanted", "commands", "has_commands")  # fmt: skip

    def __init__(
        self, *, max_message_bytes: int = MESSAGE_BYTES_MAX, max_frames: int = FRAMES_MAX
    ) -> None:
        self._max_bytes = max_message_bytes
        self._max_frames = max_frames
        self._is_quick = max_message_bytes >= QUICK_BYTES_MAX and max_frames >= QUICK_FRAMES_MAX
        self._rest = b""  # what no frame could be made of yet
        self._gathered: bytearray | None = None  # a long frame, with its header, as far as it came
        self._wanted = 0  # bytes of it when it is whole
        self._frames: list[bytes] = []  # of the message that has begun
        self._size = 0  # what these count for
        self.commands: list[bytes] = []
        self.has_commands = True

    @property
    def has_part(self) -> bool:
        """Whether a message, or a frame, has begun that is not whole."""
        return bool(self._rest or self._gathered or self._frames)

    def parse(self, data: bytes, found: list[Frames]) -> None:
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
            self._read_slowly(whole, 0, found)
            data = data[missing:]
        elif self._rest:
            data = self._rest + data
        self._rest = b""
        offset: int | None = 0
        while offset is not None:
            if not self._frames and self._is_quick:
                offset = self._read_fast(data, offset, found)
            offset = self._read_slowly(data, offset, found)

    def _read_fast(self, data: bytes, offset: int, found: list[Frames]) -> int:
        """Read messages of up to three frames, of which the second may be long.

        Returns:
            Where the first other one begins, or one that is not whole.
        """
        length = len(data)
        size_max = self._max_bytes - QUICK_BYTES_MAX
        add = found.append
        try:
            while True:
                start = offset + 2
                end = start + data[offset + 1]
                flags = data[offset]
                if flags == 1:
                    topic = data[start:end]
                    flags = data[end]
                    if flags < 2:
                        start = end + 2
                        end = start + data[end + 1]
                    elif flags < 4:
                        start = end + 9
                        size = int.from_bytes(data[end + 1 : start], "big")
                        if size > size_max:
                            return offset
                        end = start + size
                        flags -= 2
                    else:
                        return offset
                    if flags:
                        payload = data[start:end]
                        flags = data[end]
                        start = end + 2
                        end = start + data[end + 1]
                        if flags or end > length:
                            return offset
                        add((topic, payload, data[start:end]))
                    elif end > length:
                        return offset
                    else:
                        add((topic, data[start:end]))
                elif flags or end > length:
                    return offset
                else:
                    add((data[start:end],))
                offset = end
        except IndexError:  # the read ends in here
            return offset

    def _read_slowly(self, data: bytes, offset: int, found: list[Frames]) -> int | None:
        """Read frame by frame to the end of a message; None: to the end of what there is.

        Returns:
            Where the next message begins.

        Raises:
            RemoteProtocolError: the stream cannot be gone on with.
        """
        length = len(data)
        while length - offset >= SHORT_HEADER_BYTES:
            flags, size = data[offset], data[offset + 1]
            start = offset + SHORT_HEADER_BYTES
            if flags & LONG:
                start = offset + LONG_HEADER_BYTES
                if start > length:
                    break
                size = int.from_bytes(data[offset + 1 : start], "big")
            is_command = bool(flags & COMMAND) and self.has_commands
            self._check(size, is_command)
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
            self._frames.append(body)
            self._size += size + FRAME_COST_BYTES
            if not flags & MORE:
                found.append(tuple(self._frames))
                self._frames.clear()
                self._size = 0
                return offset
        self._rest = data[offset:]
        return None

    def _check(self, size: int, is_command: bool) -> None:
        """Refuse a frame, by its header, that is above a limit."""
        if size >= FRAME_BYTES_LIMIT:
            raise RemoteProtocolError(f"a frame of {size} bytes, where 2**63 - 1 are the most")
        if is_command:
            if size > COMMAND_BYTES_MAX:
                raise OverLimitError(f"a command of {size} bytes, the limit is {COMMAND_BYTES_MAX}")
        elif self._size + size + FRAME_COST_BYTES > self._max_bytes:
            raise OverLimitError(
                f"a message of more than {self._max_bytes} bytes (64 for each frame)"
            )
        elif len(self._frames) >= self._max_frames:
            raise OverLimitError(f"a message of more than {self._max_frames} frames")
