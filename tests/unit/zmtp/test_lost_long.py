"""Commands whose LONG bit was forgotten: told from empty ones, whatever comes behind."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fanout.zmtp.lost_long import WINDOW_BYTES, lost_long_size

NAMES = st.sampled_from([b"\x09SUBSCRIBE", b"\x06CANCEL"])


def as_libzmq_sends_it(name: bytes, topic: bytes) -> bytes:
    body = name + topic
    return b"\x04" + len(body).to_bytes(8, "big") + body


@given(NAMES, st.integers(0, 255), st.integers(0, 300))
def test_the_size_is_found_as_soon_as_enough_has_come(name: bytes, size: int, came: int) -> None:
    wire = as_libzmq_sends_it(name, bytes(size))
    if len(name) + size < 256:
        return  # such a one is sent in the short form
    found = lost_long_size(wire[:came][:WINDOW_BYTES])
    if came >= 9 + len(name):
        assert found == len(name) + size
    else:
        assert found is None, "more must come"


@given(st.binary(max_size=WINDOW_BYTES))
def test_whatever_is_no_such_command_is_an_empty_one(behind: bytes) -> None:
    window = (b"\x04" + behind)[:WINDOW_BYTES]
    found = lost_long_size(window)
    wires = [
        as_libzmq_sends_it(name, bytes(size))[:WINDOW_BYTES]
        for name in (b"\x09SUBSCRIBE", b"\x06CANCEL")
        for size in range(256)
        if len(name) + size >= 256
    ]
    assert (found == 0) == (not any(wire.startswith(window) for wire in wires))


def test_a_command_that_is_too_long_for_a_topic_is_none() -> None:
    """A topic has 255 bytes at most: for longer ones libzmq sets the bit."""
    longest = as_libzmq_sends_it(b"\x06CANCEL", bytes(255))
    assert lost_long_size(longest[:WINDOW_BYTES]) == 7 + 255
    longer = as_libzmq_sends_it(b"\x06CANCEL", bytes(256))
    assert lost_long_size(longer[:WINDOW_BYTES]) == 0
    assert lost_long_size(as_libzmq_sends_it(b"\x05HELLO", bytes(252))[:WINDOW_BYTES]) == 0


def test_an_empty_command_before_another_frame() -> None:
    assert lost_long_size(b"\x04\x00\x04\x00") == 0
    assert lost_long_size(b"\x04\x00") is None
