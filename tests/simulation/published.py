"""What was published, as the checkers know it: a plain list."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from itertools import accumulate


@dataclass(slots=True)  # frozen, it takes three times as long to make
class Published:
    """One committed message, or one that is being committed; it does not change."""

    frames: tuple[bytes, ...]
    wire: bytes

    @property
    def topic(self) -> bytes:
        return self.frames[0]

    @property
    def legacy_wire(self) -> bytes:
        """The same message for ZMTP 1.0: the length counts the flags, which come after it."""
        wire = b""
        for number, body in enumerate(self.frames, 1):
            size = len(body) + 1
            wire += bytes((size,)) if size < 255 else b"\xff" + size.to_bytes(8, "big")
            wire += bytes((number < len(self.frames),)) + body
        return wire


class History:
    """Every message ever published, by sequence."""

    def __init__(self) -> None:
        self.messages: list[Published] = []
        self.wire = bytearray()  # of all messages
        self.starts = [0]  # of each message, and of the next one
        self.sizes: list[int] = []  # of each message: looked up in C, and often
        self.times: list[int] = []  # of each message

    @property
    def position(self) -> int:
        """Of the next message."""
        return self.starts[-1]

    def add(self, messages: list[Published], wire: bytes, sizes: list[int], now: int) -> None:
        """The next messages.

        Args:
            wire: of all of them.
            sizes: bytes of each on the wire.
        """
        self.times += [now] * len(messages)
        self.messages += messages
        self.sizes += sizes
        start = self.starts.pop()
        self.wire += wire
        self.starts += accumulate(sizes, initial=start)

    def cut(self, count: int) -> None:
        """Only the first `count` messages were committed."""
        del self.messages[count:]
        del self.times[count:]
        del self.sizes[count:]
        del self.starts[count + 1 :]
        del self.wire[self.position :]

    def start_of(self, sequence: int) -> int:
        """Position of a message, or of the next one."""
        return self.starts[min(sequence, len(self.messages))]

    def sequence_at(self, position: int, low: int, high: int) -> int:
        """The message that contains a position, not below `low` nor above `high`."""
        return bisect_right(self.starts, position, low + 1, high + 1) - 1
