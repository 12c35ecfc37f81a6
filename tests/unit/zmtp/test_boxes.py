"""What CURVE is made of: counters that only rise, and keys that nobody reads in a log."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanout.zmtp.boxes import (
    CLIENT_TEXT,
    LONG_NONCE_BYTES,
    MESSAGE_OVERHEAD,
    SHORT_NONCE_BYTES,
    SHORT_NONCE_MAX,
    Counting,
    KeyPair,
    count_nonce,
)
from fanout.zmtp.errors import RemoteProtocolError

COUNTERS = st.integers(0, SHORT_NONCE_MAX)


@given(COUNTERS, COUNTERS)
def test_two_counters_make_two_nonces(one: int, other: int) -> None:
    short, nonce = count_nonce(CLIENT_TEXT, one)
    assert (len(short), len(nonce)) == (SHORT_NONCE_BYTES, LONG_NONCE_BYTES + SHORT_NONCE_BYTES)
    assert nonce == CLIENT_TEXT + short
    assert int.from_bytes(short, "big") == one
    assert (count_nonce(CLIENT_TEXT, other)[1] == nonce) == (one == other)


@pytest.mark.unmeasured
@given(COUNTERS, st.lists(COUNTERS, max_size=8))
def test_a_counter_that_does_not_rise_ends_it_and_gaps_do_not(
    last: int, counters: list[int]
) -> None:
    counting = Counting(last)
    for counter in counters:
        short = count_nonce(b"", counter)[0]
        if counter > last:
            counting.next(short, "MESSAGE")
            last = counter
        else:
            with pytest.raises(RemoteProtocolError, match="counter in MESSAGE does not rise"):
                counting.next(short, "MESSAGE")
        assert counting.last == last


def test_the_first_counter_is_one() -> None:
    with pytest.raises(RemoteProtocolError):
        Counting().next(bytes(8), "HELLO")


def test_a_secret_key_is_not_shown() -> None:
    pair = KeyPair(b"\x01" * 32, b"\xfe" * 32)
    for text in (repr(pair), str(pair), f"{[pair]}"):
        assert "01" * 32 in text
        assert "fe" * 32 not in text
        assert "\\xfe" not in text


def test_a_box_has_as_much_more_as_rfc_26_says() -> None:
    assert 1 + len("MESSAGE") + 8 + 16 + 1 == MESSAGE_OVERHEAD
