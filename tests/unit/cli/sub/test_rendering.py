"""How `sub` shows messages: one line each, whatever is in them."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanout.cli.sub.rendering import (
    FORMATS,
    as_hex,
    as_json,
    as_msgpack,
    as_msgpack_json,
    as_raw,
    as_text,
)


@pytest.mark.parametrize(
    ("frames", "line"),
    [
        ((b"EURUSD", b"1.1"), b"EURUSD\t1.1\n"),
        ((b"alone",), b"alone\n"),
        ((b"a", b"b", b"c"), b"a\tb\tc\n"),
        ((b"a", "é".encode()), "a\té\n".encode()),
        ((b"a", b"\xff"), b"a\t\\xff\n"),
        ((b"a", b"1\n2\x1b[2J\x00"), b"a\t1\\n2\\x1b[2J\\x00\n"),
    ],
)
def test_text(frames: tuple[bytes, ...], line: bytes) -> None:
    assert as_text(frames) == line


def test_hex_and_raw() -> None:
    assert as_hex((b"a", b"\x00\xff")) == b"61\t00ff\n"
    assert as_raw((b"a", b"\x00\xff", b"b")) == b"\x00\xffb"
    assert as_raw((b"alone",)) == b"alone"


@pytest.mark.parametrize(
    ("payload", "shown"),
    [
        (b'{"bid": 1.5}', {"payload": {"bid": 1.5}}),
        (b"NaN", {"payload": None}),
        (b'"nan"', {"payload": "nan"}),
        (b"[1e999, -Infinity, 1]", {"payload": [None, None, 1]}),
        (b"oops", {"payload_text": "oops"}),
        (b"\xff", {"payload_base64": "/w=="}),
        (b"[" * 100_000, {"payload_text": "[" * 100_000}),
    ],
)
def test_json(payload: bytes, shown: dict[str, object]) -> None:
    assert json.loads(as_json((b"a", payload))) == {"topic": "a", **shown}


def test_frames_of_json() -> None:
    assert json.loads(as_json((b"a",))) == {"topic": "a"}
    assert json.loads(as_json((b"a", b"1", b"x"))) == {
        "topic": "a",
        "frames": [{"payload": 1}, {"payload_text": "x"}],
    }


@given(frames=st.lists(st.binary(max_size=40), min_size=1, max_size=4))
def test_msgpack_is_the_frames_as_they_came(frames: list[bytes]) -> None:
    assert msgpack.unpackb(as_msgpack(frames)) == frames


def test_msgpack_json_shows_what_json_does_not_have() -> None:
    instant = datetime(2030, 1, 2, tzinfo=UTC)
    value = {"b": b"\x00", 7: float("inf"), "n": float("nan"), "list": [None, True], "t": instant}
    line = as_msgpack_json((b"a", msgpack.packb(value, datetime=True)))
    assert json.loads(line) == {
        "topic": "a",
        "payload": {
            "b": "\\x00",
            "7": None,
            "n": None,
            "list": [None, True],
            "t": "2030-01-02 00:00:00+00:00",
        },
    }
    assert json.loads(as_msgpack_json((b"a", b"\xc1"))) == {"topic": "a", "payload_base64": "wQ=="}


@pytest.mark.unmeasured
@pytest.mark.parametrize("name", [name for name in FORMATS if name != "msgpack"])
@given(frames=st.lists(st.binary(max_size=40), min_size=1, max_size=4))
def test_every_message_is_one_line(name: str, frames: list[bytes]) -> None:
    line = FORMATS[name](tuple(frames))
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
