"""Sending in records, case by case: what is reported as done, and what is kept."""

from __future__ import annotations

from typing import Any, cast

import pytest

from fanout.security.records import RECORD_BYTES, TlsRecords
from fanout.workers.connections.tls import FLOW_PART, RECORDS_MAX, TURN_BYTES, TlsSend
from tests.helpers.records import HEAD_BYTES, Kernel

DATA = b"0123456789" * 10


def made(room: int) -> tuple[TlsSend, Kernel]:
    kernel = Kernel(room)
    send = TlsSend(kernel.send, cast("TlsRecords", kernel.records))
    send.let()
    return send, kernel


def test_all_of_it_in_one_record_and_one_send() -> None:
    send, kernel = made(1 << 20)
    assert send(DATA) == len(DATA)
    assert (kernel.sends, kernel.records.sealed) == (1, 1)
    assert kernel.received() == DATA
    assert send.kept_bytes == 0
    assert not send.more
    assert send.wire_bytes == len(DATA) + HEAD_BYTES


def test_what_is_not_taken_of_a_record_is_done_and_kept() -> None:
    send, kernel = made(30)
    assert send(DATA) == len(DATA)
    assert send.kept_bytes == len(DATA) + HEAD_BYTES - 30
    with pytest.raises(BlockingIOError):
        send(b"next")
    assert kernel.records.sealed == 1
    kernel.room = 10
    assert not send.flush()
    assert send.kept_bytes == len(DATA) + HEAD_BYTES - 40
    kernel.room = 1 << 20
    assert send(b"next") == 4
    assert kernel.received() == DATA + b"next"
    assert send.kept_bytes == 0


def test_a_full_socket_has_one_record_made_and_no_more() -> None:
    send, kernel = made(0)
    assert send(bytes(3 * RECORD_BYTES)) == RECORD_BYTES
    assert send.kept_bytes == RECORD_BYTES + HEAD_BYTES
    for _ in range(3):
        with pytest.raises(BlockingIOError):
            send(bytes(10))
    assert kernel.records.sealed == 1
    assert not send.more, "it is the socket that is waited for"


def test_who_has_taken_much_is_sent_several_at_once() -> None:
    send, kernel = made(1 << 30)
    many = FLOW_PART * RECORDS_MAX
    assert send(bytes(many * RECORD_BYTES)) == many * RECORD_BYTES
    sends = kernel.sends
    send.let()
    assert send(bytes(2 * RECORDS_MAX * RECORD_BYTES)) == 2 * RECORDS_MAX * RECORD_BYTES
    assert kernel.sends == sends + 2
    kernel.room = 10
    send.let()
    assert send(bytes(3 * RECORDS_MAX * RECORD_BYTES)) == RECORDS_MAX * RECORD_BYTES
    assert send.kept_bytes == RECORDS_MAX * (RECORD_BYTES + HEAD_BYTES) - 10, "one send, no more"


