"""A stream is right if it is all messages of its feed in their order, in whatever pieces."""

from __future__ import annotations

import pytest

from soaking.rebalance.feeds import HEAVY, LIGHT, Stream, wire_of

ALL = b"".join(wire_of(HEAVY, number) for number in range(5))


@pytest.mark.parametrize("size", [1, 7, 250, 10_000])
def test_what_comes_in_any_pieces_is_right(size: int) -> None:
    stream = Stream(HEAVY)
    for at in range(0, len(ALL), size):
        stream.take(ALL[at : at + size], {})
    assert (stream.got, stream.complaint(5)) == (5, "")
    assert stream.complaint(6) == "5 of 6 messages of H have come"


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param(ALL[: len(wire_of(HEAVY, 0))] * 2, id="doubled"),
        pytest.param(wire_of(HEAVY, 1), id="lost"),
        pytest.param(wire_of(LIGHT, 0), id="of another feed"),
        pytest.param(ALL[:40] + b"x" + ALL[41:], id="a byte"),
        pytest.param(ALL[1:], id="torn"),
    ],
)
def test_what_is_lost_doubled_or_torn_is_found(wrong: bytes) -> None:
    stream = Stream(HEAVY)
    stream.take(wrong, {})
    assert "comes where message" in stream.complaint(5)
