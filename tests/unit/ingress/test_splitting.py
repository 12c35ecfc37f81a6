"""Where messages end in what a producer sends, however it is cut, and what is refused."""

from __future__ import annotations

import pytest

from fanout.ingress.admission import Admission, ForbiddenTopicError
from fanout.ingress.splitting import FoundMessages, Splitter
from fanout.send.topics import NOT_INTERNED, UNKNOWN, TopicTable
from fanout.terms.reserved import RESERVED
from fanout.zmtp import encode_message
from fanout.zmtp.commands import ping
from fanout.zmtp.cutting import FRAMES_MAX
from fanout.zmtp.errors import OverLimitError, RemoteProtocolError

LIMIT = 4096


def admission(*allowed: bytes, topics: int = 64) -> Admission:
    table = TopicTable(topics)
    return Admission(table, table.intern, allowed or None)


def splitter(*allowed: bytes) -> Splitter:
    return Splitter(admission(*allowed), LIMIT, 64)


def wires(found: FoundMessages) -> list[bytes]:
    data = b"".join(found.pieces)
    assert len(data) == found.size
    starts = [0, *found.ends]
    return [data[a:b] for a, b in zip(starts, found.ends, strict=False)]


MESSAGES = [
    *([b"a", b"1"], [b"a", b"2"], [b"b", b""], [b"", b"no name"], [b"alone"], [b""]),
    *([b"a", b"x" * 300], [b"a", b"x" * 3000], [b"c" * 255, b"1"], [b"c" * 256, b"1"]),
    *([b"a", b"b", b"c"], [b"a", b"b", b"x" * 256], [b"a", b"", b"", b"", b""]),
    *([b"\x00b"], [b"\x00b", b"1"], [b"a", b"3"]),
]
STREAM = [encode_message(frames) for frames in MESSAGES]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 300, 100_000])
def test_messages_come_out_as_they_went_in_however_they_are_cut(size: int) -> None:
    one, got, topics = splitter(), list[bytes](), list[bytes]()
    data = b"".join(STREAM)
    for start in range(0, len(data), size):
        found = FoundMessages()
        one.split(data[start : start + size], found)
        got += wires(found)
        topics += [topic.name for topic in found.topics]
    assert got == STREAM
    assert one.part_bytes == 0
    assert topics == [b"" if len(frames) == 1 else frames[0] for frames in MESSAGES]


SAME = [[b"a%d" % (number % 7), b"%04d" % number] for number in range(100)]
OTHERS = [
    [b"a7", b"0000"],
    [b"a1", b"longer"],
    [b"a10", b"000"],
    [b"a1", b"", b"00"],
    [b"a1\0\x0400"],
    [b"a1\0\x04", b"xx"],
    [b"a1", b"0000", b"more of it"],
]


# All of the four columns of their headers must be looked at: the last is like the others but in
# the first of them, the one before it in the third.
@pytest.mark.parametrize("other", [[], *([other] for other in OTHERS), [[b"a1"], [b"0000"]]])
@pytest.mark.parametrize("at", [0, 1, 15, 16, 17, 60, 99])
@pytest.mark.parametrize("size", [13, 500, 100_000])
def test_messages_of_one_size_in_a_row_are_found_as_one_by_one(
    other: list[list[bytes]], at: int, size: int
) -> None:
    """Also with one between them that is as long, and is not like them."""
    messages = [*SAME[:at], *other, *SAME[at:]]
    stream = b"".join(map(encode_message, messages))
    one, got, topics = splitter(), list[bytes](), list[bytes]()
    one.split(
        b"".join(map(encode_message, SAME[:7])), FoundMessages()
    )  # so that their topics are known
    for start in range(0, len(stream), size):
        found = FoundMessages()
        one.split(stream[start : start + size], found)
        got += wires(found)
        topics += [topic.name for topic in found.topics]
    assert got == [*map(encode_message, messages)]
    assert topics == [b"" if len(frames) == 1 else frames[0] for frames in messages]


def test_a_message_of_one_frame_has_no_topic_to_look_up() -> None:
    found = FoundMessages()
    splitter().split(encode_message([b"alone"]) + encode_message([b"x" * 256, b"1"]), found)
    assert found.topics[0] is UNKNOWN
    assert found.topics[1].id == NOT_INTERNED


def test_one_topic_has_one_id() -> None:
    found = FoundMessages()
    splitter().split(b"".join(STREAM[:3]), found)
    first, second, other = found.topics
    assert first is second
    assert other.id not in (first.id, NOT_INTERNED)


def test_topics_are_forgotten_with_those_of_the_publisher() -> None:
    own = admission(topics=4)
    one = Splitter(own, LIMIT, 64)
    for number in range(100):
        one.split(encode_message([b"%d" % number, b"x"]), FoundMessages())
        assert len(own.known) <= 4


def test_topics_are_forgotten_before_they_are_looked_for() -> None:
    table = TopicTable(4)
    one = Splitter(Admission(table, table.intern, None), LIMIT, 64)
    first, second = FoundMessages(), FoundMessages()
    one.split(STREAM[0], first)
    for number in range(100):
        table.intern(b"%d" % number)
    one.split(STREAM[0], second)
    assert second.topics[0] is not first.topics[0], "the table has forgotten that one"


