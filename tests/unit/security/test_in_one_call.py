"""Boxes that are sealed many at once are those of the public functions, or it is not done."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest

from fanout.security.in_one_call import does_the_same, sealing_stretches
from fanout.security.sodium import Sodium
from fanout.security.tried import tried_frames
from fanout.zmtp.boxes import SERVER_TEXT
from fanout.zmtp.layout import OneByOne
from tests.helpers.boxes import InStretches
from tests.helpers.built import needs_boxes

if TYPE_CHECKING:
    from collections.abc import Callable

KEY = b"k" * 32
USED = "fanout.security.in_one_call.are_boxes_compiled"


@needs_boxes
def test_the_compiled_part_seals_by_the_function_of_pynacl() -> None:
    from fanout._boxes import Boxes

    layout = tried_frames()
    with mock.patch(USED, return_value=True):  # also where FANOUT_PURE has programs do without
        sodium = Sodium()
    stretches = sodium.stretches
    assert isinstance(stretches, Boxes), "as of PyNaCl 1.6.2"
    assert does_the_same(stretches, sodium.seal)
    out = bytearray(layout.box_ends[-1])
    plain = memoryview(layout.plain)
    size = stretches.seal(plain, 7, len(layout.ends), KEY, SERVER_TEXT, out)
    assert out[:size] == OneByOne(layout, sodium.seal).seal(SERVER_TEXT, 7, KEY)


class Wrong(InStretches):
    """Ends are where they should not be."""

    def ends(self, plain: memoryview, /) -> tuple[list[int], list[int]]:
        ends, box_ends = super().ends(plain)
        return ends, [end + 1 for end in box_ends]


class Failing(InStretches):
    """Nothing is sealed."""

    def seal(self, *_: Any) -> int:
        raise RuntimeError("libsodium did not seal a box")


def changed(data: bytes, nonce: bytes, key: bytes) -> bytes:
    box = Sodium().seal(data, nonce, key)
    return box[:-1] + bytes((box[-1] ^ 1,))


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (lambda seal: InStretches(seal), True),
        (lambda _seal: InStretches(changed), False),
        (Wrong, False),
        (Failing, False),
    ],
    ids=["the same", "other boxes", "other ends", "none"],
)
def test_only_what_makes_the_same_boxes_is_used(
    made: Callable[[Any], InStretches], expected: bool
) -> None:
    seal = Sodium().seal
    assert does_the_same(made(seal), seal) is expected


def other_ffi() -> Any:
    """One by which the function is declared in another way."""
    from nacl._sodium import ffi

    def declared(_found: Any) -> Any:
        return SimpleNamespace(cname="int(*)(unsigned char *)")

    return SimpleNamespace(addressof=ffi.addressof, typeof=declared, cast=ffi.cast)


@needs_boxes
@pytest.mark.parametrize("what", ["no lib", "no function", "another declaration"])
def test_a_private_part_of_pynacl_that_is_another_is_not_called(what: str) -> None:
    from nacl._sodium import ffi, lib

    parts = {
        "no lib": None,
        "no function": SimpleNamespace(ffi=ffi, lib=SimpleNamespace()),
        "another declaration": SimpleNamespace(ffi=other_ffi(), lib=lib),
    }
    seal = Sodium().seal
    with mock.patch(USED, return_value=True):
        assert sealing_stretches(seal) is not None
        with mock.patch.dict(sys.modules, {"nacl._sodium": parts[what]}):
            assert sealing_stretches(seal) is None


def test_it_is_not_looked_for_where_nobody_wants_it() -> None:
    with mock.patch(USED, return_value=False):
        assert Sodium().stretches is None
