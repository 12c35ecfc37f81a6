"""Wire bytes: the same for every way in, and refused where they cannot fit."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import msgpack
import pytest

from fanout.errors import ConfigError, MessageTooLarge
from fanout.options import LOG_BYTES_MIN
from fanout.send.topics import NOT_INTERNED, UNKNOWN, TopicTable
from fanout.send.wire import COPY_ONCE_BYTES, INTERN_BYTES_MAX, Encoder, as_json, as_msgpack
from fanout.shm.layout import MESSAGE_PART
from fanout.zmtp.frames import encode_message

if TYPE_CHECKING:
    from collections.abc import Callable

    from fanout.terms.arguments import Bytes, TopicLike

LARGE = b"x" * COPY_ONCE_BYTES
SIZES = [0, 1, 255, 256, COPY_ONCE_BYTES - 1, COPY_ONCE_BYTES, COPY_ONCE_BYTES + 1]


def encoder(limit: int | None = None, *, in_pieces: bool = True) -> Encoder:
    topics = TopicTable(16)
    return Encoder(topics, topics.intern, limit, in_pieces)


@pytest.mark.parametrize("topic", [b"", b"topic", "tópico", bytearray(b"topic"), memoryview(b"a")])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("kind", [bytes, bytearray])
def test_two_frames_are_the_same_whether_the_topic_is_known_or_new(
    topic: TopicLike, size: int, kind: type[bytes]
) -> None:
    name = topic.encode() if isinstance(topic, str) else bytes(topic)
    body = kind(b"x" * size)
    one = encoder()

    new, first = one.two_frames(topic, body)
    known, second = one.two_frames(topic, body)

    for wire in (new, known):
        joined = wire if isinstance(wire, bytes) else b"".join(wire)
        assert joined == encode_message([name, bytes(body)])
        assert isinstance(wire, tuple) == (size >= COPY_ONCE_BYTES)
    assert first is second
    assert (first.name, first.id) == (name, 1)


@pytest.mark.parametrize("frame", [b"", b"frame", LARGE])
def test_one_frame_is_a_message_that_may_concern_anyone(frame: bytes) -> None:
    wire, topic = encoder().one_frame(frame)

    assert b"".join([wire] if isinstance(wire, bytes) else wire) == encode_message([frame])
    assert topic is UNKNOWN


@pytest.mark.parametrize("topic", [b"\0fanout.", b"\0fanout.gap", "\0fanout.x", b"\0fanout." * 99])
def test_nothing_is_on_a_reserved_topic(topic: TopicLike) -> None:
    one = encoder()
    name = topic.encode() if isinstance(topic, str) else bytes(topic)
    for _ in range(2):  # it is not known the second time either
        for refused in (
            lambda: one.two_frames(topic, b""),
            lambda: one.one_frame(name),
            lambda: one.frames([name, b"a", b"b"]),
            lambda: one.many([b"a", b"b"], [b"good", name]),
        ):
            with pytest.raises(
                ConfigError, match=r"begins with b'\\x00fanout\.', which is reserved"
            ):
                refused()


@pytest.mark.parametrize("topic", [b"", b"\0", b"\0fanout", b"\0fanouts", b"fanout.", b"\1"])
def test_what_only_looks_like_it_is_not_reserved(topic: bytes) -> None:
    one = encoder()
    assert one.two_frames(topic, b"")[0] == encode_message([topic, b""])
    assert one.one_frame(topic)[0] == encode_message([topic])


@pytest.mark.parametrize("value", ["ü", 1.5, None, {"a": [True, {"b": "\n"}]}])
def test_json_is_what_any_language_reads(value: object) -> None:
    assert as_json(value) == json.dumps(value).encode()


def nested(depth: int) -> list[object]:
    """A list in a list, so deep."""
    value: list[object] = []
    for _ in range(depth):
        value = [value]
    return value


def in_itself() -> list[object]:
    value: list[object] = []
    value.append(value)
    return value


@pytest.mark.parametrize(
    ("encode", "value", "kind", "why"),
    [
        (as_json, {1}, TypeError, r"JSON \(.*set.*\)"),
        (as_json, float("nan"), ValueError, r"JSON \(.*float.*\): put None in the place of NaN .*"),
        (as_json, in_itself(), ValueError, r"JSON \(Circular reference detected\)"),
        (as_json, nested(100_000), RecursionError, r"JSON \(.*recursion.*\)"),
        (as_msgpack, object(), TypeError, r"msgpack \(.*object.*\)"),
        (as_msgpack, "\ud800", ValueError, r"msgpack \(.*surrogates.*\)"),
        (as_msgpack, 1 << 64, OverflowError, r"msgpack \(.*\)"),
        (as_msgpack, in_itself(), ValueError, r"msgpack \(.*recursion.*\)"),
    ],
)
def test_what_cannot_be_encoded_says_so_and_that_nothing_was_sent(
    encode: Callable[[object], bytes], value: object, kind: type[Exception], why: str
) -> None:
    with pytest.raises(kind, match=rf"value cannot be {why}; nothing was sent$") as it:
        encode(value)
    assert type(it.value) is kind


def test_a_long_topic_is_not_remembered() -> None:
    one = encoder()

    _, longest = one.two_frames(b"t" * INTERN_BYTES_MAX, b"")
    _, longer = one.two_frames(b"t" * (INTERN_BYTES_MAX + 1), b"")

    assert longest.id != NOT_INTERNED
    assert longer.id == NOT_INTERNED


def test_many_are_the_same_as_one_by_one() -> None:
    """With known topics only, and with what has to be looked at one by one among them."""
    one = encoder(in_pieces=False)
    known = [(b"a", b"1"), (b"b", b"x" * 300), (b"a", b"")]
    for name, _ in known:
        one.two_frames(name, b"")
    wire, topic = one.frames([b"many", b"", b"frames"])
    cases: list[list[tuple[bytes, object]]] = [
        [(body, name) for name, body in known],
        [(body, name) for name, body in [*known, (b"new", b"2")]],
        [(body, name) for name, body in [*known, (b"a", LARGE)]],
        [*((body, name) for name, body in known), (b"one frame", None)],
        [(b"one frame", None), (LARGE, None)],
        [*((body, name) for name, body in known), (bytes(wire), topic)],  # type: ignore[arg-type]
    ]
    for case in cases:
        wires, topics = one.many([body for body, _ in case], [name for _, name in case])  # type: ignore[misc]
        singly = [
            (body, name)
            if name is topic
            else one.one_frame(body)
            if name is None
            else one.two_frames(name, body)  # type: ignore[arg-type]
            for body, name in case
        ]
        assert list(zip(wires, topics, strict=True)) == singly


@pytest.mark.parametrize("payload", [b"x" * 90, bytearray(90)])
def test_what_can_never_fit_is_refused(payload: Bytes) -> None:
    one = encoder(100)

    assert one.two_frames(b"topic", payload)
    with pytest.raises(MessageTooLarge, match="takes 102 bytes, the limit is 100"):
        one.two_frames(b"a topic", bytes(payload) + b"x")
    with pytest.raises(MessageTooLarge):
        one.one_frame(b"x" * 99)
    with pytest.raises(MessageTooLarge):
        one.frames([b"x" * 40, b"x" * 60])


def test_a_small_message_on_a_known_topic_fits_into_the_smallest_log() -> None:
    """So nobody looks, for each message."""
    largest = encode_message([b"t" * INTERN_BYTES_MAX, b"x" * (COPY_ONCE_BYTES - 1)])

    assert len(largest) <= LOG_BYTES_MIN // MESSAGE_PART


class Nested(dict[str, int]):
    """A mapping that packs something else while it is packed itself."""

    def items(self) -> Any:
        assert as_msgpack([1] * 40) == b"\xdc\x00\x28" + b"\x01" * 40
        return super().items()


def test_a_packer_is_used_again_but_by_one_call_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    packers: list[object] = []
    monkeypatch.setattr("fanout.send.wire._packers", packers)
    cases: list[tuple[object, int]] = [
        ({"a": [1, 2.5, None, "y"]}, 1),
        (b"x", 1),
        (Nested(b=2), 2),
        ("z" * 200_000, 1),  # the packer that has so much memory now is let go
    ]
    for value, kept in cases:
        plain = dict(value) if isinstance(value, dict) else value
        assert as_msgpack(["before", value]) == msgpack.packb(["before", plain])
        assert len(packers) == kept
    with pytest.raises(TypeError):
        as_msgpack(["half of this", {1, 2}])
    assert packers == []
    assert as_msgpack("after") == msgpack.packb("after")


def test_threads_pack_beside_each_other() -> None:
    values = [{"n": number, "text": "x" * number} for number in range(300)]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(as_msgpack, values)) == list(map(msgpack.packb, values))
