"""Records that are none, and a socket's `send` to go with them: for what is done with records."""

from __future__ import annotations

from fanout.security.records import RECORD_BYTES

HEAD_BYTES = 5  # the size of what is in one, and a number, by which it is known again


class NoRecords:
    """See `fanout.security.records.Records`; what is in one can be read."""

    def __init__(self) -> None:
        self.is_ready = True
        self.has_ended = False
        self.said = b""
        self.sealed = 0

    def seal(self, data: bytes | memoryview) -> bytes:
        assert len(data) > 0
        assert not self.said, "what it says by itself was not taken before"
        wire = b""
        for at in range(0, len(data), RECORD_BYTES):
            piece = bytes(data[at : at + RECORD_BYTES])
            self.sealed += 1
            wire += len(piece).to_bytes(3) + (self.sealed % 65536).to_bytes(2) + piece
        return wire

    def take_output(self) -> bytes:
        said, self.said = self.said, b""
        return said

    def end(self) -> None:
        self.said += bytes(3) + b"\xff\xff"


class Kernel:
    """A socket's `send` that takes as much as it has room for, and a peer that opens it all."""

    def __init__(self, room: int = 0) -> None:
        self.room = room
        self.records = NoRecords()
        self.wire = b""
        self.sends = 0
        self._opened = 0

    def send(self, data: bytes | memoryview) -> int:
        self.sends += 1
        taken = min(self.room, len(data))
        if not taken:
            raise BlockingIOError
        self.room -= taken
        self.wire += data[:taken]
        return taken

    def received(self) -> bytes:
        """The plain bytes of the records that have come in whole since this was asked last."""
        plain = b""
        while len(self.wire) >= HEAD_BYTES:
            size, number = int.from_bytes(self.wire[:3]), int.from_bytes(self.wire[3:5])
            if len(self.wire) < HEAD_BYTES + size:
                break
            if size:
                self._opened += 1
                assert number == self._opened % 65536, "a record is missing, or came twice"
            plain += self.wire[HEAD_BYTES : HEAD_BYTES + size]
            self.wire = self.wire[HEAD_BYTES + size :]
        return plain
