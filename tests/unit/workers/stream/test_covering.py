"""Which subscriptions cover something of others."""

from __future__ import annotations

from fanout.workers.stream.covering import COVERING_MAX, covering


def test_those_that_begin_with_it_and_those_that_it_begins_with() -> None:
    before = [b"", b"x", b"xa", b"xb", b"xabc", b"y", b"xab"]
    assert covering(before, {b"xab"}) == [b"", b"x", b"xa", b"xabc", b"xab"]
    assert covering(before, {b"z", b"yy"}) == [b"", b"y"]
    assert covering([b"x"], {b"y"}) == covering([], {b"y"}) == []


def test_of_very_many_it_is_not_looked_for() -> None:
    most = [b"x%d" % number for number in range(COVERING_MAX)]
    assert covering(most, {b"x1"})
    assert covering([*most, b"x"], {b"x1"}) == []
