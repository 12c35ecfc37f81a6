"""Frames of ZMTP 2.0, 3.0 and 3.1: how a message looks on the wire, and how to read it back.

    flags(1)  size(1 or 8, big-endian)  body(size)          RFC 37, "Framing"

    bit 0 MORE     another frame of the same message follows
    bit 1 LONG     the size takes 8 bytes
    bit 2 COMMAND  for the protocol, not for the application
    3 to 7         reserved: sent as zero, ignored on input (libzmq does the same)

We always send the shortest form, and accept the long form for short bodies.
"""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING

from fanout.zmtp.errors import LocalProtocolError, OverLimitError, RemoteProtocolError
from fanout.zmtp.lost_long import WINDOW_BYTES, lost_long_size

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

MORE = 1
LONG = 2
COMMAND = 4

SHORT_BODY_MAX = 255  # bytes of a body whose size fits into one byte
SHORT_HEADER_BYTES = 2
LONG_HEADER_BYTES = 9
FRAME_BYTES_LIMIT = 1 << 63  # the top bit of a size must be zero

_LAST, _LAST_BUT_ONE = itemgetter(-1), itemgetter(-2)
_WITHOUT_HEADER = itemgetter(slice(-SHORT_HEADER_BYTES))  # which is that of the next frame
_KNOWN_FLAGS = MORE | LONG | COMMAND
_SHORT_LAST = tuple(bytes((0, size)) for size in range(SHORT_BODY_MAX + 1))
_SHORT_MORE = tuple(bytes((MORE, size)) for size in range(SHORT_BODY_MAX + 1))


def frame_header(size: int, flags: int = 0) -> bytes:
    """Build the shortest header of a frame.

    Args:
        size: bytes of the body, 0 to 2**63 - 1.
        flags: `MORE`, `COMMAND`, both or none; `LONG` is added where it is needed.

    Raises:
        LocalProtocolError: the size or the flags are out of range.
    """
    if flags & ~(MORE | COMMAND):
        raise LocalProtocolError(f"flags must be made of MORE and COMMAND, not {flags:#x}")
    if 0 <= size <= SHORT_BODY_MAX:
        return bytes((flags, size))
    if SHORT_BODY_MAX < size < FRAME_BYTES_LIMIT:
        return bytes((flags | LONG,)) + size.to_bytes(8, "big")
    raise LocalProtocolError(f"a frame has 0 to 2**63 - 1 bytes, not {size}")


def frame_headers(count: int, flags: int = 0) -> list[bytes]:
    """Build the headers of frames of 0, 1, 2 ... bytes, so many; in a fifth of the time."""
    short = [frame_header(size, flags) for size in range(min(count, SHORT_BODY_MAX + 1))]
    begin = bytes((flags | LONG,))
    return short + [begin + size.to_bytes(8, "big") for size in range(SHORT_BODY_MAX + 1, count)]


def encode_message(frames: Sequence[bytes]) -> bytes:
    """Build the wire bytes of one whole message, all frames of it.

    Args:
        frames: the bodies, at least one; each may be empty.

    Raises:
        LocalProtocolError: there is no frame.
    """
    if not frames:
        raise LocalProtocolError("a message has at least one frame")
    pieces: list[bytes] = []
    last = len(frames) - 1
    for index, body in enumerate(frames):
        size = len(body)
        if size <= SHORT_BODY_MAX:
            pieces.append(_SHORT_MORE[size] if index < last else _SHORT_LAST[size])
        else:
            pieces.append(frame_header(size, MORE if index < last else 0))
        pieces.append(body)
    return b"".join(pieces)


def first_frame(wire: bytes) -> bytes:
    """Return the body of the first frame of an encoded message: its topic.

    Raises:
        LocalProtocolError: `wire` does not begin with a whole frame.
    """
    _, start, end = _frame_at(wire, 0)
    return wire[start:end]


def split_message(wire: bytes) -> list[bytes]:
    """Return the frames of one encoded message; the inverse of `encode_message`.

    Raises:
        LocalProtocolError: `wire` is not exactly one whole message.
    """
    frames: list[bytes] = []
    flags, end = MORE, 0
    while flags & MORE:
        flags, start, end = _frame_at(wire, end)
        frames.append(wire[start:end])
    if end != len(wire):
        raise LocalProtocolError(f"{len(wire) - end} bytes follow the message")
    return frames


