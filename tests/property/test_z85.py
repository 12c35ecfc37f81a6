"""Z85 is that of pyzmq: for all bytes, and for all texts, those that are none among them."""

from __future__ import annotations

import struct

from hypothesis import example, given
from hypothesis import strategies as some
from zmq.utils import z85

from fanout.security.z85 import z85_decode, z85_encode

KEY_GROUPS = 8  # of 4 bytes, and of 5 characters
GREATEST = "%nSc0"  # stands for 2**32 - 1; what comes after it has no bytes
CHARACTERS = z85.Z85CHARS.decode()

groups = some.one_of(
    some.text(CHARACTERS, min_size=5, max_size=5),
    some.text(CHARACTERS[80:], min_size=5, max_size=5),  # most of them stand for too much
    some.integers(0, 2**32 - 1).map(lambda number: z85_encode(number.to_bytes(4, "big"))),
)
texts = some.one_of(
    some.lists(groups, max_size=KEY_GROUPS).map("".join),
    some.text(some.sampled_from(CHARACTERS + " ~\"'\\`|_,;\nä\udcff"), max_size=12),
)


def theirs(text: str) -> bytes | None:
    """What pyzmq makes of a text; None = it refuses that, in one of three ways."""
    try:
        return z85.decode(text)
    except (ValueError, KeyError, struct.error):
        return None


def ours(text: str) -> bytes | None:
    """What is made of it here; None = it is refused."""
    try:
        return z85_decode(text)
    except ValueError:
        return None


@given(some.lists(some.binary(min_size=4, max_size=4), max_size=KEY_GROUPS).map(b"".join))
def test_bytes_are_the_same_text_and_come_back(data: bytes) -> None:
    text = z85_encode(data)
    assert text == z85.encode(data).decode()
    assert z85_decode(text) == data


@given(texts)
@example(GREATEST)
@example("%nSc1")
def test_a_text_is_the_same_bytes_or_is_refused_by_both(text: str) -> None:
    data = ours(text)
    assert data == theirs(text)
    assert data is None or z85_encode(data) == text
