"""Sealed sending under any cuts, full sockets, jumps and words in between.

The pump is modelled by what it promises: it hands over the stream from where the last count ended,
in spans cut anywhere; at the end of a message it may leave some out, or say something; and in the
middle of one it does neither. At any time another worker may go on with it. What the peer opens
must be that stream; no nonce has two texts.
"""

from __future__ import annotations

from unittest import mock

from hypothesis import given, settings
from hypothesis import strategies as st

from fanout.workers.connections import handed
from fanout.workers.connections.sealed import SealedSend
from fanout.zmtp import encode_message
from fanout.zmtp.boxes import SERVER_TEXT, Counting
from fanout.zmtp.opener import Opener
from fanout.zmtp.sealer import Sealer
from tests.helpers.boxes import Kernel, NoBoxes

PONG = bytes.fromhex("0406 04 504f4e47 41")
messages = st.lists(
    st.lists(st.integers(0, 700), min_size=1, max_size=3).map(
        lambda sizes: encode_message([bytes((65 + size % 26,)) * size for size in sizes])
    ),
    min_size=1,
    max_size=10,
)


class Pump:
    """What is still to be sent of one connection, and where that stands."""

    def __init__(self, wires: list[bytes], kernel: Kernel, send: SealedSend) -> None:
        self.left = wires
        self.current = b""  # the rest of the message that has begun
        self.kernel = kernel
        self.send = send
        self.sent = b""  # plain bytes that are to reach the peer

    def next(self, other: str) -> None:
        """Between two messages: leave out the next one, say something, or go on."""
        if self.current:
            return
        assert self.send.is_empty, "nothing is kept that nobody asks for"
        if other == "jump" and self.left:
            del self.left[0]
        elif other == "speak":
            self.left.insert(0, PONG)

    def move(self) -> None:
        """Another one goes on, with what it was told over the channel and can read."""
        before, opener = self.send, self.kernel.opener
        rest, part = before.remainder, opener.part
        stored = handed.kept(rest, opener)
        key, count = before.hand_over()
        counts = count, opener.hand_over()
        boxes = handed.packed(key, counts, rest, len(part), 0)
        over = handed.unpacked(boxes, lambda _offset, _size: stored)
        assert over is not None
        kernel = self.kernel
        kernel.opener = Opener(
            kernel.boxes, over.key, SERVER_TEXT, Counting(over.heard), 1 << 24, over.part
        )
        sealer = Sealer(kernel.boxes, over.key, SERVER_TEXT, over.used)
        self.send = SealedSend(kernel.send, sealer, over.remainder)

    def step(self, span: int, room: int) -> None:
        """Hand over so many bytes, to a socket with so much room."""
        self.kernel.room = room
        data = (self.current + b"".join(self.left))[:span]
        if not data:
            return
        self.send.let()
        try:
            done = self.send(data)
        except BlockingIOError:
            assert not self.kernel.room
            return
        assert 0 < done <= len(data)
        self.sent += data[:done]
        while done:
            if not self.current:
                self.current = self.left.pop(0)
            taken = min(done, len(self.current))
            self.current, done = self.current[taken:], done - taken

    @property
    def is_done(self) -> bool:
        return not self.current and not self.left


steps = st.lists(
    st.tuples(
        st.one_of(st.integers(1, 12), st.integers(1, 3000)),
        st.one_of(st.integers(0, 60), st.integers(0, 3000)),
        st.sampled_from(["", "", "jump", "speak", "move", "move"]),
    ),
    max_size=60,
)


@settings(max_examples=400, deadline=None)
@given(messages, steps, st.booleans())
def test_what_the_peer_opens_is_the_stream(
    wires: list[bytes], taken: list[tuple[int, int, str]], in_stretches: bool
) -> None:
    with mock.patch.object(NoBoxes, "IN_STRETCHES", in_stretches):
        kernel = Kernel()
    pump = Pump(list(wires), kernel, SealedSend(kernel.send, kernel.sealer))
    got = b""
    for span, room, other in taken:
        if other == "move":
            pump.move()
        pump.next(other)
        pump.step(span, room)
        got += kernel.received()
        assert pump.sent.startswith(got) or got.startswith(pump.sent)
    while not pump.is_done:
        pump.step(1 << 20, 1 << 20)
    got += kernel.received()
    assert got == pump.sent
    assert pump.send.is_empty