@pytest.mark.parametrize("room", [0, 3, 20, 40, 100])
def test_what_is_kept_is_one_record_or_a_part_of_what_was_taken(room: int) -> None:
    send, kernel = made(room * RECORD_BYTES + 7)
    for _ in range(3):
        before = send.wire_bytes
        while not send.kept_bytes:
            send.let()
            assert send(bytes(TURN_BYTES)) > 0
        taken = send.wire_bytes - before
        assert send.kept_bytes <= max(RECORD_BYTES + HEAD_BYTES, taken // FLOW_PART)
        kernel.room = send.kept_bytes
        assert send.flush()
        kernel.received()
        kernel.room = room * RECORD_BYTES + 7


def test_who_took_much_until_his_socket_was_full_is_sent_several_at_once_again() -> None:
    room = FLOW_PART * RECORDS_MAX * (RECORD_BYTES + HEAD_BYTES)
    send, kernel = made(room)
    _fill(send)
    kernel.received()
    kernel.room = send.kept_bytes
    assert send.flush()
    sends, kernel.room = kernel.sends, room
    send.let()
    assert send(bytes(2 * RECORDS_MAX * RECORD_BYTES)) == 2 * RECORDS_MAX * RECORD_BYTES
    assert kernel.sends == sends + 2


def test_who_takes_little_by_now_is_sent_one_at_a_time_again() -> None:
    send, kernel = made(FLOW_PART * RECORDS_MAX * (RECORD_BYTES + HEAD_BYTES))
    for _ in range(2):
        _fill(send)
        kernel.received()
        kernel.room = send.kept_bytes
        assert send.flush()
        kernel.room = 10
    _fill(send)
    assert send.kept_bytes < RECORD_BYTES + HEAD_BYTES


def _fill(send: TlsSend) -> None:
    while not send.kept_bytes:
        send.let()
        assert send(bytes(TURN_BYTES)) > 0


def test_so_much_in_a_turn_and_no_more() -> None:
    send, kernel = made(1 << 30)
    data = bytes(2 * TURN_BYTES)
    done = send(data)
    assert TURN_BYTES - RECORD_BYTES < done <= TURN_BYTES
    assert send.more
    assert send.kept_bytes == 0
    with pytest.raises(BlockingIOError):
        send(data[done:])
    send.let()
    assert send(data[done:]) > 0
    send.stop()
    with pytest.raises(BlockingIOError):
        send(b"x")
    assert send.more
    assert len(kernel.received()) == kernel.records.sealed * RECORD_BYTES


def test_one_send_and_no_more_while_others_wait() -> None:
    kernel, waits = Kernel(1 << 30), True
    send = TlsSend(kernel.send, cast("TlsRecords", kernel.records), lambda: waits)
    send.let()
    assert send(bytes(TURN_BYTES)) == RECORD_BYTES
    assert send.more
    with pytest.raises(BlockingIOError):
        send(b"x")
    waits = False
    send.let()
    assert send(bytes(3 * RECORD_BYTES)) == 3 * RECORD_BYTES


def test_nothing_is_sent_before_the_handshake_is_done_but_what_that_says() -> None:
    send, kernel = made(1 << 20)
    kernel.records.is_ready = False
    with pytest.raises(BlockingIOError):
        send(DATA)
    assert not send.more, "it is the peer that is waited for"
    kernel.records.said = b"a certificate"
    kernel.room = 5
    assert not send.flush()
    assert send.kept_bytes == 8
    kernel.room = 8
    assert send.flush()
    assert kernel.wire == b"a certificate"


def test_what_tls_says_by_itself_goes_between_two_records() -> None:
    send, kernel = made(20)
    assert send(DATA) == len(DATA)
    kernel.records.end()
    kernel.room = 1 << 20
    assert send(b"next") == 4
    assert kernel.received() == DATA + b"next"


def test_what_tls_says_while_the_socket_is_full_stays_where_it_is_bounded() -> None:
    send, kernel = made(20)
    assert send(DATA) == len(DATA)
    kept = send.kept_bytes
    kernel.records.said = b"answers"
    assert not send.flush()
    assert (send.kept_bytes, kernel.records.said) == (kept, b"answers")
    kernel.room = 1 << 20
    assert send.flush()
    assert kernel.wire.endswith(DATA + b"answers")


def test_the_last_words_are_said_if_the_socket_takes_them() -> None:
    send, kernel = made(1 << 20)
    send(DATA)
    send.finish()
    assert kernel.received() == DATA
    assert kernel.wire == b""
    assert send.wire_bytes == len(DATA) + 2 * HEAD_BYTES


def test_a_broken_connection_is_told_of_but_by_the_last_words() -> None:
    def broken(_data: Any) -> int:
        raise ConnectionResetError(104, "Connection reset by peer")

    _, kernel = made(0)
    send = TlsSend(broken, cast("TlsRecords", kernel.records))
    send.let()
    with pytest.raises(ConnectionResetError):
        send(DATA)
    kernel.records.said = b"x"
    with pytest.raises(ConnectionResetError):
        send.flush()
    send.finish()
