"""Cuts what a publisher sends into messages: many in one loop, without an object for each frame.

A read holds hundreds of messages of two or three frames. They are found by a few indexings each,
with names that are local; what is rarer takes the slow way of `StreamCutter`: long topics, messages
of more frames, commands, and what began in an earlier read. Pure.
"""

from __future__ import annotations

from fanout.subscriber.skimming import Skim
from fanout.terms.reserved import RESERVED
from fanout.zmtp.cutting import FRAMES_MAX, StreamCutter
from fanout.zmtp.events import PassedOver
from fanout.zmtp.frames import SHORT_BODY_MAX

Frames = tuple[bytes, ...]

HERE: Frames = (RESERVED + b"here",)
"""Is no message: it stands where a command has come that somebody waits for."""

MESSAGE_BYTES_MAX = 64 * 1024 * 1024
"""Of one message in memory: a quarter of a log of 256 MiB; who sends more is taken for faulty."""

FRAME_COST_BYTES = 64  # counted for each frame: empty ones take memory too, about so much
COMMAND_BYTES_MAX = 64 * 1024  # a PING has up to 23; what a stranger calls a command gets no more

QUICK_FRAMES_MAX = 3
QUICK_BYTES_MAX = QUICK_FRAMES_MAX * (SHORT_BODY_MAX + FRAME_COST_BYTES)
"""What a message that is read the quick way can count for: limits from here on need no look."""


class MessageParser(StreamCutter[list[Frames]]):
    """Takes bytes of a connection in traffic; returns its messages. Owned by one thread.

    Args:
        max_message_bytes: of one message, 64 added for each frame.
        max_frames: of one message.
        passes_over: a message that is too large is let go as it comes, and a `TooLarge` is found in
            its place; else the stream ends there.

    Attributes:
        passed_over: messages that are too large and have begun; whoever looks at it clears it.
        awaited: a command; when it comes, `HERE` is found in its place, once.
    """

    __slots__ = ("_frames", "_is_quick", "_passes_over", "_skim", "awaited", "passed_over")

    def __init__(
        self,
        *,
        max_message_bytes: int = MESSAGE_BYTES_MAX,
        max_frames: int = FRAMES_MAX,
        passes_over: bool = False,
    ) -> None:
        super().__init__(
            max_command_bytes=COMMAND_BYTES_MAX,
            max_message_bytes=max_message_bytes,
            max_frames=max_frames,
            costs=(FRAME_COST_BYTES, FRAME_COST_BYTES),
            counting="(64 for each frame)",
        )
        self._is_quick = max_message_bytes >= QUICK_BYTES_MAX and max_frames >= QUICK_FRAMES_MAX
        self._frames: list[bytes] = []  # of the message that has begun
        self._passes_over = passes_over
        self._skim: Skim | None = None  # of a message that is too large, and not over yet
        self.passed_over: list[PassedOver] = []
        self.awaited: bytes | None = None

    @property
    def has_part(self) -> bool:
        """Whether a message, or a frame, has begun that is not whole."""
        return bool(self._rest or self._gathered or self._frames or self._skim)

    def split(self, data: bytes, found: list[Frames]) -> None:
        if self._skim is not None:
            behind = self._skim.take(data)
            if behind is None:
                return
            found.append(self._skim.found)
            self._skim, data = None, behind
        super().split(data, found)

    def _take_command(self, body: bytes, found: list[Frames]) -> None:
        super()._take_command(body, found)
        if body == self.awaited:
            self.awaited = None
            found.append(HERE)

    def _on_too_large(
        self, counted: int, data: bytes, offset: int, found: list[Frames]
    ) -> int | None:
        error = self._too_large(counted)
        if not self._passes_over:
            raise error
        topic = self._frames[0] if self._frames else None
        skim = Skim(topic, self.commands, self._max_command if self.has_commands else None)
        behind = skim.take(data[offset:])
        by_frames = counted <= self._max_bytes
        self.passed_over.append(PassedOver(str(error), has_too_many_frames=by_frames))
        self._frames.clear()
        self._count = self._size = 0
        if behind is None:
            self._skim = skim
            return None
        found.append(skim.found)
        return len(data) - len(behind)

    def _cut_fast(self, data: bytes, offset: int, found: list[Frames]) -> int:
        """Read messages of up to three frames, of which the second may be long."""
        if not self._is_quick:
            return offset
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

    def _add(self, body: bytes) -> None:
        self._frames.append(body)

    def _end(self, body: bytes, found: list[Frames]) -> None:
        self._frames.append(body)
        found.append(tuple(self._frames))
        self._frames.clear()
