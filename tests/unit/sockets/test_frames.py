"""What users send, as the frames of a message."""

from __future__ import annotations

from typing import Any

import pytest

from fanout.sockets.frames import frames_of


@pytest.mark.parametrize(
    ("message", "frames"),
    [
        (b"one", [b"one"]),
        (bytearray(b"one"), [b"one"]),
        (memoryview(b"one"), [b"one"]),
        (b"", [b""]),
        ([b"a", bytearray(b"b"), b""], [b"a", b"b", b""]),
        ((b"a",), [b"a"]),
        (iter([b"a", b"b"]), [b"a", b"b"]),
    ],
)
def test_a_message_is_one_frame_or_several(message: Any, frames: list[bytes]) -> None:
    found = frames_of(message)
    assert found == frames
    assert {type(frame) for frame in found} == {bytes}


@pytest.mark.parametrize(
    ("message", "error", "text"),
    [
        (7, TypeError, "message must be bytes, or several frames in a list, not int"),
        (None, TypeError, "not NoneType"),
        ("text", TypeError, "message"),
        ([b"a", "text"], TypeError, "frame"),
        ([], ValueError, "one frame or more"),
    ],
)
def test_what_is_none_is_refused(message: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        frames_of(message)
