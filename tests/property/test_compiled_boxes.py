"""Boxes that are made in C are those of Python, byte by byte, whatever the stream.

What libsodium is asked for is looked at as well, by a function in its place: each nonce once, in
order, with the right text, whatever fails in between.
"""

from __future__ import annotations

import ctypes
from functools import cache
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fanout.security.in_one_call import sealing_stretches
from fanout.security.sodium import Sodium
from fanout.zmtp.boxes import CLIENT_TEXT, MAC_BYTES, SERVER_TEXT, SHORT_NONCE_MAX
from fanout.zmtp.frames import COMMAND, LONG, MORE, frame_header
from tests.helpers.boxes import InStretches
from tests.helpers.built import needs_boxes

if TYPE_CHECKING:
    from fanout._boxes import Boxes

pytestmark = needs_boxes

KEY = bytes(range(32))
ALL = 1 << 62
SEALS = ctypes.CFUNCTYPE(
    ctypes.c_int,
    *(ctypes.POINTER(ctypes.c_ubyte), ctypes.POINTER(ctypes.c_ubyte), ctypes.c_ulonglong),
    *(ctypes.POINTER(ctypes.c_ubyte), ctypes.POINTER(ctypes.c_ubyte)),
)


def framed(size: int, flags: int, is_long: bool) -> bytes:
    """A frame; in the long form though it is short, if that is wanted."""
    body = bytes((size + place) % 251 for place in range(size))
    if is_long:
        return bytes((flags | LONG,)) + size.to_bytes(8, "big") + body
    return frame_header(size, flags) + body


sizes = st.one_of(
    st.integers(0, 300),
    st.sampled_from([0, 1, 31, 32, 33, 221, 222, 223, 254, 255, 256, 1000, 65_535, 65_536]),
)
frames = st.builds(framed, sizes, st.sampled_from([0, MORE, COMMAND, 5]), st.booleans())
streams = st.builds(
    lambda whole, rest, cut: b"".join(whole) + rest[: cut % (len(rest) + 1)],
    *(st.lists(frames, max_size=12), frames, st.integers(0, 1 << 17)),
)
numbers = st.one_of(
    st.integers(0, 1 << 40), st.integers(SHORT_NONCE_MAX - 12, SHORT_NONCE_MAX), st.just(1)
)


@cache
def both() -> tuple[Boxes, InStretches]:
    from fanout._boxes import Boxes

    sodium = Sodium()
    with mock.patch("fanout.security.in_one_call.are_boxes_compiled", return_value=True):
        compiled = sealing_stretches(sodium.seal)  # also where FANOUT_PURE has programs do without
    assert isinstance(compiled, Boxes)
    return compiled, InStretches(sodium.seal)


@settings(max_examples=300, deadline=None)
@given(streams, st.one_of(st.integers(0, 3000), st.just(ALL)), st.one_of(st.integers(0, 12)))
def test_both_cut_the_same(stream: bytes, enough: int, most: int) -> None:
    compiled, pure = both()
    view = memoryview(stream)
    found = compiled.cut(view, enough, most)
    assert found == pure.cut(view, enough, most)
    whole = compiled.cut(view, ALL, ALL)
    assert whole == pure.cut(view, ALL, ALL)
    assert compiled.ends(view) == pure.ends(view)
    assert len(compiled.ends(view)[0]) == whole[0]


@settings(max_examples=300, deadline=None)
@given(streams, numbers, st.sampled_from([SERVER_TEXT, CLIENT_TEXT]), st.binary(max_size=3))
def test_both_seal_the_same(stream: bytes, first: int, text: bytes, behind: bytes) -> None:
    compiled, pure = both()
    count, end, size = compiled.cut(memoryview(stream), ALL, ALL)
    plain = memoryview(stream)[:end]
    one, other = bytearray(size) + behind, bytearray(size) + behind
    if not count:
        assert compiled.seal(plain, first, 0, KEY, text, one) == 0
        return
    if first + count - 1 > SHORT_NONCE_MAX:
        with pytest.raises(OverflowError):
            compiled.seal(plain, first, count, KEY, text, one)
        assert not any(one[:size])
        return
    assert compiled.seal(plain, first, count, KEY, text, one) == size
    assert pure.seal(plain, first, count, KEY, text, other) == size
    assert one == other
    assert one[size:] == behind


@settings(max_examples=300, deadline=None)
@given(streams, st.integers(0, 14), st.integers(0, 1 << 17))
def test_nothing_is_written_beyond_the_room(stream: bytes, count: int, room: int) -> None:
    """And with too many frames, or too few, it is refused; as is a part of one behind them."""
    compiled, pure = both()
    view = memoryview(stream)
    there, end, size = compiled.cut(view, ALL, ALL)
    room %= size + 40
    memory = bytearray(b"\xaa" * (room + 64))
    out = memoryview(memory)[:room]
    is_right = count == there and end == len(stream) and size <= room
    try:
        assert compiled.seal(view, 1, count, KEY, SERVER_TEXT, out) == size
    except RuntimeError:
        assert not is_right
    else:
        assert is_right
        again = bytearray(size)
        assert not there or pure.seal(view, 1, count, KEY, SERVER_TEXT, again) == size
        assert out[:size] == again
    assert memory[room:] == b"\xaa" * 64


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=60), st.integers(0, 9))
def test_any_bytes_are_cut_alike(stream: bytes, most: int) -> None:
    compiled, pure = both()
    assert compiled.cut(memoryview(stream), ALL, most) == pure.cut(memoryview(stream), ALL, most)
    assert compiled.ends(memoryview(stream)) == pure.ends(memoryview(stream))


