"""Wants: which prefixes say all of them."""

from __future__ import annotations

import pytest

from fanout.shm.census import minimal


@pytest.mark.parametrize(
    ("prefixes", "kept"),
    [
        ([], []),
        ([b"A", b"A"], [b"A"]),
        ([b"A", b"B"], [b"A", b"B"]),
        ([b"AB", b"A", b"B"], [b"A", b"B"]),
        ([b"ABC", b"AB", b"AC", b"ABD"], [b"AB", b"AC"]),
        ([b"A\xff", b"B", b"A\xff\x00"], [b"A\xff", b"B"]),
        ([b"A", b"", b"B"], [b""]),
    ],
)
def test_only_prefixes_that_no_shorter_one_implies_are_kept(
    prefixes: list[bytes], kept: list[bytes]
) -> None:
    assert minimal(prefixes) == frozenset(kept)
