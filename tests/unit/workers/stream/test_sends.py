"""What is sent, cut off or given to nobody is counted, in messages and in bytes."""

from __future__ import annotations

import pytest

from fanout.workers.tuning import Tuning
from fanout.zmtp.frames import encode_message
from tests.helpers.log import SMALL, Worker

ALL = 1 << 40
PICKY = Tuning(shared_prefixes=0)  # each cohort has picks of its own


class Longer:
    """An encoding that makes each message three bytes longer, or two shorter."""

    shared = True

    def __init__(self, by: int) -> None:
        self._by = by

    def encode(self, piece: bytes, _number: int) -> bytes:
        return piece + b"+" * self._by if self._by > 0 else piece[: self._by]


def sizes(*messages: tuple[bytes, bytes]) -> int:
    """Their bytes in the log."""
    return sum(len(encode_message(message)) for message in messages)


A, AB, B = (b"A", b"1"), (b"AB", b"22"), (b"B", b"333")


@pytest.mark.parametrize("room", [ALL, 0, 12])
@pytest.mark.parametrize(
    ("wants", "matched"),
    [
        ((b"",), (A, AB, B)),
        ((b"A",), (A, AB)),
        ((b"A", b"B"), (A, AB, B)),
        ((b"AB",), (AB,)),
        ((b"C",), ()),
    ],
)
@pytest.mark.parametrize("tuning", [Tuning(), PICKY], ids=["by prefix", "by cohort"])
def test_bytes_of_what_matched_are_sent_or_queued(
    wants: tuple[bytes, ...],
    matched: tuple[tuple[bytes, bytes], ...],
    room: int,
    tuning: Tuning,
) -> None:
    worker = Worker(SMALL, tuning=tuning)
    member, sink = worker.member(*wants, room=room)
    for message in (A, AB, B):
        worker.log.publish(*message)

    worker.advance()

    size = sizes(*matched)
    assert member.matched_bytes == size
    assert member.sent_bytes == len(sink.taken) == min(size, room)
    assert member.queued_bytes == size - len(sink.taken)
    worker.pump.remove(member)
    totals = worker.pump.totals
    assert (totals.matched_bytes, totals.discarded_bytes) == (size, size - len(sink.taken))


@pytest.mark.parametrize("by", [3, -2])
@pytest.mark.parametrize("room", [ALL, 0, 2, 30])
def test_what_an_encoding_adds_matched_once_it_is_begun(by: int, room: int) -> None:
    worker = Worker()
    encoding = Longer(by)
    member, sink = worker.member(b"", room=room, encoding=encoding)
    for message in (A, AB, B, A, AB, B):
        worker.log.publish(*message)
    worker.advance()
    whole = [encoding.encode(encode_message(one), 0) for one in (A, AB, B, A, AB, B)]

    while True:
        begun, end = 0, 0
        while begun < len(whole) and end < len(sink.taken):
            end += len(whole[begun])
            begun += 1
        rest = sizes(*(A, AB, B, A, AB, B)[begun:])
        assert member.sent_bytes == len(sink.taken)
        assert member.queued_bytes == end - len(sink.taken) + rest
        assert member.matched_bytes == end + rest == worker.pump.matched_bytes
        if sink.room:
            break
        sink.room = 5 if len(sink.taken) < 50 else ALL
        worker.serve(member)
    assert sink.taken == b"".join(whole)


def test_what_was_matched_elsewhere_comes_along() -> None:
    worker = Worker()
    member, _ = worker.member(b"A")
    worker.log.publish(*A)
    worker.advance()
    worker.pump.subscribe(member, [b"B"])
    for message in (A, B, B):
        worker.log.publish(*message)
    worker.advance()
    worker.pump.subscribe(member, [])

    assert (member.matched, member.matched_bytes) == (3, sizes(A, B, B))
