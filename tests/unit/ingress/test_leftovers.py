"""What is counted of a stream from any place on is what was left of it, however it is cut."""

from __future__ import annotations

import pytest

from fanout.ingress.admission import Admission
from fanout.ingress.leftovers import MessageCount
from fanout.ingress.splitting import FoundMessages, Splitter
from fanout.send.topics import TopicTable
from fanout.zmtp import RemoteProtocolError, encode_message
from fanout.zmtp.commands import ping

BIG = 70_000  # more than is gathered as it comes
STREAM = b"".join(
    (
        encode_message([b"a", b"1"]),
        ping(b"context", 10),
        encode_message([b"b", b"x" * 300, b"y", b"z"]),
        encode_message([b"one"]),
        encode_message([b"c", b"L" * BIG]),
        encode_message([b"c", b"L" * BIG, b"after"]),
        encode_message([b"", b""]),
    )
)
WHOLE = 6
NEAR = [*range(340), *range(BIG + 300, BIG + 360), *range(len(STREAM) - 40, len(STREAM) + 1)]


def splitter() -> Splitter:
    table = TopicTable(100)
    return Splitter(Admission(table, table.intern, None), 1 << 20, 1 << 20)


@pytest.mark.parametrize("size", [1000, 1 << 20])
def test_what_was_found_and_what_is_left_are_all(size: int) -> None:
    for cut in NEAR:
        before, found = splitter(), FoundMessages()
        before.split(STREAM[:cut], found)
        tally = MessageCount(before.mark, has_commands=True)
        for start in range(cut, len(STREAM), size):
            tally.take(STREAM[start : start + size])
        assert len(found.ends) + tally.count == WHOLE
        assert not tally.has_part


def test_a_message_that_is_not_whole_is_one_wherever_it_is_cut() -> None:
    message = encode_message([b"a", b"x" * BIG, b"y"])
    for cut in (1, 3, 4, 10, 12, 13, 1000, BIG, len(message) - 1):
        for end in (cut, len(message) - 1):
            before = splitter()
            before.split(message[:cut], FoundMessages())
            tally = MessageCount(before.mark, has_commands=True)
            tally.take(message[cut:end])
            assert (tally.count, tally.has_part) == (0, True)


def test_a_command_that_is_not_whole_is_no_message() -> None:
    command = ping(b"context", 10)
    for data in (command, b"\x06" + (BIG).to_bytes(8, "big") + b"\x04PING" + bytes(BIG - 5)):
        for cut in range(1, min(20, len(data))):
            before = splitter()
            before.split(data[:cut], FoundMessages())
            tally = MessageCount(before.mark, has_commands=True)
            assert not tally.has_part
            tally.take(data[cut:-1])
            assert not tally.has_part
            tally.take(data[-1:] + encode_message([b"a"]))
            assert tally.count == 1


def test_what_is_no_frame_ends_the_count() -> None:
    tally = MessageCount(splitter().mark, has_commands=True)
    with pytest.raises(RemoteProtocolError):
        tally.take(encode_message([b"a"]) + b"\x02" + b"\xff" * 8)
    assert tally.count == 1
