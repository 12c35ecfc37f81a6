"""Cuts a stream of frames into messages: what whoever takes many of them does in the same way.

A read holds hundreds of messages, and most are alike. Those are found in one loop, `_cut_fast`,
which each subclass writes for what it makes of them. All others, and what began in an earlier read,
go frame by frame, in `_cut_slowly`. Both ways give the same, so that it makes no difference how the
stream was cut. Pure.
"""

from __future__ import annotations

from typing import Generic, NamedTuple, TypeVar

from fanout.zmtp.errors import CommandOverLimitError, OverLimitError, RemoteProtocolError
from fanout.zmtp.frames import (
    COMMAND,
    FRAME_BYTES_LIMIT,
    LONG,
    LONG_HEADER_BYTES,
    MORE,
    SHORT_BODY_MAX,
    SHORT_HEADER_BYTES,
)
from fanout.zmtp.lost_long import WINDOW_BYTES

FRAMES_MAX = 65_536  # of one message: so many take a tenth of a second

GATHERED_MIN = 64 * 1024
"""Bytes of a frame that is gathered as it comes: to join what is there with each read would copy it
again and again."""

FoundT = TypeVar("FoundT")  # what messages are added to


class Mark(NamedTuple):
    """Where a stream is cut, without what is kept of it: enough to go on counting from there."""

    rest: bytes  # what no frame could be made of yet
    owed: int  # bytes that are still to come of a long frame, whose first are not in `rest`
    flags: int  # of that one
    frames: int  # of the message that has begun


class StreamCutter(Generic[FoundT]):
    """Takes bytes of a connection in traffic, and finds its messages. Owned by one thread.

    Attributes:
        commands: bodies of the commands that came, in order; whoever looks at them clears it.
        has_commands: False with a peer of ZMTP 2.0, which has none.

    Args:
        max_command_bytes: of one command.
        max_message_bytes: what one message may count for: its bodies, and `costs`.
        max_frames: of one message.
        costs: what a frame counts for beyond its body: a short one, and a long one.
        counting: says how that is counted, to whoever reads of a message that is too large.
    """

    __slots__ = ("_cost_long", "_cost_short", "_count", "_counting", "_gathered", "_max_bytes",
                 "_max_command", "_max_frames", "_rest", "_size", "_wanted", "commands",
                 "has_commands")  # fmt: skip

    def __init__(
        self,
        *,
        max_command_bytes: int,
        max_message_bytes: int,
        max_frames: int,
        costs: tuple[int, int],
        counting: str,
    ) -> None:
        self._max_command = max_command_bytes
        self._max_bytes = max_message_bytes
        self._max_frames = max_frames
        self._cost_short, self._cost_long = costs
        self._counting = counting
        self._count = 0  # frames of the message that has begun
        self._size = 0  # what these count for
        self._rest = b""  # what no frame could be made of yet
        self._gathered: bytearray | None = None  # a long frame, with its header, as far as it came
        self._wanted = 0  # bytes of it when it is whole
        self.commands: list[bytes] = []
        self.has_commands = True

    @property
    def mark(self) -> Mark:
        """Where it is now."""
        gathered = self._gathered
        if gathered is None:
            return Mark(self._rest, 0, 0, self._count)
        return Mark(b"", self._wanted - len(gathered), gathered[0], self._count)

    def split(self, data: bytes, found: FoundT) -> None:
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
            self._cut_slowly(whole, 0, found)
            data = data[missing:]
        elif self._rest:
            data = self._rest + data
        self._rest = b""
        offset: int | None = 0
        while offset is not None:
            if not self._count:
                offset = self._cut_fast(data, offset, found)
            offset = self._cut_slowly(data, offset, found)

    def _cut_slowly(self, data: bytes, offset: int, found: FoundT) -> int | None:
        """Take frame by frame to the end of a message; None: to the end of what there is.

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
                if size >= FRAME_BYTES_LIMIT:
                    raise RemoteProtocolError(
                        f"a frame of {size} bytes, where 2**63 - 1 are the most"
                    )
            is_command = flags & COMMAND and self.has_commands
            if is_command:
                if flags == COMMAND and not size:
                    lost = self._lost_size(data[offset : offset + WINDOW_BYTES])
                    if lost is None:
                        break
                    if lost:
                        start, size = offset + LONG_HEADER_BYTES, lost
                if size > self._max_command:
                    raise self._too_large(size, is_command=True)
            else:
                cost = self._cost_short if size <= SHORT_BODY_MAX else self._cost_long
                counted = self._size + size + cost
                if counted > self._max_bytes or self._count >= self._max_frames:
                    return self._on_too_large(counted, data, offset, found)
            end = start + size
            if end > length:
                if size >= GATHERED_MIN:
                    self._gathered, self._wanted = bytearray(data[offset:]), end - offset
                    return None
                break
            body = data[start:end]
            offset = end
            if is_command:
                self._take_command(body, found)
            elif flags & MORE:
                self._count += 1
                self._size = counted
                self._add(body)
            else:
                self._count = self._size = 0
                self._end(body, found)
                return offset
        self._rest = data[offset:]
        return None

    def _take_command(self, body: bytes, found: FoundT) -> None:
        """Keep a command; what was found stands before it."""
        del found
        self.commands.append(body)

    def _on_too_large(self, counted: int, data: bytes, offset: int, found: FoundT) -> int | None:
        """A message is too large by the frame that begins at `offset`.

        Returns:
            As `_cut_slowly`, if the stream can be gone on with.

        Raises:
            OverLimitError: it cannot.
        """
        raise self._too_large(counted)

    def _too_large(self, counted: int, *, is_command: bool = False) -> OverLimitError:
        """Say which limit a frame is above."""
        if is_command:
            text = f"a command of {counted} bytes, the limit is {self._max_command}"
            return CommandOverLimitError(text)
        if counted > self._max_bytes:
            most = f"{self._max_bytes} bytes {self._counting}"
            return OverLimitError(f"a message of more than {most}")
        return OverLimitError(f"a message of more than {self._max_frames} frames")

    def _cut_fast(self, data: bytes, offset: int, found: FoundT) -> int:
        """Take the messages that are of the frequent kind; none has begun.

        Returns:
            Where the first other one begins, or one that is not whole.
        """
        raise NotImplementedError

    def _add(self, body: bytes) -> None:
        """Keep a frame of a message, which more follow."""
        raise NotImplementedError

    def _end(self, body: bytes, found: FoundT) -> None:
        """Add a message to those that were found: the frames that were kept, and this last one."""
        raise NotImplementedError

    def _lost_size(self, window: bytes) -> int | None:
        """The size of a command that seems empty, as of `lost_long_size`; 0 = it is empty."""
        del window
        return 0
