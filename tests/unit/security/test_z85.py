"""Z85 is that of RFC 32 and of pyzmq, and says nothing of what it refuses."""

from __future__ import annotations

import secrets

import pytest
from zmq.utils import z85

from fanout.security.z85 import z85_decode, z85_encode


def test_the_example_of_the_rfc() -> None:
    data = bytes((0x86, 0x4F, 0xD2, 0x6F, 0xB5, 0x59, 0xF7, 0x5B))
    assert z85_encode(data) == "HelloWorld"
    assert z85_decode("HelloWorld") == data


@pytest.mark.parametrize("size", [0, 4, 32, 64])
def test_as_pyzmq_has_it(size: int) -> None:
    data = secrets.token_bytes(size)
    assert z85_encode(data) == z85.encode(data).decode()
    assert z85_decode(z85_encode(data)) == data


@pytest.mark.parametrize("text", ["abcd", "abcd~", "#####", "abcdä", "abc d"])
def test_what_is_none(text: str) -> None:
    with pytest.raises(ValueError) as caught:
        z85_decode(text)
    assert text not in str(caught.value)


def test_a_number_of_bytes_that_it_does_not_have() -> None:
    with pytest.raises(ValueError, match="multiples of 4 bytes, not 5"):
        z85_encode(b"12345")
