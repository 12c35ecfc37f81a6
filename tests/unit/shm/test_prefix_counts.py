"""Counts by prefix: lists added as a whole and taken off again, against a `Counter`."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from fanout.shm.prefix_counts import PrefixCounts
from fanout.shm.prefix_table import SHORT_MAX

SHORT = [b"%d" % index for index in range(40)]
LONG = [b"~" * (SHORT_MAX + index) for index in range(1, 20)]


@pytest.mark.parametrize("names", [SHORT, LONG, SHORT + LONG], ids=["short", "long", "both"])
def test_counts_are_those_of_all_lists_that_are_there(names: list[bytes]) -> None:
    rng = random.Random(1)
    table = PrefixCounts()
    counts: Counter[bytes] = Counter()
    there: list[tuple[list[bytes], int]] = []
    for _ in range(300):
        if there and rng.random() < 0.5:
            chosen, number = there.pop(rng.randrange(len(there)))
            rests = table.subtract(chosen, number)
            counts.subtract(dict.fromkeys(chosen, number))
            assert sorted(rests) == sorted(counts[name] for name in chosen)
        else:
            chosen, number = rng.sample(names, rng.randint(0, 9)), 1 << rng.choice((0, 24, 80))
            before = table.add(chosen, number)
            assert sorted(before) == sorted(counts[name] for name in chosen)
            counts.update(dict.fromkeys(chosen, number))
            there.append((chosen, number))
        assert [table.get(name) or 0 for name in names] == [counts[name] for name in names]
        assert len(table) == len(+counts)
    for chosen, number in there:
        table.subtract(chosen, number)
    assert (len(table), table.matching(b"~" * 99), table._root.lengths) == (0, [], ())
