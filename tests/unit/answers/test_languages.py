"""JSON and msgpack say the same."""

from __future__ import annotations

import json

import msgpack
import pytest

from fanout.answers.languages import (
    JSON,
    MSGPACK,
    Language,
    NotUnderstood,
    bytes_of,
    language_of,
    text_of,
)


@pytest.mark.parametrize(
    ("data", "language"),
    [
        *[(data, JSON) for data in (b"", b"{}", b" {}", b"[]", b"\xef\xbb\xbf{}", b"\x01")],
        *[(data, MSGPACK) for data in (b"\x80", b"\x8f", b"\xde\0\0", b"\xdf")],
        *[(data, MSGPACK) for data in (b"\x90", b"\xa1x", b"\xc0", b"\xdc\0\0", b"\xef", b"\xff")],
    ],
)
def test_which_one_it_is(data: bytes, language: Language) -> None:
    assert language_of(data) is language


@pytest.mark.parametrize(
    ("name", "entries"), [("", []), ("list", []), ("list", [7]), ("list", [7, b"x", None])]
)
@pytest.mark.parametrize("head", [{}, {"a": 1}, {"a": 1, "b": "é"}])
def test_entries_are_put_together(
    head: dict[str, object], name: str, entries: list[object]
) -> None:
    expected = {**head, **({name: entries} if name else {})}
    packed = MSGPACK.whole(head, name, [MSGPACK.entry(one) for one in entries])
    assert msgpack.unpackb(packed) == expected
    written = JSON.whole(head, name, [JSON.entry(one) for one in entries])
    assert (
        written
        == json.dumps(
            expected, ensure_ascii=False, separators=(",", ":"), default=bytes.decode
        ).encode()
    )


@pytest.mark.parametrize("data", [b"", b"text", "é".encode(), b"\xff", bytes(range(256))])
def test_bytes_there_and_back(data: bytes) -> None:
    assert bytes_of(json.loads(json.dumps(text_of(data)))) == data
    assert bytes_of(data) == data


NO_BYTES: list[object] = [
    *(None, 7, [], {}, {"base64": None}, {"base64": "?"}, {"base64": "\xe9"}),
    {"base64": "eA==", "a": 1},
    chr(0xDC80),  # half of a character
]


@pytest.mark.parametrize("value", NO_BYTES)
def test_what_is_no_bytes(value: object) -> None:
    assert bytes_of(value) is None


def test_what_json_does_not_have() -> None:
    with pytest.raises(TypeError):
        text_of(1j)


@pytest.mark.parametrize("data", [b"NaN", b"Infinity", b"\xff", b"{", b"[" * 100_000, b"9" * 5_000])
def test_json_that_is_none(data: bytes) -> None:
    with pytest.raises(NotUnderstood):
        JSON.read(data)


NO_MSGPACK = [
    *(b"", b"\x81", b"\x80\x80", b"\xc1", b"\x81\x01\x01", b"\xa1\xff", b"\x91" * 2000),
    *(b"\x81\x90\x01", b"\xdf\xff\xff\xff\xff"),
]


@pytest.mark.parametrize("data", NO_MSGPACK)
def test_msgpack_that_is_none(data: bytes) -> None:
    """Numbers as keys neither: all of them could fall into one place of a dict."""
    with pytest.raises(NotUnderstood):
        MSGPACK.read(data)


@pytest.mark.parametrize(
    ("language", "data"),
    [(JSON, b"[" * 100_000), (MSGPACK, b"\x91" * 2000), (JSON, b'{"a":' * 9999)],
)
def test_what_is_nested_too_deeply_is_told_in_words(language: Language, data: bytes) -> None:
    with pytest.raises(NotUnderstood, match=r"^it is nested too deeply$"):
        language.read(data)
