"""ZMTP 1.0 framing."""

from __future__ import annotations

import pytest

from fanout.zmtp import ZMTP_1, LocalProtocolError, encode_message, to_zmtp_1


@pytest.mark.parametrize(
    ("frames", "expected"),
    [
        ([b""], "0100"),
        ([b"AB"], "03004142"),
        ([b"A", b"", b"x"], "020141 0101 020078"),
        ([b"x" * 253], "fe00" + "78" * 253),
        ([b"x" * 254], "ff00000000000000ff00" + "78" * 254),
        ([b"x" * 300, b"y"], "ff000000000000012d01" + "78" * 300 + "020079"),
    ],
)
def test_reframes(frames: list[bytes], expected: str) -> None:
    assert to_zmtp_1(encode_message(frames)) == bytes.fromhex(expected)


def test_refuses_half_a_message() -> None:
    with pytest.raises(LocalProtocolError):
        to_zmtp_1(encode_message([b"A", b"B"])[:-1])


def test_the_encoding_is_one_object_for_all_peers() -> None:
    message = encode_message([b"A", b"B"])
    assert ZMTP_1.encode(message, 1) == ZMTP_1.encode(message, 2) == to_zmtp_1(message)
    assert ZMTP_1.shared
    assert {ZMTP_1: "cohorts are found by it"}
