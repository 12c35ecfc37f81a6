"""The formats of standard input: what is a message, what is not, in any cut, within bounds."""

from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING, Any

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fanout.cli.serve.formats import Parsed, Parser, make_parser
from fanout.cli.serve.items import BadInput, Frames
from fanout.cli.sub.rendering import as_msgpack
from tests.helpers.texts import ANY

if TYPE_CHECKING:
    from collections.abc import Callable

LIMIT = 64
FORMATS = {"lines": None, "ndjson": "symbol", "msgpack": "symbol"}


def new_parser(name: str) -> Parser:
    return make_parser(name, topic_key=FORMATS[name], item_bytes_max=LIMIT)


def parse(name: str, *chunks: bytes) -> list[Parsed]:
    parser = new_parser(name)
    parsed = [item for chunk in chunks for item in parser.feed(chunk)]
    return parsed + parser.finish()


def cut(data: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[start:end] for start, end in itertools.pairwise(edges)]


def pack(value: Any) -> bytes:
    packed: bytes = msgpack.packb(value)
    return packed


# ---------------------------------------------------------------------- lines


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", []),
        (b"EURUSD\t1.1\n", [(b"EURUSD", b"1.1")]),
        (b"EURUSD\t1.1", [(b"EURUSD", b"1.1")]),
        (b"a\tb\tc\n", [(b"a", b"b\tc")]),
        (b"\t\n", [(b"", b"")]),
        (b"a\t\xff\x00\r\n", [(b"a", b"\xff\x00\r")]),
        (b"a\t1\nb\t2\n", [(b"a", b"1"), (b"b", b"2")]),
    ],
)
def test_lines_are_taken_as_bytes(data: bytes, expected: list[Frames]) -> None:
    assert parse("lines", data) == expected


def test_a_line_without_a_tab_is_named_and_skipped() -> None:
    reason = "no TAB between topic and payload"
    assert parse("lines", b"a\t1\noops\n\nb\t2\n") == [
        (b"a", b"1"),
        BadInput(2, reason),
        BadInput(3, reason),
        (b"b", b"2"),
    ]


@pytest.mark.parametrize("end", [b"", b"\n"])
def test_a_line_of_the_limit_passes_and_one_byte_more_does_not(end: bytes) -> None:
    fits = b"a\t" + b"x" * (LIMIT - 2)
    assert parse("lines", fits + end) == [(b"a", b"x" * (LIMIT - 2))]
    assert parse("lines", fits + b"x" + end) == [BadInput(1, "longer than 64 bytes")]


def test_a_long_line_is_skipped_while_it_comes_and_the_next_one_is_read() -> None:
    chunks = [b"a\t"] + [b"x" * 50] * 1000 + [b"\nb\t2\n"]
    assert parse("lines", *chunks) == [BadInput(1, "longer than 64 bytes"), (b"b", b"2")]


# --------------------------------------------------------------------- ndjson


@pytest.mark.parametrize(
    ("line", "topic"),
    [
        (b'{"symbol":"EURUSD","bid":1}', b"EURUSD"),
        (b'{"symbol":"\\u00e9"}', "é".encode()),
        (b'{"symbol":7}', b"7"),
        (b'{"symbol":""}', b""),
    ],
)
def test_the_payload_of_ndjson_is_the_line_itself(line: bytes, topic: bytes) -> None:
    assert parse("ndjson", b"  " + line + b" \r\n") == [(topic, line)]


@pytest.mark.parametrize(
    ("key", "line"),
    [
        ("data.symbol", b'{"data":{"symbol":"a"}}'),
        ("a.b.c", b'{"a":{"b":{"c":"a"},"c":"x"},"c":"x"}'),
        ("data.symbol", b'{"data":{"symbol":"x"},"data.symbol":"a"}'),  # as it was meant before
        ("a.b.c", b'{"a":{"b.c":"a"}}'),
    ],
)
def test_the_key_of_the_topic_may_be_nested(key: str, line: bytes) -> None:
    assert make_parser("ndjson", topic_key=key).feed(line + b"\n") == [(b"a", line)]
    packed = pack(json.loads(line))
    assert make_parser("msgpack", topic_key=key).feed(packed) == [(b"a", packed)]


