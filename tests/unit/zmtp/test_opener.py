"""Opening and sealing MESSAGE: sizes, flags, counters, and boxes that are none."""

from __future__ import annotations

import pytest

from fanout.zmtp import LocalProtocolError, RemoteProtocolError, frame_header
from fanout.zmtp.boxes import (
    CLIENT_TEXT,
    MESSAGE_HEAD,
    MESSAGE_OVERHEAD,
    SHORT_NONCE_MAX,
    Counting,
)
from fanout.zmtp.errors import OverLimitError
from fanout.zmtp.opener import Opener
from fanout.zmtp.sealer import Sealer
from tests.unit.zmtp.secured import NACL, flipped
from tests.unit.zmtp.wire import each_byte, short_frame

KEY = b"k" * 32


def opener(max_frame_bytes: int = 65_536) -> Opener:
    return Opener(NACL, KEY, CLIENT_TEXT, Counting(), max_frame_bytes)


def sealer(count: int = 0) -> Sealer:
    return Sealer(NACL, KEY, CLIENT_TEXT, count)


@pytest.mark.parametrize("size", [0, 1, 221, 222, 223, 255, 256, 1000])
@pytest.mark.parametrize("flags", [0, 1, 4, 5])
def test_what_was_sealed_comes_out_as_it_was(size: int, flags: int) -> None:
    size = size or flags >> 2  # there is no command without anything
    data = b"x" * size
    sealed = sealer().seal(flags, data)
    assert sealed[0] == (2 if size + MESSAGE_OVERHEAD > 255 else 0)  # no MORE, no COMMAND outside
    assert opener(size).open(sealed) == frame_header(size, flags) + data


def test_it_does_not_matter_how_it_is_cut() -> None:
    one = sealer()
    sealed = one.seal(1, b"A") + one.seal(0, b"x" * 300)
    into = opener()
    plain = b"".join(map(into.open, each_byte(sealed)))
    assert plain == b"\x01\x01A" + frame_header(300) + b"x" * 300


def test_a_changed_byte_anywhere_is_found() -> None:
    sealed = sealer().seal(0, b"some data")
    for at in range(1, len(sealed)):
        changed = flipped(sealed, at)
        if at == 1:
            changed = bytes((0, sealed[1] - 1)) + sealed[2:]
        with pytest.raises(RemoteProtocolError):
            opener().open(changed)


def test_a_frame_again_or_out_of_order() -> None:
    one = sealer()
    first, second, third = (one.seal(0, data) for data in (b"1", b"2", b"3"))
    for order in ((first, first), (second, first), (third, second)):
        into = opener()
        with pytest.raises(RemoteProtocolError, match="does not rise"):
            into.open(b"".join(order))
    assert opener().open(first + third) == short_frame(b"1") + short_frame(
        b"3"
    )  # a gap is no fault


@pytest.mark.parametrize("body", [b"", MESSAGE_HEAD, MESSAGE_HEAD + bytes(24), b"\x04PING\0\0" * 9])
def test_what_is_no_message(body: bytes) -> None:
    with pytest.raises(RemoteProtocolError, match="no MESSAGE"):
        opener().open(short_frame(body))


@pytest.mark.parametrize("flags", [4, 5])
def test_an_empty_command_is_refused_and_not_waited_for(flags: int) -> None:
    """Outside of boxes it may be a long one with a broken header, of which the rest is to come."""
    with pytest.raises(RemoteProtocolError, match="empty command"):
        opener().open(sealer().seal(flags, b""))


def test_an_empty_box() -> None:
    """Nobody can make one without the key, but a peer that has it: it has not even flags."""
    short = (1).to_bytes(8, "big")
    body = MESSAGE_HEAD + short + NACL.seal(b"", CLIENT_TEXT + short, KEY)
    with pytest.raises(RemoteProtocolError):
        opener().open(short_frame(body))


def test_other_bits_in_a_box_are_data_for_nobody() -> None:
    short = (1).to_bytes(8, "big")
    body = MESSAGE_HEAD + short + NACL.seal(b"\xfcdata", CLIENT_TEXT + short, KEY)
    assert opener().open(short_frame(body)) == short_frame(b"data")


def test_bits_outside_of_a_box_say_nothing() -> None:
    sealed = sealer().seal(0, b"data")
    assert opener().open(b"\x05" + sealed[1:]) == short_frame(b"data")


def test_a_frame_that_is_too_large_need_not_come() -> None:
    one = sealer()
    assert opener(5).open(one.seal(0, b"five!")) == short_frame(b"five!")
    with pytest.raises(RemoteProtocolError, match="the limit is"):
        opener(5).open(one.seal(0, b"sixsix")[:2])


def test_no_nonce_comes_back() -> None:
    one = sealer(SHORT_NONCE_MAX - 1)
    one.seal(0, b"the last")
    for _ in range(2):
        with pytest.raises(LocalProtocolError):
            one.seal(0, b"one more")


def test_each_box_has_its_own_nonce() -> None:
    one = sealer()
    sealed = {one.seal(0, b"the same")[10:18] for _ in range(100)}
    assert len(sealed) == 100


@pytest.mark.parametrize("cut", [0, 1, 12, 20, 300, 330])
def test_another_one_opens_and_seals_from_where_it_is_handed_over(cut: int) -> None:
    first, one = sealer(), opener()
    boxes = first.seal(0, b"a" * 270) + first.seal(1, b"b")
    came = one.open(boxes[:cut])
    part = one.part
    assert part == one.part, "it is not taken by that"
    other = Opener(NACL, KEY, CLIENT_TEXT, Counting(one.hand_over()), 65_536, part)
    key, count = first.hand_over()
    second = Sealer(NACL, key, CLIENT_TEXT, count)
    came += other.open(boxes[cut:] + second.seal(0, b"c"))
    assert came == frame_header(270) + b"a" * 270 + frame_header(1, 1) + b"b" + short_frame(b"c")
    with pytest.raises(LocalProtocolError):
        first.seal(0, b"c")
    with pytest.raises(RemoteProtocolError, match="does not rise"):
        other.open(boxes)


def skimming(most: int) -> Opener:
    into = opener(most)
    into.skims = True
    return into


def test_a_frame_that_is_too_large_comes_out_as_zeros_as_it_comes_and_what_is_behind_it() -> None:
    one = sealer()
    sealed = one.seal(1, b"A") + one.seal(1, b"x" * 5000) + one.seal(0, b"n" * 16)
    sealed += one.seal(0, b"B")
    expected = short_frame(b"A", 1) + frame_header(5000, 1) + bytes(5000)
    expected += short_frame(b"n" * 16) + short_frame(b"B")
    assert skimming(1000).open(sealed) == expected
    into, plain, most = skimming(1000), b"", 0
    for byte in each_byte(sealed):
        plain += into.open(byte)
        most = max(most, into._reader.kept_bytes)
    assert plain == expected
    assert most <= 64, "it is not kept"
    with pytest.raises(RemoteProtocolError, match="does not rise"):
        into.open(sealed[:200])


def test_a_frame_that_is_too_large_counts() -> None:
    one = sealer()
    first, large = one.seal(0, b"A"), one.seal(1, b"x" * 5000)
    into = skimming(1000)
    into.open(large)
    with pytest.raises(RemoteProtocolError, match="does not rise"):
        into.open(first)
    with pytest.raises(RemoteProtocolError, match="no MESSAGE"):
        skimming(1000).open(frame_header(5000) + bytes(5000))
    with pytest.raises(OverLimitError) as caught:
        opener(1000).open(first + large)
    assert caught.value.before == short_frame(b"A"), "what was before it comes"
