"""Each byte of a stream is compared, however it is cut."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import msgpack
import pytest

from fanout.zmtp.frames import encode_message
from soaking.chaos.messages import LONGEST, Wants, payload_of, wire_of
from soaking.chaos.oracles import Changing, Fault, Losing, Marked, Whole, Wrong
from soaking.chaos.stream import Stream
from soaking.crowds.wire import GREETING, READY, command

if TYPE_CHECKING:
    from collections.abc import Iterable

    from soaking.chaos.oracles import Oracle

ALL = Wants([b""])
MANY = range(1_200)  # with a longest and a shortest one


def stream_of(oracle: Oracle, said: list[bytes] | None = None) -> Stream:
    heard = [] if said is None else said
    made = Stream(oracle, heard.append, lambda: 1_000)
    made.feed(GREETING + READY)
    return made


def wire(numbers: Iterable[int]) -> bytes:
    return b"".join(map(wire_of, numbers))


def feed_in_pieces(stream: Stream, data: bytes, seed: int, most: int = 3_000) -> None:
    rng = random.Random(seed)
    while data:
        size = rng.choice((1, 2, rng.randint(1, 30), rng.randint(1, most)))
        stream.feed(data[:size])
        data = data[size:]


@pytest.mark.parametrize("seed", range(5))
def test_what_is_whole_is_so_however_it_is_cut(seed: int) -> None:
    for oracle in (Whole(ALL, 0), Whole(ALL, -1), Losing(ALL, 0), Losing(ALL, -1)):
        stream = stream_of(oracle)
        pings = b"".join(stream.ping() for _ in range(3))
        pongs = [command(b"PONG", b"%08d" % number) for number in (1, 2, 3)]
        assert len(pings) == 3 * (2 + 5 + 2 + 8)
        feed_in_pieces(stream, wire(range(50)) + pongs[0] + wire(range(50, 400)), seed)
        feed_in_pieces(stream, pongs[1] + pongs[2] + wire(range(400, 1_200)), seed, 70_000)

        assert (oracle.received, stream.pongs, stream.unfinished) == (1_200, 3, 0)
        stream.finish(1_200)


@pytest.mark.parametrize("oracle", [Whole(ALL, 0), Losing(ALL, 0)], ids=["whole", "losing"])
def test_any_byte_that_is_another_one_is_found(oracle: Oracle) -> None:
    rng = random.Random(1)
    data = wire(range(60))
    for _ in range(150):
        place = rng.randrange(len(data))
        wrong = bytearray(data)
        wrong[place] ^= 1 << rng.randrange(8)
        stream = stream_of(type(oracle)(ALL, 0))  # type: ignore[call-arg]  # both are made so
        try:
            feed_in_pieces(stream, bytes(wrong), place)
            stream.finish(60)
        except Wrong:
            continue
        # A number, or a size, that is another one may be that of a message which was lost before.
        raise AssertionError(f"byte {place} is wrong, and nobody noticed")


def test_bytes_of_a_later_message_in_the_place_of_an_earlier_one_are_found() -> None:
    longest = max(MANY, key=lambda number: len(payload_of(number)))
    assert len(payload_of(longest)) == LONGEST
    good = wire(range(longest + 1))
    overwritten = good[:-5_000] + wire(range(longest + 1, longest + 100))[:5_000]

    for oracle in (Whole(ALL, 0), Losing(ALL, 0)):
        with pytest.raises(Wrong, match=f"message {longest}, byte") as wrong:
            stream_of(oracle).feed(overwritten)
        assert wrong.value.fault is Fault.TORN


@pytest.mark.parametrize(
    ("pongs", "pings"), [([1, 1], 2), ([2], 2), ([1], 0), ([1, 2, 3], 2), ([1], 2)]
)
def test_each_ping_has_one_answer_in_its_turn(pongs: list[int], pings: int) -> None:
    stream = stream_of(Whole(ALL, 0))
    for _ in range(pings):
        stream.ping()

    def hear() -> None:
        stream.feed(b"".join(command(b"PONG", b"%08d" % number) for number in pongs))
        stream.finish(0)

    with pytest.raises(Wrong) as wrong:
        hear()
    assert wrong.value.fault is Fault.PONG


def test_signs_of_life_are_answered() -> None:
    said: list[bytes] = []
    stream_of(Whole(ALL, 0), said).feed(command(b"PING", b"\0\0what"))

    assert said == [command(b"PONG", b"what")]


@pytest.mark.parametrize("rest", [1, 5, 8, 40])
def test_half_a_message_in_the_end_is_torn(rest: int) -> None:
    stream = stream_of(Losing(ALL, 0))
    stream.feed(wire_of(0) + wire_of(1)[:rest])

    with pytest.raises(Wrong) as wrong:
        stream.finish(2)
    assert wrong.value.fault is Fault.TORN


@pytest.mark.parametrize("seed", range(3))
def test_markers_are_taken_wherever_they_are_cut(seed: int) -> None:
    oracle = Marked(ALL, 0)
    told = {"epoch": 1, "first": 1, "last": 8, "count": 8, "reason": "lag"}
    marker = encode_message([b"\0fanout.gap", msgpack.packb(told)])
    feed_in_pieces(stream_of(oracle), wire_of(0) + marker + wire_of(9), seed)

    assert (oracle.received, oracle.missing) == (2, 8)
    with pytest.raises(Wrong):
        stream_of(Losing(ALL, 0)).feed(marker)


def test_a_change_is_in_force_with_the_answer_to_the_ping_after_it() -> None:
    oracle = Changing([b"T0"], [b"T1"], 0)
    stream = stream_of(oracle)

    before = stream.may_change
    assert stream.change(b"said").startswith(b"said\x04")
    assert (before, stream.may_change) == (True, False)
    stream.feed(command(b"PONG", b"%08d" % 1))
    always = Wants([b"T0"])
    stream.feed(wire(n for n in range(1_000) if always.has(n)))
    with pytest.raises(Wrong, match="subscribed to"):
        stream.feed(wire(n for n in range(1_000, 1_500) if always.has(n)))


def test_what_is_no_zmtp_is_torn() -> None:
    for data in (b"\x04\x04\3FOO", b"\1\3X99\0\x20" + bytes(32), b"\x7f" * 64):
        with pytest.raises(Wrong) as wrong:
            stream_of(Whole(ALL, 0)).feed(data)
        assert wrong.value.fault is Fault.TORN
    with pytest.raises(Wrong):
        Stream(Whole(ALL, 0), print, int).feed(b"HTTP/1.1 400")