@pytest.mark.parametrize(
    "line",
    [b'{"symbol":"x"}', b'{"data":{"bid":1}}', b'{"data":"x"}', b'{"data":[]}', b'{"":{"":"x"}}'],
)
def test_a_nested_key_that_is_not_there_is_named_whole(line: bytes) -> None:
    (bad,) = make_parser("ndjson", topic_key="data.symbol").feed(line + b"\n")
    assert bad == BadInput(1, "no 'data.symbol' in it")


def test_blank_lines_of_ndjson_mean_nothing_but_are_counted() -> None:
    assert parse("ndjson", b"\n  \n[]\n") == [BadInput(3, "JSON, but not an object")]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"{", "not JSON: Expecting property name enclosed in double quotes at column 2"),
        (b'{"bid":1}', "no 'symbol' in it"),
        (b'{"symbol":true}', "'symbol' is bool, not a string"),
        (b'{"symbol":null}', "'symbol' is NoneType, not a string"),
        (b'{"symbol":"\\ud800"}', "'symbol' is not valid Unicode"),
        (b'"\xff"', "not UTF-8"),
        (b'{"symbol":"0123456789012345678901234567890"}', "topic and payload are longer than"),
    ],
)
def test_bad_ndjson_says_why(line: bytes, reason: str) -> None:
    (bad,) = parse("ndjson", line)
    assert isinstance(bad, BadInput)
    assert bad.reason.startswith(reason)


@pytest.mark.parametrize("line", [b"[" * 100_000, b"9" * 5_000])
def test_json_that_exhausts_its_reader_is_bad_input(line: bytes) -> None:
    parser = make_parser("ndjson", topic_key="symbol", item_bytes_max=len(line))
    (bad,) = parser.feed(line + b"\n")
    assert isinstance(bad, BadInput)


# -------------------------------------------------------------------- msgpack


@pytest.mark.parametrize(
    ("value", "payload"),
    [
        (["a", b"\x00\xff"], b"\x00\xff"),
        ([b"a", "é"], "é".encode()),
        (["a", {"k": [1, None]}], pack({"k": [1, None]})),
        ({"symbol": "a", "bid": 1.5}, pack({"symbol": "a", "bid": 1.5})),
    ],
)
def test_msgpack_arrays_and_maps(value: Any, payload: bytes) -> None:
    assert parse("msgpack", pack(value)) == [(b"a", payload)]


def test_a_msgpack_array_is_a_message_whatever_its_frames() -> None:
    """What `fanout sub --format msgpack` writes is what it received."""
    sent = [(b"a",), (b"", b""), (b"\t\n\x00", b"\xff", b"", b"d")]
    assert parse("msgpack", *map(as_msgpack, sent)) == sent


def test_many_frames_count_with_their_headers() -> None:
    (bad,) = parse("msgpack", pack([b""] * 20))
    assert bad == BadInput(1, "topic and payload are longer than 64 bytes")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (pack(7), "neither [topic, payload] nor a map"),
        (pack([]), "neither [topic, payload] nor a map"),
        (pack([1.5, "b"]), "the topic is float, not a string"),
        (pack({"bid": 1}), "no 'symbol' in it"),
        (b"\x92\xa1\xff\xa1b", "msgpack that cannot be read"),
        (b"\x81\x90\x01", "msgpack that cannot be read"),
        (pack(["a", "x" * LIMIT]), "longer than 64 bytes"),
    ],
)
def test_a_bad_msgpack_item_is_skipped(data: bytes, reason: str) -> None:
    bad, good = parse("msgpack", data + pack(["b", "2"]))
    assert isinstance(bad, BadInput)
    assert bad.reason.startswith(reason)
    assert good == (b"b", b"2")


