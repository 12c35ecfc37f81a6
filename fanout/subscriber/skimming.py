"""Lets go of a message that is too large to be kept, as it comes. Pure.

Its bytes are as many as its publisher likes: what is kept of it is its topic, if that had come
before it was too large, and its number, if its last frame may be one. So it costs no memory; and
time only of the connection that brings it, which no one else waits for.
"""

from __future__ import annotations

from fanout.subscriber.message import NUMBER_BYTES
from fanout.terms.reserved import RESERVED
from fanout.zmtp.errors import CommandOverLimitError, OverLimitError
from fanout.zmtp.frames import (
    COMMAND,
    LONG,
    LONG_HEADER_BYTES,
    MORE,
    SHORT_HEADER_BYTES,
)

FRAME_BYTES_MAX = 1 << 40
"""No log is as large: a size above it is none, and what follows it would never be reached."""

_MARK = RESERVED + b"too large"


class TooLarge(tuple[bytes, ...]):
    """Stands among the messages of a read for one that was let go.

    Its frames are such that it is taken for none of those that are looked at together: the first is
    a reserved topic, the last no number.
    """

    __slots__ = ()

    @property
    def passed(self) -> Passed:
        """What is known of it."""
        return Passed(self[1:3] if self[2] else self[1:2])


class Passed(tuple[bytes, ...]):
    """What is known of a message that was let go: its topic, b"" = not known, and its number."""

    __slots__ = ()


class Skim:
    """The rest of one message. Owned by one thread.

    Args:
        topic: its first frame; None: that is still to come, and is let go, too.
        commands: gets those that stand between its frames.
        max_command_bytes: of one command; None: the peer has none.
    """

    __slots__ = ("_commands", "_is_first", "_is_last", "_max_command", "_number", "_owed", "_rest",
                 "_topic")  # fmt: skip

    def __init__(
        self, topic: bytes | None, commands: list[bytes], max_command_bytes: int | None
    ) -> None:
        self._topic = topic or b""
        self._is_first = topic is None
        self._commands = commands
        self._max_command = max_command_bytes
        self._rest = b""  # what no frame could be made of yet, or a small one that is not whole
        self._owed = 0  # bytes that are still to come of a frame
        self._is_last = False  # that one is the last
        self._number = b""

    @property
    def found(self) -> TooLarge:
        """What stands for it, once all of it has come."""
        return TooLarge((_MARK, self._topic, self._number, b""))

    def take(self, data: bytes) -> bytes | None:
        """Take the next bytes of the stream; returns what is behind the message; None: not yet.

        Raises:
            OverLimitError: the stream cannot be gone on with.
        """
        if self._owed >= len(data):
            self._owed -= len(data)
            return b"" if not self._owed and self._is_last else None
        if self._owed:
            data, self._owed = data[self._owed :], 0
            if self._is_last:
                return data
        data, self._rest = self._rest + data, b""
        begin, length = 0, len(data)
        while length - begin >= SHORT_HEADER_BYTES:
            flags = data[begin]
            start = begin + (LONG_HEADER_BYTES if flags & LONG else SHORT_HEADER_BYTES)
            if start > length:
                break
            end = start + int.from_bytes(data[begin + 1 : start], "big")
            if self._is_kept(flags, end - start):
                if end > length:
                    break
                if self._keep(flags, data[start:end]):
                    return data[end:]
            else:
                self._is_first, self._is_last = False, not flags & MORE
                if end > length:
                    self._owed = end - length
                    return None
                if self._is_last:
                    return data[end:]
            begin = end
        self._rest = data[begin:]
        return None

    def _is_kept(self, flags: int, size: int) -> bool:
        """Whether a frame is looked at, once it is whole: it is small then."""
        if flags & COMMAND and self._max_command is not None:
            if size > self._max_command:
                text = f"a command of {size} bytes, the limit is {self._max_command}"
                raise CommandOverLimitError(text)
            return True
        if size > FRAME_BYTES_MAX:
            raise OverLimitError(f"a frame of {size} bytes, where 2**40 are the most")
        return not flags & MORE and size == NUMBER_BYTES and not self._is_first

    def _keep(self, flags: int, body: bytes) -> bool:
        """Keep this frame; returns whether it is the last of the message."""
        if flags & COMMAND and self._max_command is not None:
            self._commands.append(body)
            return False
        self._number = body
        return True
