"""The bytes of one connection, each of them compared with what it must be. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgpack

from soaking.chaos.messages import HEAD_BYTES, LONG_HEAD_BYTES, NUMBER_BYTES, wire_of
from soaking.chaos.oracles import Changing, Fault, Marked, Wrong
from soaking.crowds.wire import GREETING, command

if TYPE_CHECKING:
    from collections.abc import Callable

    from soaking.chaos.oracles import Oracle

COMMAND, LONG = 4, 2
GAP = b"\x01\x0b\0fanout.gap"
PING, PONG, READY = b"\4PING", b"\4PONG", b"\5READY"
TTL_BYTES = 2
NUMBER_MAX = 1 << 40  # of a message: above it there is none
FRAME_MAX = 1_000  # bytes of a command, or of what a marker says
SHOWN = 24  # bytes of what was wrong


class Stream:
    """Takes the bytes as they come.

    Args:
        oracle: what must come.
        say: sends bytes to the publisher.
        published: how many messages were published so far, at most.

    Attributes:
        pings, pongs: said with running numbers, and answers to them, which came in that order.
        is_ready: its handshake is done.
        discarded: bytes of a message that was not whole when the connection ended.
    """

    def __init__(
        self, oracle: Oracle, say: Callable[[bytes], None], published: Callable[[], int]
    ) -> None:
        self.oracle = oracle
        self.pings = self.pongs = 0
        self.is_ready = False
        self._say = say
        self._published = published
        self._head = b""  # the beginning of what cannot be told yet
        self._greeting = len(GREETING)  # bytes of it that are to come
        self._number = 0
        self._wire = b""  # of the message that has begun; empty = none
        self._offset = 0  # bytes of it that came
        self._fence = 0  # the PING that was said after a change

    # What it says.

    def ping(self) -> bytes:
        """The next PING."""
        self.pings += 1
        return command(b"PING", bytes(TTL_BYTES) + b"%08d" % self.pings)

    def change(self, said: bytes) -> bytes:
        """A change of its subscriptions, and a PING after it."""
        assert isinstance(self.oracle, Changing)
        self.oracle.asked()
        said += self.ping()
        self._fence = self.pings
        return said

    @property
    def may_change(self) -> bool:
        """Whether it changes its wants, and the last change has come to an end."""
        oracle = self.oracle
        return isinstance(oracle, Changing) and oracle.is_settled and self.pongs >= self._fence

    # What it hears.

    @property
    def unfinished(self) -> int:
        """Bytes of something that has begun, and not come whole."""
        return self._offset if self._wire else len(self._head)

    def finish(self, published: int) -> None:
        """Nothing more comes.

        Raises:
            Wrong: something has not come that must.
        """
        if self.unfinished:
            raise Wrong(Fault.TORN, f"{self.unfinished} bytes of something that is not whole")
        if self.pongs < self.pings:
            raise Wrong(Fault.PONG, f"{self.pings} PINGs, {self.pongs} PONGs")
        self.oracle.finish(published)

    def feed(self, data: bytes) -> None:
        """These bytes came.

        Raises:
            Wrong: they are not what they must be; the stream must not be fed any more.
        """
        if self._head:
            data, self._head = self._head + data, b""
        at, end = 0, len(data)
        if self._greeting:
            at = self._greet(data)
        while at < end:
            if self._wire:
                at = self._continue(data, at)
                continue
            number = self.oracle.expected
            if number >= 0:
                wire = wire_of(number)
                if data.startswith(wire, at):
                    self.oracle.take(number)
                    at += len(wire)
                    continue
            begin = self._begin(data, at)
            if begin < 0:
                self._head = data[at:]
                return
            at = begin

    def _greet(self, data: bytes) -> int:
        if self._greeting == len(GREETING) and data[:1] != GREETING[:1]:
            raise Wrong(Fault.TORN, f"a greeting {data[:SHOWN]!r}")
        size = min(self._greeting, len(data))
        self._greeting -= size
        return size

    def _continue(self, data: bytes, at: int) -> int:
        offset, wire = self._offset, self._wire
        size = min(len(wire) - offset, len(data) - at)
        if data[at : at + size] != wire[offset : offset + size]:
            self._tell_where(data[at : at + size], wire[offset : offset + size], offset)
        self._offset = offset + size
        if self._offset == len(wire):
            self._wire, self._offset = b"", 0
            self.oracle.take(self._number)
        return at + size

    def _tell_where(self, came: bytes, wanted: bytes, offset: int) -> None:
        place = next(i for i, (a, b) in enumerate(zip(came, wanted, strict=True)) if a != b)
        came, wanted = came[place : place + SHOWN], wanted[place : place + SHOWN]
        text = f"message {self._number}, byte {offset + place}: {came!r}, not {wanted!r}"
        raise Wrong(Fault.TORN, text)

    def _begin(self, data: bytes, at: int) -> int:
        """What begins here is not the message that was expected, or not all of it has come.

        Returns:
            Where what was recognised ends; -1 = more must come before anything can be told.
        """
        if data[at] & COMMAND:
            return self._take_command(data, at)
        if data.startswith(GAP[:2], at):
            return self._take_marker(data, at)
        come = len(data) - at
        if come < HEAD_BYTES:
            return -1
        head = LONG_HEAD_BYTES if data[at + HEAD_BYTES - 2] & LONG else HEAD_BYTES
        if come < head + NUMBER_BYTES:
            return -1
        number = int.from_bytes(data[at + head : at + head + NUMBER_BYTES], "big")
        wire = wire_of(number) if number < NUMBER_MAX else b""
        if not wire.startswith(data[at : at + head + NUMBER_BYTES]):
            expected = self.oracle.expected
            raise Wrong(Fault.TORN, f"{data[at : at + SHOWN]!r}, where {expected} may begin")
        self._number, self._wire, self._offset = number, wire, 0
        return at

    def _take_command(self, data: bytes, at: int) -> int:
        body, end = _frame(data, at)
        if end < 0:
            return -1
        if body.startswith(PONG):
            self._take_pong(body[len(PONG) :])
        elif body.startswith(PING):
            self._say(command(b"PONG", body[len(PING) + TTL_BYTES :]))
        elif body.startswith(READY) and not self.is_ready:
            self.is_ready = True
        else:
            raise Wrong(Fault.TORN, f"a command {body[:SHOWN]!r}")
        return end

    def _take_pong(self, context: bytes) -> None:
        expected = b"%08d" % (self.pongs + 1)
        if context != expected or self.pongs == self.pings:
            raise Wrong(Fault.PONG, f"PONG {context!r}, {expected!r} is next of {self.pings}")
        self.pongs += 1
        if self.pongs == self._fence:
            assert isinstance(self.oracle, Changing)
            self.oracle.answered(self._published())

    def _take_marker(self, data: bytes, at: int) -> int:
        body, end = _frame(data, at + len(GAP))
        if end < 0:
            return -1
        if not data.startswith(GAP, at) or not isinstance(self.oracle, Marked):
            raise Wrong(Fault.MARKER, f"it did not ask for {data[at : at + SHOWN]!r}")
        gap = msgpack.unpackb(body)
        self.oracle.marker(gap["first"], gap["last"], gap["count"])
        return end


def _frame(data: bytes, at: int) -> tuple[bytes, int]:
    """The body of a short frame that begins here, and where it ends; -1 = it has not come whole.

    Raises:
        Wrong: it is too long to be a command, or the text of a marker.
    """
    head = 9 if len(data) > at and data[at] & LONG else 2
    if len(data) - at < head:
        return b"", -1
    begin = at + head
    size = int.from_bytes(data[at + 1 : begin], "big")
    if size > FRAME_MAX:
        raise Wrong(Fault.TORN, f"{data[at : at + SHOWN]!r}, where something may begin")
    end = begin + size
    return (data[begin:end], end) if end <= len(data) else (b"", -1)