@pytest.mark.parametrize(
    "data",
    [
        b"\xc1",  # the one byte that msgpack never uses
        b"\x91" * 5_000,
        b"\xc6\xff\xff\xff\xff" + b"x" * 200,  # a length of 4 GiB
        b"\xdd\xff\xff\xff\xff" + b"\x01" * 200,
    ],
)
def test_what_cannot_be_cut_into_items_ends_the_input(data: bytes) -> None:
    parser = new_parser("msgpack")
    good, bad = parser.feed(pack(["a", "1"]) + data)
    assert good == (b"a", b"1")
    assert isinstance(bad, BadInput)
    assert bad.number == 2
    assert bad.reason.endswith("the rest of the input is unreadable")
    assert parser.lost
    assert parser.feed(pack(["b", "2"])) == []
    assert parser.finish() == []


def test_an_unfinished_msgpack_item_is_reported() -> None:
    assert parse("msgpack", pack(["a", "1"])[:-1]) == [BadInput(1, "the input ends inside an item")]


def test_a_map_needs_a_topic_key() -> None:
    parser = make_parser("msgpack", topic_key=None)
    assert parser.feed(pack({"a": 1})) == [BadInput(1, "a map, and no --topic-key was given")]


# ----------------------------------------------------------------- properties

_topics = st.text(ANY, max_size=8)


def _as_line(topic: str, payload: int) -> bytes:
    return b"%s\t%d\n" % (topic.replace("\t", "").replace("\n", "").encode(), payload)


def _as_json(topic: str, payload: int) -> bytes:
    return json.dumps({"symbol": topic, "n": payload}).encode() + b"\n"


def _as_msgpack(topic: str, payload: int) -> bytes:
    return pack([topic, payload])


WRITERS: dict[str, Callable[[str, int], bytes]] = {
    "lines": _as_line,
    "ndjson": _as_json,
    "msgpack": _as_msgpack,
}


@pytest.mark.unmeasured
@pytest.mark.parametrize("name", FORMATS)
@given(
    items=st.lists(st.tuples(_topics, st.integers(0, 999))), places=st.lists(st.integers(0, 10_000))
)
def test_cuts_change_nothing(name: str, items: list[tuple[str, int]], places: list[int]) -> None:
    data = b"".join(WRITERS[name](topic, payload) for topic, payload in items)
    whole = parse(name, data)
    assert len(whole) == len(items)
    assert parse(name, *cut(data, places)) == whole


@pytest.mark.unmeasured
@pytest.mark.parametrize("name", FORMATS)
@settings(max_examples=300)
@given(data=st.binary(max_size=400), places=st.lists(st.integers(0, 400)))
def test_any_bytes_give_messages_or_reasons(name: str, data: bytes, places: list[int]) -> None:
    parsed = parse(name, *cut(data, places))
    assert len(parsed) <= len(data) + 1
    for item in parsed:
        if isinstance(item, BadInput):
            assert item.reason
        else:
            assert sum(map(len, item)) <= LIMIT


@pytest.mark.parametrize(
    ("name", "topic_key", "reason"),
    [
        ("ndjson", None, "--format ndjson needs --topic-key"),
        ("lines", "symbol", "--topic-key is of no use with --format lines"),
    ],
)
def test_topic_key_must_suit_the_format(name: str, topic_key: str | None, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        make_parser(name, topic_key=topic_key)


def test_whole_lines_with_one_topic() -> None:
    parser = make_parser("lines", topic_key=None, topic=b"t")
    assert parser.feed(b"1\na\tb\n") == [(b"t", b"1"), (b"t", b"a\tb")]
    with pytest.raises(ValueError, match="--topic is for --format lines"):
        make_parser("msgpack", topic_key=None, topic=b"t")