def _frame_at(wire: bytes, offset: int) -> tuple[int, int, int]:
    """Return flags, start and end of the body of the frame at `offset`."""
    header = wire[offset : offset + LONG_HEADER_BYTES]
    start = offset + SHORT_HEADER_BYTES
    if len(header) >= SHORT_HEADER_BYTES and not header[0] & LONG:
        end = start + header[1]
    elif len(header) == LONG_HEADER_BYTES:
        start = offset + LONG_HEADER_BYTES
        end = start + int.from_bytes(header[1:], "big")
    else:
        raise LocalProtocolError("the message ends inside a frame header")
    if end > len(wire):
        raise LocalProtocolError("the message ends inside a frame")
    return header[0], start, end


class FrameReader:
    """Cuts a stream of bytes, however it was chunked, into frames.

    Each byte is copied a bounded number of times even if it comes alone, and no more is kept than
    one incomplete frame. Feed, then take all frames, then feed again.

    Attributes:
        max_frame_bytes: a frame with a larger body is refused, or skipped, as soon as its header
            is there (and the first byte of its body, where that decides).
        repair: the peer has commands; read those whose LONG bit was forgotten, see
            `lost_long_size`.
        skip_but: None: every frame that is too large is refused. Otherwise only commands, and
            messages whose body begins with one of these bytes; others are skipped as they come.
    """

    __slots__ = (
        "_began",
        "_buffer",
        "_is_fresh",
        "_offset",
        "_skipping",
        "max_frame_bytes",
        "repair",
        "skip_but",
    )

    def __init__(self, max_frame_bytes: int, *, repair: bool = False) -> None:
        self.max_frame_bytes = max_frame_bytes
        self.repair = repair
        self.skip_but: bytes | None = None
        self._skipping = 0  # bytes still to come of a frame that is skipped
        # The chunk that is being read (bytes, not copied), or the start of an incomplete frame
        # (bytearray, to be appended to), or nothing.
        self._buffer: bytes | bytearray = b""
        self._offset = 0
        self._began = 0  # where the frame that was taken last begins
        self._is_fresh = False  # nobody has looked for a long run in it yet

    @property
    def kept_bytes(self) -> int:
        """Bytes held that no frame was made of yet."""
        return len(self._buffer) - self._offset

    @property
    def skipping(self) -> int:
        """Bytes still to come of a frame that is skipped."""
        return self._skipping

    @property
    def missing(self) -> int:
        """How many bytes have to come, at least, until a frame can be made of those held."""
        there = self.kept_bytes
        if there < SHORT_HEADER_BYTES:
            return SHORT_HEADER_BYTES - there
        flags, size = self._buffer[self._offset], self._buffer[self._offset + 1]
        start = self._offset + SHORT_HEADER_BYTES
        if flags & LONG or (flags == COMMAND and not size and self.repair):
            long_size, start = self._long_header()
            if long_size is None:
                return max(start - len(self._buffer), 1)
            size = long_size
        if size > self.max_frame_bytes:
            return 1  # of its body: that says whether it is refused
        return start + size - len(self._buffer)

    def feed(self, data: bytes, start: int = 0) -> None:
        """Take the bytes of `data` from `start` on."""
        self._is_fresh = True
        if self._buffer:
            self._buffer += data[start:] if start else data
        else:
            self._buffer = data
            self._offset = start

    def skip(self, count: int) -> None:
        """Let go of the next bytes, as many as these, as they come; before anything is fed."""
        self._skipping = count

    def take_rest(self) -> bytes:
        """Take all that is held and no frame was made of; for use between two of `frames`."""
        start, self._offset = self._offset, len(self._buffer)
        return bytes(self._buffer[start:])

    def give_back(self) -> None:
        """Hold the frame that was taken last once more, and all that follows it."""
        self._offset = self._began

    def let_go(self) -> None:
        """Forget what no frame was made of: it will be fed again."""
        self._buffer, self._offset = b"", 0

    def frames(self) -> Iterator[tuple[int, bytes]]:
        """Take flags and body of each frame that has come in whole, before the next `feed`.

        Raises:
            RemoteProtocolError: a frame is too large; the reader is then of no more use.
        """
        if self._skipping:
            self._skip(self._offset + self._skipping)
        buffer = self._buffer
        length = len(buffer)
        offset = self._offset
        while length - offset >= SHORT_HEADER_BYTES:
            flags = buffer[offset]
            size = buffer[offset + 1]
            start = offset + SHORT_HEADER_BYTES
            if flags & LONG or (flags == COMMAND and not size and self.repair):
                long_size, start = self._long_header()
                if long_size is None:
                    break
                size = long_size
            end = start + size
            if size > self.max_frame_bytes:
                if not self._may_skip(flags, size, start):
                    break
                self._skip(end)
                offset = self._offset
                continue
            if end > length:
                break
            self._began, self._offset = offset, end
            yield flags & _KNOWN_FLAGS, bytes(buffer[start:end])
            offset = self._offset  # `take_run` may have taken more
        self._keep_rest()

    def take_run(self, flags: int, head: bytes) -> list[bytes]:
        """Take the short frames that come next with these flags and a body that begins with `head`.

        For use between two frames of `frames`: a peer says thousands of the same kind in a row.

        Returns:
            What follows `head` in each, in order; empty if the next frame is not of that kind, not
            there as a whole, or too large.
        """
        buffer = self._buffer
        if not buffer:
            return []
        taken = self._take_long_run(flags, head) if self._is_fresh else []
        length = len(buffer)
        offset = self._offset
        least, most = len(head), min(SHORT_BODY_MAX, self.max_frame_bytes)
        skip = SHORT_HEADER_BYTES + least
        while length - offset >= skip and buffer[offset] == flags:
            size = buffer[offset + 1]
            end = offset + SHORT_HEADER_BYTES + size
            is_whole = least <= size <= most and end <= length
            if not is_whole or not buffer.startswith(head, offset + SHORT_HEADER_BYTES):
                break
            taken.append(bytes(buffer[offset + skip : end]))
            offset = end
        self._offset = offset
        return taken

    def _take_long_run(self, flags: int, head: bytes) -> list[bytes]:
        """The same at a third of the cost, if all that there is is such frames; else nothing.

        All is cut where `head` stands. What is between two of them is the rest of one frame and the
        header of the next, if it is as long as the header before says: so by induction every cut
        was made at the beginning of a body, whatever the peer put into the rests. Tried once for
        each `feed`: it goes through all of that, and a peer may mix frames as it likes.
        """
        self._is_fresh = False
        buffer = self._buffer
        parts = bytes(memoryview(buffer)[self._offset :] if self._offset else buffer).split(head)
        last = parts.pop()  # perhaps not whole, and what follows it may be of another kind
        lengths = list(map(len, parts))
        if len(parts) < 2 or lengths[0] != SHORT_HEADER_BYTES or min(lengths) < SHORT_HEADER_BYTES:
            return []
        sizes = list(map(_LAST, parts))
        least = len(head) - SHORT_HEADER_BYTES
        if (
            [length + least for length in lengths[1:]] != sizes[:-1]
            or list(map(_LAST_BUT_ONE, parts)).count(flags) < len(parts)
            or max(sizes) > self.max_frame_bytes
        ):
            return []
        self._offset = len(buffer) - len(last) - len(head) - SHORT_HEADER_BYTES
        del parts[0]
        return list(map(_WITHOUT_HEADER, parts))

    def _may_skip(self, flags: int, size: int, start: int) -> bool:
        """Tell whether a frame that is too large is to be skipped; False: not known yet.

        Raises:
            OverLimitError: it is refused for its size, which a frame may have.
            RemoteProtocolError: no frame may have that size.
        """
        if size >= FRAME_BYTES_LIMIT:
            raise RemoteProtocolError(f"a frame of {size} bytes, where 2**63 - 1 are the most")
        is_command = flags & COMMAND and self.repair
        if self.skip_but is not None and not is_command:
            if start >= len(self._buffer):
                return False
            if self._buffer[start] not in self.skip_but:
                return True
        raise OverLimitError(f"a frame of {size} bytes, the limit is {self.max_frame_bytes}")

    def _skip(self, end: int) -> None:
        """Let go of everything before `end`, also of what has yet to come."""
        self._offset = min(end, len(self._buffer))
        self._skipping = end - self._offset

    def _long_header(self) -> tuple[int | None, int]:
        """Return size (`None`: not known yet) and start of the body of a frame in long form."""
        offset = self._offset
        start = offset + LONG_HEADER_BYTES
        if self._buffer[offset] & LONG:
            if start > len(self._buffer):
                return None, start
            return int.from_bytes(self._buffer[offset + 1 : start], "big"), start
        size = lost_long_size(bytes(self._buffer[offset : offset + WINDOW_BYTES]))
        return size, start if size else offset + SHORT_HEADER_BYTES

    def _keep_rest(self) -> None:
        """Let go of what was read; the rest is at most as long as the last chunk, or one frame."""
        if self._offset == len(self._buffer):
            self._buffer = b""
        elif self._offset or not isinstance(self._buffer, bytearray):
            self._buffer = bytearray(memoryview(self._buffer)[self._offset :])
        self._offset = 0
