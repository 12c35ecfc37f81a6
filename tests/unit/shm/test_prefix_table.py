"""A look-up or a change costs what its bytes are, not what strangers have put into the table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from fanout.shm.prefix_table import SHORT_MAX, STEP_MAX, PrefixTable, _Level

if TYPE_CHECKING:
    from collections.abc import Callable

LENGTHS = 4_000


class Counted(dict[bytes, Any]):
    """Counts how often it is asked."""

    asked = 0

    def get(self, key: bytes, default: Any = None) -> Any:
        self.asked += 1
        return super().get(key, default)


def levels_of(table: PrefixTable[int]) -> list[_Level[int]]:
    found = [table._root]
    for level in found:
        found += [below for below in level.deeper.values() if isinstance(below, _Level)]
    return found


def counted(table: PrefixTable[int]) -> list[Counted]:
    """All its dicts, which count from now on."""
    dicts = []
    for level in levels_of(table):
        level.short, level.deeper = Counted(level.short), Counted(level.deeper)
        dicts += [level.short, level.deeper]
    return dicts


@pytest.mark.parametrize(
    "of_length",
    [lambda n: b"Z" * n, lambda n: b"T" * 40 + b"Z" * n, lambda n: b"T" * n],
    ids=["of another topic", "of a neighbour", "of the topic itself"],
)
def test_thousands_of_lengths_are_not_looked_up_one_by_one(
    of_length: Callable[[int], bytes],
) -> None:
    table: PrefixTable[int] = PrefixTable()
    for length in range(1, LENGTHS + 1):
        table.put(of_length(length), length)
    dicts = counted(table)
    topic = b"T" * 39 + b"!" + b"T" * LENGTHS

    expected = [n for n in range(1, LENGTHS + 1) if topic.startswith(of_length(n))]
    assert table.matching(topic) == expected
    # Those of the first level, and of the one on which the topic parts from them.
    assert sum(one.asked for one in dicts) <= 3 * (SHORT_MAX + 1) + 2
    assert len(expected) < SHORT_MAX + 10


def test_a_short_topic_is_not_looked_up_for_longer_prefixes() -> None:
    table: PrefixTable[int] = PrefixTable()
    for length in range(SHORT_MAX + 1):
        table.put(b"A" * length, length)
    (short, _) = counted(table)

    assert table.matching(b"AAB") == [0, 1, 2]
    assert short.asked == len(b"AAB") + 1


def test_a_prefix_is_found_in_a_few_steps_whatever_others_of_its_kind_there_are() -> None:
    """Else who comes with thousands, each a little longer than the last, costs their square."""
    table: PrefixTable[int] = PrefixTable()
    for length in range(1, LENGTHS):
        table.put(b"~" * length + b"!", length)
    dicts = counted(table)

    longest = b"~" * LENGTHS
    assert table.get(longest + b"!") is None
    table.put(longest + b"!", LENGTHS)
    table.put(longest + b"?", LENGTHS + 1)
    table.remove(longest + b"!")
    assert table.get(longest + b"?") == LENGTHS + 1
    assert sum(one.asked for one in dicts) <= 6 * (LENGTHS // STEP_MAX + 4)


def test_long_prefixes_take_few_levels() -> None:
    """Else a stranger with a few long prefixes would take many times their length in memory."""
    table: PrefixTable[int] = PrefixTable()
    for index in range(100):
        table.put(b"A" * 2000 + b"%d" % index + b"B" * 2000, index)
    assert len(levels_of(table)) <= 4 + 2000 // STEP_MAX

    for index in range(1, 100):
        table.remove(b"A" * 2000 + b"%d" % index + b"B" * 2000)
    assert len(levels_of(table)) == 1, "one alone needs none"
    assert table.matching(b"A" * 2000 + b"0" + b"B" * 2001) == [0]