class Noting:
    """In the place of libsodium: notes what it is asked for, and fails at one of the calls."""

    def __init__(self, fails_at: int) -> None:
        self.asked: list[tuple[bytes, bytes, bytes]] = []
        self._fails_at = fails_at
        self._function = SEALS(self._seal)

    @property
    def address(self) -> int:
        found = ctypes.cast(self._function, ctypes.c_void_p).value
        assert found is not None
        return found

    def _seal(self, box: Any, text: Any, size: int, nonce: Any, key: Any) -> int:
        plain = bytes(text[:size])
        self.asked.append((plain, bytes(nonce[:24]), bytes(key[:32])))
        if len(self.asked) == self._fails_at:
            return -1
        for place, byte in enumerate(b"M" * MAC_BYTES + plain):
            box[place] = byte
        return 0


@settings(max_examples=150, deadline=None)
@given(st.lists(st.integers(0, 300), min_size=1, max_size=8), numbers, st.integers(1, 10))
def test_each_nonce_is_used_once_and_in_order(
    lengths: list[int], first: int, fails_at: int
) -> None:
    from fanout._boxes import Boxes

    first = min(first, SHORT_NONCE_MAX - len(lengths) + 1)
    bodies = [bytes((65 + place,)) * size for place, size in enumerate(lengths)]
    plain = memoryview(b"".join([frame_header(len(body), MORE) + body for body in bodies]))
    noting = Noting(fails_at)
    boxes = Boxes(noting.address)
    out = bytearray(boxes.cut(plain, ALL, ALL)[2])
    failed = fails_at <= len(bodies)
    try:
        boxes.seal(plain, first, len(bodies), KEY, SERVER_TEXT, out)
    except RuntimeError:
        assert failed
        last = bodies[fails_at - 1]
        assert len(last) < 4 or last not in out, "what was not sealed is nowhere"
    else:
        assert not failed
    expected = [
        (b"\1" + body, SERVER_TEXT + (first + place).to_bytes(8, "big"), KEY)
        for place, body in enumerate(bodies)
    ]
    assert noting.asked == expected[: fails_at if failed else len(bodies)]


def right() -> list[Any]:
    return [b"\0\1x", 1, 1, KEY, SERVER_TEXT, bytearray(100)]


@pytest.mark.parametrize(
    ("place", "wrong", "error"),
    [
        (0, "text", TypeError),
        (0, None, TypeError),
        (0, memoryview(b"\0\1x\0\1x")[::2], BufferError),
        (1, -1, OverflowError),
        (1, 1 << 64, OverflowError),
        (1, "1", TypeError),
        (2, -1, OverflowError),
        (2, 1.0, TypeError),
        (3, KEY[:31], ValueError),
        (3, KEY + b"x", ValueError),
        (3, bytearray(KEY), TypeError),
        (4, SERVER_TEXT[:15], ValueError),
        (4, "CurveZMQMESSAGES", TypeError),
        (5, bytes(100), BufferError),
        (5, bytearray(35), RuntimeError),
        (5, None, TypeError),
    ],
)
def test_what_is_wrong_is_an_error(place: int, wrong: Any, error: type[Exception]) -> None:
    compiled, _ = both()
    given = right()
    assert compiled.seal(*given) == 36
    given[place] = wrong
    with pytest.raises(error):
        compiled.seal(*given)
    out = right()[5]
    out.append(0)  # nobody holds it any more


@pytest.mark.parametrize("address", [0, "x", None])
def test_a_function_that_is_none(address: Any) -> None:
    from fanout._boxes import Boxes

    with pytest.raises((TypeError, ValueError)):
        Boxes(address)
    with pytest.raises(TypeError):
        Boxes()  # type: ignore[call-arg]


def test_too_few_and_too_many_arguments() -> None:
    compiled: Any = both()[0]
    for wrong in (right()[:-1], [*right(), 1], []):
        with pytest.raises(TypeError, match="6 arguments"):
            compiled.seal(*wrong)
    with pytest.raises(TypeError, match="3 arguments"):
        compiled.cut(b"")
    with pytest.raises(TypeError):
        compiled.ends("text")
    with pytest.raises(OverflowError):
        compiled.cut(b"", -1, 1)


def test_memory_is_held_for_the_time_of_a_call_alone() -> None:
    """A buffer that is held cannot grow; one that no call has let go of could not either."""
    compiled, _ = both()
    plain, out = bytearray(b"\0\1x"), bytearray(36)
    compiled.seal(plain, 1, 1, KEY, SERVER_TEXT, out)
    compiled.cut(plain, 1, 1)
    compiled.ends(plain)
    with pytest.raises(RuntimeError):
        compiled.seal(plain, 1, 2, KEY, SERVER_TEXT, out)
    plain.append(0)
    out.append(0)
