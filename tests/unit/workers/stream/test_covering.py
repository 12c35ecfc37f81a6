"""Which subscriptions cover something of others."""

from __future__ import annotations

import pytest

from fanout.workers.stream.covering import LOOKS_MAX, covering


def test_those_that_begin_with_it_and_those_that_it_begins_with() -> None:
    before = [b"", b"x", b"xa", b"xb", b"xabc", b"y"]
    wants = [*before, b"xab", b"z", b"yy"]
    assert covering(wants, {b"xab", b"z", b"yy"}, {b"xab"}) == [b"", b"x", b"xa", b"xabc"]
    assert covering(wants, {b"xab", b"z", b"yy"}, {b"z", b"yy"}) == [b"", b"y"]
    assert covering([b"x", b"y"], {b"y"}, {b"y"}) == covering([b"y"], {b"y"}, {b"y"}) == []


@pytest.mark.parametrize(
    ("before", "new"),
    [
        ([b"x%d" % one for one in range(LOOKS_MAX + 1)], [b"y"]),
        ([b"x%d" % one for one in range(100)], [b"y" * one for one in range(1, 200)]),
        ([b"x" * one for one in range(200)], [b"y%d" % one for one in range(100)]),
    ],
)
def test_where_it_takes_long_it_is_not_looked_for(before: list[bytes], new: list[bytes]) -> None:
    assert covering([b"", *before, *new], {*new}, {*new}) == []
    assert b"" in covering([b"", *before[:9], *new[:9]], {*new[:9]}, {*new[:9]})
