"""Sealed sending, case by case: what is reported, kept, and thrown away."""

from __future__ import annotations

from functools import partial
from unittest import mock

import pytest

from fanout.security.sodium import Sodium
from fanout.workers.connections.boxing import KEPT_BYTES, SEAL_BYTES, SEAL_FRAMES
from fanout.workers.connections.sealed import (
    BOX_BYTES,
    NOTHING_KEPT,
    TURN_BYTES,
    KeptBoxes,
    SealedSend,
    Sealing,
)
from fanout.zmtp import encode_message
from fanout.zmtp.boxes import MESSAGE_OVERHEAD, SERVER_TEXT, Counting
from fanout.zmtp.errors import LocalProtocolError
from fanout.zmtp.layout import lay_out
from fanout.zmtp.opener import Opener
from fanout.zmtp.sealer import Sealer
from tests.helpers.boxes import Kernel, NoBoxes

pytestmark = pytest.mark.usefixtures("either_way")
MESSAGE = encode_message([b"topic", b"payload"])
FIRST, SECOND = MESSAGE[:7], MESSAGE[7:]
BOX = 2 + MESSAGE_OVERHEAD + len(b"topic")  # of the first frame


@pytest.fixture(params=[False, True], ids=["one by one", "in stretches"])
def either_way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Boxes are made by a call for each of them, and by one for many."""
    monkeypatch.setattr(NoBoxes, "IN_STRETCHES", request.param)


class Let(SealedSend):
    """One that is let do as much as one may in a turn before each call."""

    __slots__ = ()

    def __call__(self, data: bytes | memoryview) -> int:
        self.let()
        return super().__call__(data)


def made(room: int) -> tuple[SealedSend, Kernel]:
    kernel = Kernel(room)
    return Let(kernel.send, kernel.sealer), kernel


def test_all_of_it_in_one_send() -> None:
    send, kernel = made(1 << 20)
    assert send(MESSAGE * 10) == len(MESSAGE) * 10
    assert kernel.sends == 1
    assert kernel.received() == MESSAGE * 10
    assert send.is_empty
    assert not send.more
    assert send.wire_bytes == (1 << 20) - kernel.room


def test_what_a_full_socket_does_not_begin_waits_and_is_sealed_once() -> None:
    send, kernel = made(0)
    for _ in range(3):
        with pytest.raises(BlockingIOError):
            send(MESSAGE)
    assert send.is_empty
    kernel.room = 1 << 20
    assert send(MESSAGE) == len(MESSAGE)
    assert kernel.received() == MESSAGE
    assert len(kernel.boxes.sealed) == 2


@pytest.mark.parametrize("room", [0, BOX])
def test_what_waits_is_thrown_away_if_something_else_comes(room: int) -> None:
    send, kernel = made(room)
    other = encode_message([b"another", b"one"])
    if room:
        assert send(FIRST + SECOND) == len(FIRST)
        other = encode_message([b"another payload"])
    else:
        with pytest.raises(BlockingIOError):
            send(MESSAGE)
    sealed = len(kernel.boxes.sealed)
    kernel.room = 1 << 20
    assert send(other) == len(other)
    assert send(MESSAGE) == len(MESSAGE)
    assert kernel.received() == (FIRST if room else b"") + other + MESSAGE
    assert len(kernel.boxes.sealed) > sealed + 2, "what was thrown away has had its nonces"


def test_what_waits_behind_a_cut_box_goes_out_after_it() -> None:
    send, kernel = made(BOX - 1)
    wire = MESSAGE * 3
    done = send(wire)
    sealed = len(kernel.boxes.sealed)
    for _ in range(2):
        with pytest.raises(BlockingIOError):
            send(wire[done:])
    kernel.room = 1 << 20
    assert send(wire[done:]) == len(wire) - done
    assert kernel.received() == wire
    assert len(kernel.boxes.sealed) == sealed == 6


def test_who_are_sent_the_same_have_it_cut_once() -> None:
    """But where many are sealed by one call, which cuts them."""
    sealing, sodium = Sealing(), Sodium()
    sodium.stretches = None
    wire = b"".join([encode_message([b"t", b"%d" % number * 30]) for number in range(200)])
    keys = [bytes((number,)) * 32 for number in range(3)]
    calls = []
    with mock.patch("fanout.workers.connections.boxing.lay_out", wraps=lay_out) as cut:
        for key in keys:
            came: list[bytes] = []
            sealer = Sealer(sodium, key, SERVER_TEXT, 1)
            send = sealing.under(sealer, NOTHING_KEPT)(partial(taken_by, came))
            send.let()
            assert send(wire) == len(wire)
            opener = Opener(sodium, key, SERVER_TEXT, Counting(), 1 << 20)
            assert opener.open(b"".join(came)) == wire
            calls.append(cut.call_count)
    assert calls == [calls[0]] * 3
    assert calls[0] > 1


def taken_by(came: list[bytes], data: bytes | memoryview) -> int:
    came.append(bytes(data))
    return len(data)


def test_a_long_frame_in_many_parts() -> None:
    wire = encode_message([b"x" * 300_000])
    send, kernel = made(1 << 20)
    for at in range(0, len(wire), 1000):
        assert send(wire[at : at + 1000]) == len(wire[at : at + 1000])
    assert kernel.received() == wire
    assert send.is_empty


def test_a_box_that_is_cut_is_finished_and_not_sealed_again() -> None:
    send, kernel = made(BOX + 10)
    done = send(MESSAGE)
    assert len(FIRST) < done < len(MESSAGE)
    sealed = len(kernel.boxes.sealed)
    with pytest.raises(BlockingIOError):
        send(MESSAGE[done:])
    kernel.room = 1 << 20
    assert send(MESSAGE[done:]) == len(MESSAGE) - done
    assert len(kernel.boxes.sealed) == sealed
    assert kernel.received() == MESSAGE
    assert send.is_empty


def test_the_last_byte_of_a_frame_waits_for_its_box() -> None:
    """Else the pump would take the connection for ready, and nobody would ask for the rest."""
    send, kernel = made(0)
    done = 0
    for _ in range(2 * len(MESSAGE) + 2 * (2 + MESSAGE_OVERHEAD)):
        kernel.room = 1
        try:
            done += send(MESSAGE[done:])
        except BlockingIOError:
            continue
        if done == len(MESSAGE):
            break
        assert done < len(FIRST) or b"topic" in kernel.wire
    assert done == len(MESSAGE)
    assert send.is_empty
    assert kernel.received() == MESSAGE


def test_what_is_handed_over_in_parts_waits_for_its_frame() -> None:
    send, kernel = made(1 << 20)
    for byte in MESSAGE[:-1]:
        assert send(bytes((byte,))) == 1
    assert not send.is_empty
    assert kernel.received() == FIRST
    assert send(MESSAGE[-1:]) == 1
    assert kernel.received() == SECOND
    assert send.is_empty


def test_the_begin_of_a_frame_is_kept_while_the_socket_is_full() -> None:
    send, kernel = made(0)
    assert send(FIRST[:3]) == 3
    for _ in range(2):
        with pytest.raises(BlockingIOError):
            send(MESSAGE[3:])
    kernel.room = 1 << 20
    assert send(MESSAGE[3:]) == len(MESSAGE) - 3
    assert kernel.received() == MESSAGE


def test_less_may_be_handed_over_than_is_out_already() -> None:
    send, kernel = made(BOX - 4)
    done = send(FIRST)
    kernel.room = 1 << 20
    while done < len(FIRST):
        assert send(FIRST[done : done + 1]) == 1
        done += 1
    assert kernel.received() == FIRST
    assert send.is_empty


@pytest.mark.parametrize("size", [0, 222, 223, 255, 256, SEAL_BYTES, 100_000])
def test_frames_of_all_sizes(size: int) -> None:
    wire = encode_message([b"", b"x" * size])
    send, kernel = made(1 << 20)
    assert send(wire) == len(wire)
    assert kernel.received() == wire


def test_a_turn_has_an_end_and_says_that_there_is_more() -> None:
    wire = encode_message([b"x" * 1000]) * 300
    send, kernel = made(1 << 20)
    done = send(wire)
    assert 0 < done < len(wire)
    was_cut = [send.more]
    assert is_a_turn(send.wire_bytes, len(kernel.boxes.sealed))
    while done < len(wire):
        done += send(wire[done:])
    assert [*was_cut, send.more] == [True, False]
    assert kernel.received() == wire


def is_a_turn(wire_bytes: int, frames: int, size: int = 1000) -> bool:
    """Whether that is what one may have, and no more than a send beyond it."""
    one = size + MESSAGE_OVERHEAD + 9 + BOX_BYTES
    cost = wire_bytes + frames * BOX_BYTES
    return TURN_BYTES <= cost <= TURN_BYTES + SEAL_BYTES + SEAL_FRAMES * BOX_BYTES + one


def test_nothing_is_done_unless_it_is_let() -> None:
    kernel = Kernel(1 << 20)
    send = SealedSend(kernel.send, kernel.sealer)
    with pytest.raises(BlockingIOError):
        send(MESSAGE)
    assert send.more
    send.let()
    assert send(MESSAGE) == len(MESSAGE)
    assert [send.more] == [False]
    send.stop()
    with pytest.raises(BlockingIOError):
        send(MESSAGE)
    assert kernel.received() == MESSAGE
    assert kernel.sends == 1


def test_what_one_may_in_a_turn_is_for_all_its_sends() -> None:
    wire = encode_message([b"x" * 1000]) * 10
    kernel = Kernel(1 << 20)
    send = SealedSend(kernel.send, kernel.sealer)
    send.let()
    sent = [send(wire) for _ in range(17)]
    with pytest.raises(BlockingIOError):
        send(wire)
    done = sum(sent)
    assert send.more
    assert is_a_turn(send.wire_bytes, len(kernel.boxes.sealed))
    assert kernel.received() == (wire * 20)[:done]


@pytest.mark.parametrize("size", [0, 100, 1000, 16_000, 300_000])
def test_small_boxes_count_for_more_than_their_bytes(size: int) -> None:
    """Some thousands of them would take as long as what one may have in ten turns."""
    wire = encode_message([b"x" * size]) * (1 + (1 << 20) // (size + 2))
    kernel = Kernel(1 << 24)
    send = SealedSend(kernel.send, kernel.sealer)
    send.let()
    send(wire)
    assert is_a_turn(send.wire_bytes, len(kernel.boxes.sealed), size)


def test_little_is_thrown_away_when_little_is_taken() -> None:
    wire = encode_message([b"x" * 100]) * 1000
    send, kernel = made(1)
    send(wire)
    assert len(kernel.boxes.sealed) == SEAL_FRAMES


def test_no_more_waits_than_may_be_kept_and_nothing_is_lost_by_that() -> None:
    wire = encode_message([b"x" * 1000]) * 50
    send, kernel = made(0)
    with pytest.raises(BlockingIOError):
        send(wire)
    assert len(kernel.boxes.sealed) == 50
    kernel.room = 1 << 20
    done = send(wire)
    while done < len(wire):
        done += send(wire[done:])
    assert kernel.received() == wire
    assert len(kernel.boxes.sealed) == 50 + 50 - KEPT_BYTES // (9 + MESSAGE_OVERHEAD + 1000)


def test_one_that_is_longer_than_what_may_be_kept_waits_as_well() -> None:
    wire = encode_message([bytes(2 * KEPT_BYTES)])
    send, kernel = made(0)
    with pytest.raises(BlockingIOError):
        send(wire)
    kernel.room = 1 << 20
    assert send(wire) == len(wire)
    assert len(kernel.boxes.sealed) == 1


def test_the_handshake_goes_out_as_it_is() -> None:
    kernel = Kernel(3)
    kernel.raw(5)
    send = Let(kernel.send, kernel.sealer, KeptBoxes(raw=5))
    assert send(b"READY" + MESSAGE) == 3
    with pytest.raises(BlockingIOError):
        send(b"DY" + MESSAGE)
    kernel.room = 1 << 20
    assert send(b"DY" + MESSAGE) == 2 + len(MESSAGE)
    assert kernel.wire.startswith(b"READY")
    assert kernel.received() == MESSAGE


def test_an_error_is_the_callers() -> None:
    def broken(data: bytes | memoryview) -> int:
        raise ConnectionResetError(data[:1])

    with pytest.raises(ConnectionResetError):
        Let(broken, Kernel().sealer)(MESSAGE)


def test_who_has_handed_over_seals_and_sends_nothing() -> None:
    send, kernel = made(20)
    done = send(MESSAGE)
    rest = send.remainder
    key, count = send.hand_over()
    assert rest.pending
    kernel.room = 1 << 20
    with pytest.raises(RuntimeError, match="another worker goes on"):
        send(MESSAGE)
    with pytest.raises(LocalProtocolError, match="all nonces"):
        kernel.sealer.seal(0, b"")
    kernel.sealer = Sealer(kernel.boxes, key, SERVER_TEXT, count)
    other = Let(kernel.send, kernel.sealer, rest)
    assert other(MESSAGE[done:]) == len(MESSAGE) - done
    assert kernel.received() == MESSAGE
    assert other.wire_bytes == (1 << 20) - kernel.room + rest.wire_bytes


def test_the_begin_of_a_frame_goes_along() -> None:
    send, kernel = made(1 << 20)
    assert send(MESSAGE[:4]) == 4
    rest = send.remainder
    assert not kernel.sends
    other = Let(kernel.send, Sealer(kernel.boxes, *_parts(send)), rest)
    assert other(MESSAGE[4:]) == len(MESSAGE) - 4
    assert kernel.received() == MESSAGE


def test_what_waits_is_thrown_away_with_its_nonces() -> None:
    send, kernel = made(0)
    with pytest.raises(BlockingIOError):
        send(MESSAGE)
    made_before = len(kernel.boxes.sealed)
    rest = send.remainder
    other = Let(kernel.send, Sealer(kernel.boxes, *_parts(send)), rest)
    kernel.room = 1 << 20
    assert other(MESSAGE) == len(MESSAGE)
    assert kernel.received() == MESSAGE
    assert len(kernel.boxes.sealed) == 2 * made_before > 0


def _parts(send: SealedSend) -> tuple[bytes, bytes, int]:
    key, count = send.hand_over()
    return key, SERVER_TEXT, count
