"""What a raw connection reads, however it is cut, is what was sent to it."""

from __future__ import annotations

import select
import socket

import msgpack
import pytest

from fanout.zmtp.frames import encode_message
from soaking.crowds.wire import GREETING, READY
from soaking.slow.audience import Raw
from soaking.slow.heard import GAP, Heard
from soaking.slow.people import STEADY, Person, frames_of

PERSON = Person("me", False, -1, "drop_oldest", 0, STEADY, gaps=True)
GAP_7 = {"epoch": 1, "first": 7, "last": 11, "count": 5, "reason": "lag"}
MARKER = (GAP, msgpack.packb(GAP_7))
MESSAGES = [*map(frames_of, range(7)), MARKER, *map(frames_of, range(12, 20)), frames_of(12)]


@pytest.mark.parametrize("size", [1, 7, 206, 207, 300, 5_000])
def test_messages_and_markers_are_found_in_any_pieces(size: int) -> None:
    wire = GREETING + READY + b"".join(map(encode_message, MESSAGES))
    expected = Heard(PERSON)
    for frames in MESSAGES:
        expected.add(frames)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        host, port = listener.getsockname()
        raw = Raw(host, port, PERSON)
        with listener.accept()[0] as publisher:
            publisher.sendall(wire)
        while not raw.heard.closed:
            assert select.select([raw._socket], [], [], 10)[0]
            raw.read(size)
        raw.close()

    came = {"closed": True, "hole_times": raw.heard.hole_times}
    assert raw.heard.figures() == expected.figures() | came
    assert (raw.heard.holes, raw.heard.disorder) == ([(7, 11, 5)], 1)
