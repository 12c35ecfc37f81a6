"""The sealer: a nonce is used once, whatever becomes of what was made with it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanout.zmtp.boxes import SERVER_TEXT, SHORT_NONCE_MAX
from fanout.zmtp.errors import LocalProtocolError
from fanout.zmtp.frames import COMMAND, MORE, encode_message
from fanout.zmtp.layout import lay_out
from fanout.zmtp.sealer import Sealer

KEY = b"k" * 32


class Recording:
    """Primitives that seal nothing, and note the nonces; and what seals stretches by these."""

    def __init__(self) -> None:
        self.nonces: list[tuple[bytes, int]] = []  # of which key, which counter

    @property
    def stretches(self) -> Any:
        return SimpleNamespace(seal=self.seal_stretch)

    def seal_stretch(
        self, plain: bytes, first: int, frames: int, key: bytes, text: bytes, out: bytearray
    ) -> int:
        assert text == SERVER_TEXT
        self.nonces += [(key, first + at) for at in range(frames)]
        if not plain:
            raise RuntimeError("it was not sealed")
        out[:9] = b"all of it"
        return 9

    def seal(self, data: bytes, nonce: bytes, key: bytes) -> bytes:
        assert nonce[:16] == SERVER_TEXT
        self.nonces.append((key, int.from_bytes(nonce[16:], "big")))
        return b"<" + data + b">"

    def batch(self, layout: Any) -> Any:
        return Batch(self, layout)


class Batch:
    def __init__(self, primitives: Recording, layout: Any) -> None:
        self.primitives, self.layout = primitives, layout

    def seal(self, text: bytes, first: int, key: bytes) -> memoryview:
        assert text == SERVER_TEXT
        self.primitives.nonces += [(key, first + at) for at in range(len(self.layout.ends))]
        return memoryview(b"all of it")


def made(count: int = 0) -> tuple[Sealer, Recording]:
    primitives: Any = Recording()
    return Sealer(primitives, KEY, SERVER_TEXT, count), primitives


def stretch_of(sealer: Sealer, frames: int, plain: bytes = b"plain") -> memoryview:
    stretches = sealer.stretches
    assert stretches is not None
    return sealer.seal_stretch(stretches, memoryview(plain), frames, bytearray(20))


def layout_of(frames: int) -> Any:
    layout = lay_out(memoryview(encode_message([b"x"] * frames)), 1 << 20, 1 << 10)
    assert layout is not None
    assert len(layout.ends) == frames
    return layout


@pytest.mark.unmeasured
@given(st.lists(st.integers(-5, 5), max_size=12), st.integers(0, 1 << 40))
def test_each_frame_has_the_next_nonce_whichever_way_it_goes(ways: list[int], used: int) -> None:
    sealer, primitives = made(used)
    for frames in ways:
        if frames < 0:
            assert bytes(stretch_of(sealer, -frames)) == b"all of it"
        elif frames:
            assert bytes(sealer.seal_all(sealer.batch(layout_of(frames)))) == b"all of it"
        else:
            sealer.seal(0, b"data")
    total = sum(abs(frames) or 1 for frames in ways)
    assert primitives.nonces == [(KEY, used + number) for number in range(1, total + 1)]


def test_what_is_sent_is_a_frame_without_flags_that_has_them_inside() -> None:
    """libzmq would take MORE of the frame outside for MORE of the message."""
    sealer, _primitives = made(6)
    for flags, inner in ((0, 0), (MORE, 1), (COMMAND, 2), (MORE | COMMAND, 3)):
        wire = sealer.seal(flags, b"data")
        body = b"\x07MESSAGE" + (7 + inner).to_bytes(8, "big") + b"<" + bytes((inner,)) + b"data>"
        assert wire == bytes((0, len(body))) + body


def test_a_stretch_that_fails_has_had_its_nonces() -> None:
    sealer, primitives = made(4)
    with pytest.raises(RuntimeError, match="not sealed"):
        stretch_of(sealer, 3, b"")
    assert bytes(stretch_of(sealer, 2)) == b"all of it"
    assert primitives.nonces == [(KEY, count) for count in (5, 6, 7, 8, 9)]


@pytest.mark.parametrize("left", [0, 1, 2])
def test_when_all_nonces_are_used_it_ends_and_none_is_used_again(left: int) -> None:
    sealer, primitives = made(SHORT_NONCE_MAX - left)
    with pytest.raises(LocalProtocolError, match="all nonces"):
        sealer.seal_all(sealer.batch(layout_of(3)))
    with pytest.raises(LocalProtocolError, match="all nonces"):
        stretch_of(sealer, 3)
    for _ in range(left):
        sealer.seal(0, b"")
    with pytest.raises(LocalProtocolError, match="all nonces"):
        sealer.seal(0, b"")
    assert len(primitives.nonces) == len(set(primitives.nonces)) == left


def test_who_has_handed_over_seals_nothing_any_more() -> None:
    sealer, primitives = made(4)
    sealer.seal(0, b"")
    assert sealer.hand_over() == (KEY, 5)
    with pytest.raises(LocalProtocolError):
        sealer.seal(0, b"")
    with pytest.raises(LocalProtocolError):
        sealer.seal_all(sealer.batch(layout_of(1)))
    with pytest.raises(LocalProtocolError):
        stretch_of(sealer, 1)
    assert primitives.nonces == [(KEY, 5)]