def test_what_is_longer_than_needed_goes_into_the_log_as_we_encode_it() -> None:
    long = b"\x03" + (1).to_bytes(8, "big") + b"a" + b"\x02" + (1).to_bytes(8, "big") + b"1"
    long_at_last = b"\x01\x01a\x02" + (1).to_bytes(8, "big") + b"1"
    with_odd_flags = b"\xf9\x01a\xf0\x011"
    found = FoundMessages()
    one = splitter()
    one.split(STREAM[0] + long + long_at_last + with_odd_flags + STREAM[1], found)
    assert wires(found) == [STREAM[0]] * 4 + [STREAM[1]]


@pytest.mark.parametrize("size", [1, 1000])
def test_commands_come_between_messages_and_frames(size: int) -> None:
    one, got = splitter(), list[bytes]()
    data = ping(b"", 0) + b"\x01\x01a" + ping(b"x", 0) + b"\x00\x011" + ping(b"", 0) + STREAM[1]
    commands: list[bytes] = []
    for start in range(0, len(data), size):
        found = FoundMessages()
        one.split(data[start : start + size], found)
        got += wires(found)
        commands += one.commands
        one.commands.clear()
    assert got == STREAM[:2]
    assert [body[:5] for body in commands] == [b"\x04PING"] * 3


@pytest.mark.parametrize("size", [1, 1000])
def test_a_long_command_that_is_not_said_to_be_long_is_one(size: int) -> None:
    """As libzmq 4.3.3 and 4.3.4 send it: see `lost_long_size`."""
    one, got = Splitter(admission(), LIMIT, 300), list[bytes]()
    body = b"\x09SUBSCRIBE" + b"t" * 250
    data = b"\x04" + len(body).to_bytes(8, "big") + body + STREAM[0] + b"\x04\x00" + STREAM[1]
    for start in range(0, len(data), size):
        found = FoundMessages()
        one.split(data[start : start + size], found)
        got += wires(found)
    assert got == STREAM[:2]
    assert one.commands == [body, b""]


def test_a_peer_of_zmtp_2_has_no_commands() -> None:
    one, found = splitter(), FoundMessages()
    one.has_commands = False
    one.split(b"\x05\x01a\x04\x011", found)
    assert wires(found) == [STREAM[0]]
    assert one.commands == []


def test_what_has_begun_is_known() -> None:
    one = splitter()
    one.split(b"\x01\x01a\x00\x05xy", FoundMessages())
    assert one.part_bytes == 7
    one.split(b"zzz", FoundMessages())
    assert one.part_bytes == 0
    one.split(ping(b"", 0)[:4], FoundMessages())
    assert one.part_bytes == 0, "a command is no message"


@pytest.mark.unmeasured
@pytest.mark.parametrize("cut", [1, 100, 10_000])
def test_a_long_frame_is_gathered_as_it_comes(cut: int) -> None:
    size = 200_000 if cut > 1 else 70_000
    one, got = Splitter(admission(), 1 << 20, 64), list[bytes]()
    data = encode_message([b"a", b"x" * size, b"z"]) + STREAM[0]
    for start in range(0, len(data), cut):
        found = FoundMessages()
        one.split(data[start : start + cut], found)
        got += wires(found)
    assert got == [encode_message([b"a", b"x" * size, b"z"]), STREAM[0]]


def test_limits_are_those_of_one_message() -> None:
    exact = encode_message([b"a", b"x" * (LIMIT - 3 - 9)])
    assert len(exact) == LIMIT
    found = FoundMessages()
    splitter().split(exact * 3, found)
    assert wires(found) == [exact] * 3

    found = FoundMessages()
    with pytest.raises(OverLimitError, match="4096 bytes on the wire"):
        splitter().split(STREAM[0] + encode_message([b"a", b"x" * (LIMIT - 3 - 8)]), found)
    assert wires(found) == STREAM[:1], "what was whole before is published"


def test_a_long_message_is_refused_by_its_header() -> None:
    with pytest.raises(OverLimitError):
        splitter().split(b"\x02" + (1 << 40).to_bytes(8, "big"), FoundMessages())
    with pytest.raises(RemoteProtocolError, match=r"2\*\*63"):
        splitter().split(b"\x02" + b"\xff" * 8, FoundMessages())
    with pytest.raises(OverLimitError, match="a command of 65 bytes, the limit is 64"):
        splitter().split(b"\x04\x41", FoundMessages())


@pytest.mark.unmeasured
def test_a_message_has_so_many_frames_at_most() -> None:
    one = Splitter(admission(), 1 << 20, 64)
    found = FoundMessages()
    one.split(b"\x01\x00" * (FRAMES_MAX - 1) + b"\x00\x00", found)
    assert len(found.ends) == 1
    with pytest.raises(OverLimitError, match="65536 frames"):
        one.split(b"\x01\x00" * FRAMES_MAX + b"\x00\x00", FoundMessages())


@pytest.mark.parametrize(
    "frames", [[b"b", b"1"], [b"b"], [b""], [RESERVED + b"x", b"1"], [RESERVED]]
)
def test_only_allowed_topics_are_taken(frames: list[bytes]) -> None:
    found = FoundMessages()
    one = splitter(b"a", b"c")
    with pytest.raises(ForbiddenTopicError):
        one.split(STREAM[0] + encode_message([b"ax"]) + encode_message(frames), found)
    assert wires(found) == [STREAM[0], encode_message([b"ax"])]


@pytest.mark.parametrize("frames", [[RESERVED + b"x", b"1"], [RESERVED + b"gap"]])
def test_reserved_topics_are_nobodys(frames: list[bytes]) -> None:
    with pytest.raises(ForbiddenTopicError, match="reserved"):
        splitter().split(encode_message(frames), FoundMessages())
