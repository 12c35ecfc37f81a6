"""Boxes that are sealed in place are those of the public functions, or it is not done."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest

from fanout.security.in_place import InPlace, sealing_in_place
from fanout.security.sodium import Sodium
from fanout.zmtp import encode_message
from fanout.zmtp.boxes import SERVER_TEXT
from fanout.zmtp.layout import OneByOne, lay_out

if TYPE_CHECKING:
    from fanout.zmtp.batches import LaidOut

KEY = bytes(range(32))
WIRE = encode_message([b"topic", b"", b"x" * 222, b"y" * 223, b"z" * 70_000])


def laid_out() -> LaidOut:
    found = lay_out(memoryview(WIRE), 1 << 20, 100)
    assert found is not None
    return found


def test_they_are_the_same_as_those_of_the_public_functions() -> None:
    sodium, layout = Sodium(), laid_out()
    batch, other = sodium.batch(layout), OneByOne(layout, sodium.seal)
    assert isinstance(batch, InPlace), "as of PyNaCl 1.6.2"
    for first in (1, 2, (1 << 64) - 5):
        assert batch.seal(SERVER_TEXT, first, KEY) == other.seal(SERVER_TEXT, first, KEY)


def test_what_cannot_be_sealed_raises() -> None:
    from nacl._sodium import ffi

    batch = InPlace(laid_out(), ffi, lambda *_: -1)
    with pytest.raises(RuntimeError, match="libsodium"):
        batch.seal(SERVER_TEXT, 1, KEY)


def wrong(box: Any, inner: Any, size: int, nonce: bytes, key: bytes) -> int:
    from nacl._sodium import lib

    failed: int = lib.crypto_box_easy_afternm(box, inner, size, nonce, key)
    box[size] ^= 1
    return failed


def another(*_: Any) -> int:
    raise TypeError("takes 4 arguments")


@pytest.mark.parametrize("call", [wrong, another, None])
def test_a_private_part_of_pynacl_that_is_another_is_not_used(call: Any) -> None:
    from nacl._sodium import ffi

    lib = SimpleNamespace() if call is None else SimpleNamespace(crypto_box_easy_afternm=call)
    with mock.patch.dict(sys.modules, {"nacl._sodium": SimpleNamespace(ffi=ffi, lib=lib)}):
        assert sealing_in_place(Sodium().seal) is None
        sodium, layout = Sodium(), laid_out()
    batch = sodium.batch(layout)
    assert isinstance(batch, OneByOne)
    other = Sodium().batch(layout)
    assert batch.seal(SERVER_TEXT, 1, KEY) == other.seal(SERVER_TEXT, 1, KEY)


def test_without_it_all_works_the_same() -> None:
    with mock.patch.dict(sys.modules, {"nacl._sodium": None}):
        assert isinstance(Sodium().batch(laid_out()), OneByOne)
