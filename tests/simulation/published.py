"""What was published, as the checkers know it: a plain list."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Published:
    """One committed message, or one that is being committed."""

    frames: tuple[bytes, ...]
    wire: bytes
    start: int  # position of its first byte

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
        self.position = 0

    def add(self, frames: tuple[bytes, ...], wire: bytes) -> None:
        """The next message."""
        self.messages.append(Published(frames, wire, self.position))
        self.position += len(wire)

    def cut(self, count: int) -> None:
        """Only the first `count` messages were committed."""
        del self.messages[count:]
        self.position = self.start_of(count)

    def start_of(self, sequence: int) -> int:
        """Position of a message, or of the next one."""
        if sequence < len(self.messages):
            return self.messages[sequence].start
        if not self.messages:
            return 0
        last = self.messages[-1]
        return last.start + len(last.wire)
