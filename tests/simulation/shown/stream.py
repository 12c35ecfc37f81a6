"""What a socket took, cut into messages; each says in its body which one it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fanout.zmtp.frames import COMMAND, LONG
from fanout.zmtp.greeting import GREETING_BYTES
from tests.simulation.peers import NUMBER_MARK
from tests.simulation.violated import require

if TYPE_CHECKING:
    from collections.abc import Callable

NUMBER_BYTES = 8
NO_NUMBER = -1


class Stream:
    """Of one subscriber.

    Args:
        take: is called with topic, body and number of each whole message.

    Attributes:
        bytes: that it took.
    """

    def __init__(self, take: Callable[[bytes, bytes, int], None]) -> None:
        self._take = take
        self.bytes = 0
        self._data = bytearray()
        self._greeted = False

    @property
    def is_in_message(self) -> bool:
        """Whether a part of something has come."""
        return bool(self._data)

    def feed(self, data: bytes | bytearray) -> None:
        """It took this."""
        self._data += data
        self.bytes += len(data)
        if not self._greeted and len(self._data) >= GREETING_BYTES:
            del self._data[:GREETING_BYTES]
            self._greeted = True
        while self._greeted and self._take_item():
            pass

    def _take_item(self) -> bool:
        data = self._data
        if not data:
            return False
        is_numbered = data[:1] == NUMBER_MARK
        at, end = (1 + NUMBER_BYTES if is_numbered else 0), (NUMBER_BYTES if is_numbered else 0)
        frames = []
        is_more, is_command = True, False
        while is_more:
            if len(data) < at + 2:
                return False
            flags = data[at]
            require(flags < COMMAND + LONG + 1, f"flags {flags:#x}")
            head = 9 if flags & LONG else 2
            size = int.from_bytes(data[at + 1 : at + head], "big")
            if len(data) < at + head + size:
                return False
            frames.append(bytes(data[at + head : at + head + size]))
            is_more, is_command = bool(flags & 1), bool(flags & COMMAND)
            at += head + size
        if len(data) < at + end:
            return False
        shown = int.from_bytes(data[1 : 1 + NUMBER_BYTES], "big") if is_numbered else NO_NUMBER
        del data[: at + end]
        if not is_command:
            self._take_message(frames, shown)
        return True

    def _take_message(self, frames: list[bytes], shown: int) -> None:
        topic, body = frames[0], frames[1] if len(frames) > 1 else b""
        number = NO_NUMBER
        if not topic.startswith(b"\0"):
            said = (body or topic.partition(b"#")[2]).partition(b":")[0]
            require(said.isdigit(), f"garbage: {topic!r}, {body[:40]!r}")
            number = int(said)
            require(shown in (NO_NUMBER, number), f"{number} is shown as {shown}")
        self._take(topic, body, number)
