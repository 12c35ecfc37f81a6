"""What a producer sends is cut into the same messages, however it comes; nothing makes it raise."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fanout.ingress.admission import Admission
from fanout.ingress.intake import ProducerHalf
from fanout.ingress.splitting import FoundMessages
from fanout.send.topics import TopicTable
from fanout.zmtp import SessionState, Violation, encode_message, split_message
from tests.helpers.raw import command, frame, greeting_3

READY_PUSH = command(b"READY", b"\x0bSocket-Type\x00\x00\x00\x04PUSH")
LIMIT = 2000

bodies = st.one_of(
    st.sampled_from([b"", b"a", b"b", b"\x00", b"\x00fanout.x"]),
    st.binary(max_size=12),
    st.integers(250, 700).map(lambda size: b"x" * size),
)
messages = st.lists(st.lists(bodies, min_size=1, max_size=6), max_size=30)
cuts = st.lists(st.integers(1, 400), min_size=1, max_size=50)


def ready() -> ProducerHalf:
    table = TopicTable(16)
    intake = ProducerHalf(Admission(table, table.intern, None), LIMIT, 256)
    assert intake.receive_data(greeting_3(1) + READY_PUSH)
    assert intake.is_ready
    return intake


def received(
    intake: ProducerHalf, data: bytes, sizes: list[int]
) -> tuple[list[bytes], list[bytes]]:
    """The messages, and the names of their topics, however the data is cut."""
    wires: list[bytes] = []
    names: list[bytes] = []
    start, index = 0, 0
    while start < len(data):
        size = sizes[index % len(sizes)]
        found = FoundMessages()
        events = intake.receive(data[start : start + size], found)
        whole = b"".join(found.pieces)
        assert len(whole) == found.size == (found.ends[-1] if found.ends else 0)
        wires += [whole[a:b] for a, b in zip([0, *found.ends], found.ends, strict=False)]
        names += [topic.name for topic in found.topics]
        assert len(wires) == len(names)
        is_over = intake.state is SessionState.CLOSED
        assert is_over == any(isinstance(event, Violation) for event in events)
        if is_over:
            break
        start, index = start + size, index + 1
    return wires, names


def naive(sent: list[list[bytes]]) -> list[list[bytes]]:
    """Those before the first that is not taken."""
    taken = []
    for frames in sent:
        if len(encode_message(frames)) > LIMIT or frames[0].startswith(b"\x00fanout."):
            break
        taken.append(frames)
    return taken


@given(messages, cuts)
def test_whole_messages_in_any_cut(sent: list[list[bytes]], sizes: list[int]) -> None:
    data = b"".join(map(encode_message, sent))
    wires, names = received(ready(), data, sizes)
    taken = naive(sent)
    assert [split_message(wire) for wire in wires] == taken
    assert names == [b"" if len(frames) == 1 else frames[0] for frames in taken]


@given(messages, cuts, st.data())
def test_an_end_anywhere_publishes_what_is_whole(
    sent: list[list[bytes]], sizes: list[int], choose: st.DataObject
) -> None:
    pieces = [encode_message(frames) for frames in naive(sent)]
    data = b"".join(pieces)
    end = choose.draw(st.integers(0, len(data)))
    intake = ready()
    wires, _ = received(intake, data[:end], sizes)
    assert b"".join(wires) == data[: sum(map(len, wires))]
    assert wires == pieces[: len(wires)]
    missing = end - sum(map(len, wires))
    assert bool(intake.part_bytes) == bool(missing)


@given(messages, st.lists(st.integers(0, 1 << 16), max_size=10), cuts)
def test_the_form_of_frames_does_not_matter(
    sent: list[list[bytes]], seeds: list[int], sizes: list[int]
) -> None:
    """Long sizes where short ones would do, flags that mean nothing, and PINGs in between."""
    data = b""
    index = 0
    for frames in naive(sent):
        for number, body in enumerate(frames):
            seed = seeds[index % len(seeds)] if seeds else 0
            index += 1
            if seed & 1:
                data += command(b"PING", b"\x00\x00" + b"c" * (seed >> 1 & 7))
            more = int(number < len(frames) - 1)
            flags = more | (0xF8 if seed & 16 else 0)
            if seed & 32:
                data += bytes((flags | 2,)) + len(body).to_bytes(8, "big") + body
            else:
                data += frame(body, flags)
    wires, _ = received(ready(), data, sizes)
    assert wires == [encode_message(frames) for frames in naive(sent)]


@given(st.binary(max_size=600), cuts)
def test_any_bytes_are_messages_or_a_violation(data: bytes, sizes: list[int]) -> None:
    intake = ready()
    wires, _ = received(intake, data, sizes)
    for wire in wires:
        assert encode_message(split_message(wire)) == wire


@given(st.binary(max_size=300), cuts)
def test_any_greeting_is_one_or_a_violation(data: bytes, sizes: list[int]) -> None:
    table = TopicTable(16)
    received(ProducerHalf(Admission(table, table.intern, None), LIMIT, 256), data, sizes)
